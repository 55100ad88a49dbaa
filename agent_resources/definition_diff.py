"""What differs between two versions of an agent's definition."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

_HASH = "definition_hash"
_PROMPT = "instructions"


@dataclass(frozen=True, kw_only=True)
class DefinitionChange:
    """A value of the definition, by its place in the agent's file (`limits.turns`), as it was and as it is; None where it was not there."""

    place: str
    before: Any
    after: Any


def definition_changes(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[DefinitionChange]:
    """What differs, in the order of the file; of the prompt only that it does. Lists are compared as a whole."""
    return [
        change for change in _changes(before, after, ()) if change.place not in (_HASH, _PROMPT)
    ]


def prompt_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The lines of the prompt that differ, as a unified diff; none where it is the same."""
    was, now = str(before.get(_PROMPT) or ""), str(after.get(_PROMPT) or "")
    return list(unified_diff(was.splitlines(), now.splitlines(), "before", "after", lineterm=""))


def _changes(before: Any, after: Any, place: tuple[str, ...]) -> Iterator[DefinitionChange]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            yield from _changes(before.get(key), after.get(key), (*place, key))
    elif before != after:
        yield DefinitionChange(place=".".join(place), before=before, after=after)
