"""What an agent's file names by its import path, `package.module:name`."""

from importlib import import_module
from typing import Any

from agent_resources.guardrails.credentials import without_secrets
from semantic.errors import did_you_mean

IMPORT_PATH = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
HOW = "write it as package.module:name, of a package that is installed where the agent runs"


def imported(path: str) -> Any:
    """What stands at an import path. Raises `ImportError` or `AttributeError`."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def wrong_import(what: str, path: str) -> tuple[str, str] | None:
    """Why nothing stands at an import path, and what to do about it; None where something does. `what` names it in the message."""
    module, _, name = path.partition(":")
    if not (module and name):
        return f"{what} '{path}' is no import path", HOW
    try:
        found = import_module(module)
    # Whatever a module of somebody else's raises.
    except (Exception, SystemExit) as error:
        why = without_secrets(f"{type(error).__name__}: {error}")
        return f"{what} '{path}' cannot be imported: {why}", HOW
    if not hasattr(found, name):
        return f"{what} '{path}' is not there", did_you_mean(name, vars(found)) or HOW
    return None
