"""The index by which reads are found, worked out from what their records say."""

import hashlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from semantic.canonical import canonical_json
from semantic.ledger.record import RecordKind


class ReadOutcome(StrEnum):
    """How a read ended. An open one began and has no outcome on record; of an indeterminate one it is known that it never will."""

    OPEN = "open"
    ALLOWED = "allowed"
    REFUSED = "refused"
    INDETERMINATE = "indeterminate"


class ReadEnd(NamedTuple):
    """What the index holds of how a read ended."""

    outcome: str
    reason: str | None
    rows: int | None
    ended_at: str | None


class ReadRow(NamedTuple):
    """A row of the index: what its read began with, and how it ended. In the order of the table."""

    seq: int
    metric: str
    read_id: str
    at: str
    reader: str | None
    acting_for: str | None
    team: str | None
    run_id: str | None
    root_run_id: str | None
    data_version: str | None
    definition_hash: str | None
    covers_from: str | None
    covers_to: str | None
    scope: int | None
    outcome: str
    reason: str | None
    rows: int | None
    ended_at: str | None


class ScopeRow(NamedTuple):
    """One thing that queries of a scope touch."""

    what: str
    name: str
    scope: int


# How many columns of a row say how it ended.
END = len(ReadEnd._fields)
OPEN = ReadEnd(ReadOutcome.OPEN.value, None, None, None)
_REFUSED = ReadOutcome.REFUSED.value


def rows_of(said: Mapping[str, Any], seq: int, at: str) -> list[ReadRow]:
    """What the index holds of a refusal, or of an intent that is open. `said` is what the record says."""
    touches = said.get("touches")
    scope = scope_of(touches) if touches else None
    is_refusal = said["kind"] == RecordKind.REFUSAL
    end = (_REFUSED, said["reason"], None, at) if is_refusal else OPEN
    return [
        ReadRow(
            seq,
            item["metric"],
            said["id"],
            at,
            said["reader"],
            said["acting_for"],
            said.get("team"),
            said["run_id"],
            said["root_run_id"],
            item["data_version"],
            item["definition_hash"],
            item["covers"][0],
            item["covers"][1],
            scope,
            *end,
        )
        for item in said["metrics"]
    ]


def end_of(said: Mapping[str, Any], at: str) -> ReadEnd:
    """What an outcome adds to the index."""
    reason = said["reason"]
    if reason is None:
        outcome = ReadOutcome.ALLOWED
    elif reason == ReadOutcome.INDETERMINATE:
        outcome = ReadOutcome.INDETERMINATE
    else:
        outcome = ReadOutcome.REFUSED
    return ReadEnd(outcome.value, reason, said["details"].get("rows"), at)


def scope_of(touches: Mapping[str, Any]) -> int:
    """The number under which it is kept what a query touches."""
    return _number_of(tuple(zip(touches, map(tuple, touches.values()), strict=True)))


@lru_cache(4_096)
def _number_of(touches: tuple[tuple[str, tuple[str, ...]], ...]) -> int:
    digest = hashlib.sha256(canonical_json(dict(touches))).digest()
    return int.from_bytes(digest[:8], signed=True)


def scope_rows(touches: Mapping[str, Any]) -> Iterator[ScopeRow]:
    scope = scope_of(touches)
    for what, names in touches.items():
        for name in names:
            yield ScopeRow(what, name, scope)
