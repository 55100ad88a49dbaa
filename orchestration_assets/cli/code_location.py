"""The code location that a command runs something of: named, or as the project's own `pyproject.toml` names it."""

import os
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration_assets.cli.place import DEMO_HOME
from semantic.errors import QuestionError

if TYPE_CHECKING:
    import dagster as dg

DEFINITIONS_VARIABLE = "GOVERNED_AGENTS_DEFINITIONS"
_DEMO = "orchestration_assets.definitions"


def load_repository(named: str | None, home: Path) -> "dg.RepositoryDefinition":
    """The definitions of a module. Raises `QuestionError` where none is named, or it cannot be loaded."""
    from dagster._core.definitions.reconstruct import repository_def_from_target_def
    from dagster._core.workspace.autodiscovery import loadable_targets_from_python_module

    module = named or next(_modules(home), None)
    if module is None:
        raise QuestionError(
            "No code location is named",
            hint=f"name the module with your definitions with -m, in {DEFINITIONS_VARIABLE}, or as [tool.dg.project] in pyproject.toml",
        )
    sys.path.insert(0, str(Path.cwd()))
    try:
        import_module(module)
        targets = loadable_targets_from_python_module(module, working_directory=str(Path.cwd()))
        found = repository_def_from_target_def(targets[0].target_definition)
    # Whatever stands in somebody's module may fail in any way.
    except Exception as error:
        raise QuestionError(
            f"The module '{module}' cannot be loaded: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            hint="`dg check defs` tells what is wrong with it",
        ) from error
    if found is None:
        raise QuestionError(f"The module '{module}' holds no definitions", hint="name another")
    return found


def _modules(home: Path) -> Iterator[str]:
    """Where definitions may be, the likeliest first."""
    if os.environ.get(DEFINITIONS_VARIABLE):
        yield os.environ[DEFINITIONS_VARIABLE]
    try:
        tool = tomllib.loads((Path.cwd() / "pyproject.toml").read_text()).get("tool", {})
    except (OSError, tomllib.TOMLDecodeError):
        tool = {}
    project = tool.get("dg", {}).get("project", {})
    if "root_module" in project:
        yield project.get("code_location_target_module") or f"{project['root_module']}.definitions"
    if "module_name" in tool.get("dagster", {}):
        yield tool["dagster"]["module_name"]
    if home.match(str(DEMO_HOME)):
        yield _DEMO
