"""Where a component's file lies in `defs/`, and the components beside it."""

import re
from pathlib import Path
from typing import TypeVar

import dagster as dg

from orchestration_assets.errors import DefinitionsError
from semantic.errors import did_you_mean

ComponentT = TypeVar("ComponentT", bound=dg.Component)


def folder_of(context: dg.ComponentLoadContext) -> Path:
    """The folder that a component's file lies in."""
    return context.path.parent if context.path.is_file() else context.path


def name_of(context: dg.ComponentLoadContext) -> str:
    """A name for this component's folder that no other folder in `defs/` has: letters, digits and underscores."""
    parts = folder_of(context).relative_to(context.defs_module_path).parts
    return re.sub(r"[^A-Za-z0-9_]", "_", "_".join(parts)) or "defs"


def load_component_in(
    context: dg.ComponentLoadContext, folder: str, kind: type[ComponentT]
) -> ComponentT:
    """The component of a folder in `defs/`. Raises `DefinitionsError` where there is none, or one of another kind."""
    path = context.defs_module_path / folder
    if not path.is_dir():
        raise DefinitionsError(
            f"There is no folder '{folder}' in {context.defs_module_path}",
            hint=did_you_mean(folder, _folders(context.defs_module_path))
            or f"name the folder in defs/ that holds the {kind.__name__}",
        )
    component = context.load_component(folder)
    if not isinstance(component, kind):
        raise DefinitionsError(
            f"The folder '{folder}' in {context.defs_module_path} is not that of one {kind.__name__}",
            hint=f"name the folder whose defs.yaml holds a {kind.__name__} and nothing else",
        )
    return component


def _folders(root: Path) -> list[str]:
    return [path.parent.relative_to(root).as_posix() for path in root.rglob("defs.yaml")]
