"""What an engine said is kept for the next process, and for no other definitions."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from semantic.answer import MetricAnswer
from semantic.catalog import Catalog
from semantic.engine import CompileRequest, MetricEngine
from semantic.engines.stored import StoredEngine
from semantic.errors import MetricCompileError
from semantic.governed_metrics import GovernedMetrics
from semantic.metric import Dimension
from tests.conftest import OpenDoor
from tests.dbt_build import BuiltProject
from tests.semantic.door import BOSS

ROOT = Path(__file__).parents[2]
QUERIES: tuple[dict[str, Any], ...] = (
    {"metrics": "orders", "group_by": ["customer__region", "metric_time__month"]},
    {"metrics": ["orders", "revenue"], "group_by": "metric_time__extract_dow"},
    {
        "metrics": "first_order_rate",
        "filters": [
            {"any_of": [{"dimension": "customer__region", "values": "north"}]},
            {"metric": "orders", "by": "customer", "operator": ">", "values": 0},
        ],
    },
)


class Counting:
    """An engine that counts what it is asked."""

    def __init__(self, engine: MetricEngine) -> None:
        self._engine = engine
        self.asked = 0

    def dimensions(self, metrics: Sequence[str]) -> Mapping[str, Dimension]:
        self.asked += 1
        return self._engine.dimensions(metrics)

    def compile(self, request: CompileRequest) -> str:
        self.asked += 1
        return self._engine.compile(request)


def with_engine(open_door: OpenDoor, engine: MetricEngine) -> GovernedMetrics:
    door = open_door()
    door._make_engine = lambda _: engine
    return door


def rows(door: GovernedMetrics) -> list[Any]:
    found = [door.query(query, reader=BOSS) for query in QUERIES]
    assert all(isinstance(item, MetricAnswer) for item in found), found
    return [(item.columns, item.rows) for item in found if isinstance(item, MetricAnswer)]


def never(_: Catalog) -> MetricEngine:
    raise AssertionError("the engine was made although all is on file")


def test_another_process_answers_the_same_and_makes_no_engine(
    open_door: OpenDoor, shop_catalog: Catalog, engine: MetricEngine, tmp_path: Path
) -> None:
    first = StoredEngine(shop_catalog, lambda _: engine, tmp_path)
    second = StoredEngine(shop_catalog, never, tmp_path)
    plain = rows(with_engine(open_door, engine))
    assert rows(with_engine(open_door, first)) == plain
    assert rows(with_engine(open_door, second)) == plain
    assert dict(second.dimensions(["orders"])) == dict(engine.dimensions(["orders"]))


def test_other_definitions_have_files_of_their_own(
    shop_catalog: Catalog, engine: MetricEngine, tmp_path: Path
) -> None:
    StoredEngine(shop_catalog, lambda _: engine, tmp_path).dimensions(["orders"])
    other = StoredEngine(replace(shop_catalog, manifest_hash="other"), never, tmp_path)
    with pytest.raises(AssertionError, match="was made"):
        other.dimensions(["orders"])


def test_a_damaged_file_is_made_again(
    shop_catalog: Catalog, engine: MetricEngine, tmp_path: Path
) -> None:
    StoredEngine(shop_catalog, lambda _: engine, tmp_path).dimensions(["orders"])
    [path] = tmp_path.rglob("*.json")
    good = path.read_text()
    for damaged in ("", "{", "[]x", '[{"name": 1}]', "7"):
        path.write_text(damaged)
        counting = Counting(engine)
        StoredEngine(shop_catalog, lambda _, it=counting: it, tmp_path).dimensions(["orders"])  # type: ignore[misc]
        assert counting.asked == 1
        assert path.read_text() == good


def test_what_cannot_be_compiled_is_not_kept(
    shop_catalog: Catalog, engine: MetricEngine, tmp_path: Path
) -> None:
    stored = StoredEngine(shop_catalog, lambda _: engine, tmp_path)
    with pytest.raises(MetricCompileError):
        stored.compile(CompileRequest(metrics=("nothing",), group_by=()))
    assert list(tmp_path.rglob("*.json")) == []


def test_a_folder_that_cannot_be_written_keeps_nothing_and_stops_nothing(
    shop_catalog: Catalog, engine: MetricEngine, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    assert StoredEngine(shop_catalog, lambda _: engine, in_the_way).dimensions(["orders"])


def test_what_old_definitions_left_is_removed(
    shop_catalog: Catalog, engine: MetricEngine, tmp_path: Path
) -> None:
    for number in range(6):
        catalog = replace(shop_catalog, manifest_hash=str(number))
        StoredEngine(catalog, lambda _: engine, tmp_path).dimensions(["orders"])
    assert len(list(tmp_path.iterdir())) == 3


def test_a_query_from_files_loads_no_metricflow(
    shop: BuiltProject, shop_catalog: Catalog, engine: MetricEngine, tmp_path: Path
) -> None:
    asked = StoredEngine(shop_catalog, lambda _: engine, tmp_path)
    sql = asked.compile(CompileRequest(metrics=("orders",), group_by=()))
    code = f"""
import sys
from pathlib import Path
from semantic.dbt_manifest import load_catalog
from semantic.engine import CompileRequest
from semantic.engines.embedded import embedded_engine
from semantic.engines.stored import StoredEngine

engine = StoredEngine(load_catalog(Path({str(shop.target)!r})), embedded_engine, Path({str(tmp_path)!r}))
print(engine.compile(CompileRequest(metrics=("orders",), group_by=())) == {sql!r}, "metricflow" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]
