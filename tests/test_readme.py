"""The README and the guide are true: their examples load and run, their commands exist, their links lead somewhere."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.core.component_tree import ComponentTree

from agent_resources.models import ScriptedModel, Told
from tests.dbt_build import BuiltProject

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "own-project.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

pytestmark = [
    # Dagster on itself, when it loads a folder of components.
    pytest.mark.filterwarnings("ignore:.parse_obj_as. is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning"),
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def project(shop: BuiltProject, tmp_path: Path) -> Iterator[Path]:
    """A Dagster project made of the README's files, with the shop as its dbt project."""
    folder = tmp_path / "readme_project"
    package = folder / "readme_project"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copytree(shop.folder, folder / "dbt")
    (folder / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "readme_project"\n'
    )
    for block in _blocks(README, "yaml"):
        named = re.match(r"# (defs/\S+?\.yaml)", block)
        assert named is not None, block
        path = package / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block)
    (package / "defs" / "agents" / "revenue_watch.md").write_text("Watch revenue.")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _the_key_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-nobody")


def test_the_example_for_your_own_project_loads(project: Path) -> None:
    definitions = ComponentTree.for_project(project).build_defs()
    graph = definitions.resolve_asset_graph()
    agent = dg.AssetKey(["agents", "revenue_watch"])
    assert graph.get(agent).parent_keys == {
        dg.AssetKey(["metrics", "orders"]),
        dg.AssetKey(["metrics", "revenue"]),
    }
    assert graph.get(dg.AssetKey(["metrics", "revenue"])).parent_keys == {
        dg.AssetKey("governed_snapshot")
    }


def test_the_example_in_readme_is_short() -> None:
    lines = [line for block in _blocks(README, "yaml") for line in block.splitlines()]
    assert len([line for line in lines if line.strip()]) <= 20


def test_the_python_of_the_guide_builds_definitions(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    defs = project / "readme_project" / "defs"
    shutil.copy(defs / "metrics" / "policy.yaml", project / "policy.yaml")
    shutil.copytree(defs / "agents", project / "agents", ignore=shutil.ignore_patterns("defs.yaml"))
    names: dict[str, object] = {}
    exec(_blocks(GUIDE, "python")[0], names)
    built = names["defs"]
    assert isinstance(built, dg.Definitions)
    assert (
        dg.AssetKey(["agents", "revenue_watch"]) in built.resolve_asset_graph().get_all_asset_keys()
    )


def test_the_script_of_the_guide_is_one() -> None:
    names: dict[str, object] = {}
    exec(_blocks(GUIDE, "python")[1], names)
    watch = names["watch"]
    ScriptedModel(watch)  # type: ignore[arg-type]
    steps = watch()  # type: ignore[operator]
    assert next(steps).arguments["metrics"] == "revenue"
    with pytest.raises(StopIteration) as ended:
        steps.send(Told(content={"refused": "not_available", "message": "Not yours"}))
    assert ended.value.value.answer == "I could read nothing: Not yours"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = [
        link
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert not missing


@pytest.mark.parametrize("target", ["demo", "test", "ui", "check", "bench", "clean"])
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_ci_runs_what_readme_says() -> None:
    assert "make test" in README
    assert (ROOT / ".ci" / "run").read_text().strip().splitlines()[-1] == "make test"


def test_constraints_are_exact_and_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", pin) for pin in pins)
    assert len(pins) > 100
