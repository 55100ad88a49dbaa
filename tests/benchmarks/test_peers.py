"""Other semantic layers are measured against and nothing else: one of them is under AGPL."""

import ast
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = ("sidemantic", "boring_semantic_layer", "ibis", "dbt_metricflow")
ROOMS = ("semantic", "agent_resources", "orchestration_assets", "tests", "benchmarks")


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_peers_are_imported_only_where_they_are_asked() -> None:
    found = {
        str(path.relative_to(ROOT).parent)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if set(_imported(path)) & set(PEERS)
    }
    assert found == {"benchmarks/peers"}


@pytest.mark.parametrize("layer", ROOMS[:3])
def test_the_product_does_not_know_its_benchmarks(layer: str) -> None:
    assert not [
        path for path in (ROOT / layer).rglob("*.py") if "benchmarks" in set(_imported(path))
    ]


def test_no_peer_is_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = chain.from_iterable(project["optional-dependencies"].values())
    wanted = [*project["dependencies"], *extras]
    names = {name.replace("_", "-") for name in PEERS}
    assert not [item for item in wanted if any(item.startswith(name) for name in names)]
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert not [item for item in pinned if item.split("==")[0] in names]
