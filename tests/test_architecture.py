"""The house: which layer may import which, and that nothing imports in a circle."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("semantic", "agent_resources", "orchestration_assets")
FORBIDDEN = {
    "semantic": ("dagster", "dagster_dbt", "pydantic_ai", "openai", "dbt", "mcp"),
    "agent_resources": ("dagster_dbt", "dbt"),
}
ENGINES = ("metricflow", "metricflow_semantics", "pydantic_ai", "openai")


def _modules() -> dict[str, Path]:
    found = {}
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _imports(path: Path, *, top_level: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _ours(name: str) -> str | None:
    """The module of ours that an imported name is, or lies in."""
    if name in MODULES:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in MODULES else None


@pytest.mark.parametrize("module", MODULES)
def test_a_layer_imports_only_those_above_it(module: str) -> None:
    layer = LAYERS.index(module.split(".")[0])
    below = LAYERS[layer + 1 :]
    wrong = [name for name in _imports(MODULES[module]) if name.split(".")[0] in below]
    assert not wrong


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_a_layer_does_not_know_what_is_not_its_business(layer: str) -> None:
    wrong = [
        (module, name)
        for module, path in MODULES.items()
        if module.split(".")[0] == layer
        for name in _imports(path)
        if name.split(".")[0] in FORBIDDEN[layer]
    ]
    assert not wrong


def test_dagster_is_known_only_to_files_that_say_resource() -> None:
    wrong = [
        module
        for module, path in MODULES.items()
        if module.startswith("agent_resources")
        and not module.endswith("_resource")
        and any(name.split(".")[0] == "dagster" for name in _imports(path))
    ]
    assert not wrong


def test_nothing_imports_in_a_circle() -> None:
    graph = {
        module: {ours for name in _imports(path) if (ours := _ours(name)) and ours != module}
        for module, path in MODULES.items()
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize(
    "root", ["semantic.governed_metrics", "orchestration_assets.components", "orchestration_assets"]
)
def test_loading_definitions_imports_no_engine(root: str) -> None:
    code = f"import sys, {root}; print(*(name for name in {ENGINES!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_command_line_answers_without_loading_dagster() -> None:
    code = "import sys, orchestration_assets.cli.app; print('dagster' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]


def test_nothing_takes_sql_from_a_reader() -> None:
    """No field of what a reader can ask is called after SQL, and none takes a bare condition."""
    from semantic.filters import Filter
    from semantic.query import MetricQuery, OrderBy
    from semantic.time_range import TimeRange

    fields = {
        name for model in (MetricQuery, Filter, OrderBy, TimeRange) for name in model.model_fields
    }
    assert fields.isdisjoint({"sql", "where", "having", "expression", "raw", "query"})
    assert all(
        model.model_config["extra"] == "forbid"
        for model in (MetricQuery, Filter, OrderBy, TimeRange)
    )


def test_the_repository_names_no_place_of_its_making() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    registry = re.compile(r"https?://[^\s\"')]*(pypi|npmjs|debian)\.", re.IGNORECASE)
    wrong = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in (".parquet", ".png") or not path.is_file() or path == Path(__file__):
            continue
        if registry.search(path.read_text(errors="replace")):
            wrong.append(name)
    assert not wrong


SERVER = "agent_resources.mcp_server"
PROTOCOL = {"mcp", "mcp_types", "starlette", "uvicorn", "jwt"}


def test_only_the_server_speaks_the_protocol() -> None:
    """What is not installed without the extra `serve` is not imported without it."""
    speaking = {
        module
        for module, path in MODULES.items()
        if PROTOCOL & {name.split(".")[0] for name in _imports(path)}
    }
    assert speaking
    assert not [module for module in speaking if not module.startswith(SERVER)]
    importing = {
        module
        for module, path in MODULES.items()
        if not module.startswith(SERVER)
        and any((_ours(name) or "").startswith(SERVER) for name in _imports(path, top_level=True))
    }
    assert not importing


def test_the_client_is_shipped_with_what_it_imports_and_nothing_else() -> None:
    """`client/` holds the list of its files; what they import is httpx, pydantic and, where it is there, opentelemetry."""
    reached: set[str] = set()
    waiting = ["semantic.remote_metrics", "semantic.metric_reading"]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += [ours for name in _imports(MODULES[module]) if (ours := _ours(name))]
    about = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())
    wheel = about["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = {f"{module.replace('.', '/')}.py" for module in reached}
    shipped = {*files, "semantic/__init__.py", "semantic/py.typed"}
    assert wheel["force-include"] == {f"../{name}": name for name in sorted(shipped)}
    foreign = {name.split(".")[0] for it in reached for name in _imports(MODULES[it])}
    assert foreign - sys.stdlib_module_names - {"semantic"} == {
        "httpx",
        "pydantic",
        "opentelemetry",
    }
    main = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert about["project"]["version"] == main["project"]["version"]


# What reaches data or writes SQL, and the only modules that may name it. Each has its reason.
WAYS = {
    # Opens the copy that reads are served from, copies the warehouse, and writes and reads archives of the record.
    "duckdb.connect": {
        "semantic.snapshot",
        "semantic.open_snapshot",
        "semantic.ledger.archive",
        # Writes the file of what Dagster tells of itself, which is read with the copy.
        "semantic.platform.tables",
    },
    "duckdb": {
        "semantic.ledger.archive",
        "semantic.snapshot",
        "semantic.open_snapshot",
        "semantic.platform.tables",
        "semantic.read",
        "semantic.measurement",
        # Interrupts a query of somebody else, and asks nothing.
        "semantic.cancellation",
    },
    "OpenSnapshot": {
        "semantic.snapshot",
        "semantic.governed_metrics",
        "semantic.prepared",
        "semantic.read",
        "semantic.read_session",
        "semantic.measurement",
        "semantic.watch_measurement",
    },
    # Runs a SELECT: the path of a read, the first and last day of a staged copy before anybody reads it, and what was told of failed runs, to tell it again.
    ".execute_on_data": {"semantic.read", "semantic.measurement", "semantic.snapshot"},
    # Writes SQL: named where a door is put together, and nowhere else.
    "MetricFlowCompiler": {"semantic.engines.embedded"},
    "embedded_engine": {"agent_resources.metrics_resource", "orchestration_assets.cli.place"},
    ".compile_of_engine": {
        "semantic.plan",
        "semantic.engines.stored",
        "semantic.engines.simplifying",
    },
}
# The demonstration's own warehouse, which is what dbt reads and no agent does.
DEMONSTRATION = "orchestration_assets.defs."


def _ways_named(path: Path) -> set[str]:
    """Which of `WAYS` a module names, by its imports, its names and the methods that it calls."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.Name(id=name):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="duckdb"), attr=attribute):
                found.add(f"duckdb.{attribute}")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="data"), attr="execute")):
                found.add(".execute_on_data")
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="data"), attr="execute")):
                found.add(".execute_on_data")
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_engine"), attr="compile")):
                found.add(".compile_of_engine")
    return found & set(WAYS)


def test_only_the_door_reaches_an_engine_or_the_data() -> None:
    named: dict[str, set[str]] = {way: set() for way in WAYS}
    for module, path in MODULES.items():
        if not module.startswith(DEMONSTRATION):
            for way in _ways_named(path):
                named[way].add(module)
    assert named == WAYS


def test_a_session_is_all_that_a_reader_is_given() -> None:
    """What a session offers in public either goes through the door or holds no data."""
    from semantic.read_session import ReadSession

    public = {name for name in vars(ReadSession) if not name.startswith("_")}
    assert public == {
        "query",
        "dimension_values",
        "explain",
        "snapshot",
        "renew",
        "record",
        "is_on_record",
        "cancel",
        "tell",
    }
