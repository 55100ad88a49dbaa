"""The index by which reads are found, worked out from what their records say."""

import hashlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

from semantic.canonical import canonical_json
from semantic.ledger.record import RecordKind

Row = dict[str, Any]


class ReadOutcome(StrEnum):
    """How a read ended. An open one began and has no outcome on record; of an indeterminate one it is known that it never will."""

    OPEN = "open"
    ALLOWED = "allowed"
    REFUSED = "refused"
    INDETERMINATE = "indeterminate"


def rows_of(said: Mapping[str, Any], seq: int, at: str) -> Iterator[Row]:
    """What the index holds of an intent or a refusal, without its end. `said` is what the record says."""
    is_refusal = said["kind"] == RecordKind.REFUSAL
    touches = said.get("touches")
    scope = scope_of(touches) if touches else None
    for item in said["metrics"]:
        covers_from, covers_to = item["covers"]
        yield {
            "seq": seq,
            "metric": item["metric"],
            "read_id": said["id"],
            "at": at,
            "reader": said["reader"],
            "acting_for": said["acting_for"],
            "team": said.get("team"),
            "run_id": said["run_id"],
            "root_run_id": said["root_run_id"],
            "data_version": item["data_version"],
            "definition_hash": item["definition_hash"],
            "covers_from": covers_from,
            "covers_to": covers_to,
            "scope": scope,
            "outcome": ReadOutcome.REFUSED.value if is_refusal else ReadOutcome.OPEN.value,
            "reason": said["reason"],
            "rows": None,
            "ended_at": at if is_refusal else None,
        }


def end_of(said: Mapping[str, Any], at: str) -> Row:
    """What an outcome adds to the index."""
    reason = said["reason"]
    if reason is None:
        outcome = ReadOutcome.ALLOWED
    elif reason == ReadOutcome.INDETERMINATE:
        outcome = ReadOutcome.INDETERMINATE
    else:
        outcome = ReadOutcome.REFUSED
    return {
        "outcome": outcome.value,
        "reason": reason,
        "rows": said["details"].get("rows"),
        "ended_at": at,
    }


def scope_of(touches: Mapping[str, Any]) -> int:
    """The number under which it is kept what a query touches."""
    return _number_of(tuple(zip(touches, map(tuple, touches.values()), strict=True)))


@lru_cache(4_096)
def _number_of(touches: tuple[tuple[str, tuple[str, ...]], ...]) -> int:
    digest = hashlib.sha256(canonical_json(dict(touches))).digest()
    return int.from_bytes(digest[:8], signed=True)


def scope_rows(touches: Mapping[str, Any]) -> Iterator[Row]:
    scope = scope_of(touches)
    for what, names in touches.items():
        for name in names:
            yield {"what": what, "name": name, "scope": scope}
