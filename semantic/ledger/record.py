"""What is written to the ledger: frozen values, each with its canonical body."""

import hashlib
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any

from semantic.canonical import canonical_json


class RecordKind(StrEnum):
    """The kinds of record."""

    INTENT = "intent"
    OUTCOME = "outcome"
    REFUSAL = "refusal"
    MODEL_CALL = "model_call"
    TOOL_CALL = "tool_call"
    GUARDRAIL = "guardrail"
    DECISION = "decision"
    VERDICT = "verdict"
    MEMORY = "memory"
    REPLAY = "replay"
    APPROVAL = "approval"
    RECALL = "recall"
    ACKNOWLEDGEMENT = "acknowledgement"
    EXPORT = "export"
    TOKEN = "token"  # noqa: S105 - a kind, and none itself
    SESSION = "session"
    POLICY = "policy"
    DEFINITION = "definition"
    ERASURE = "erasure"
    CHECKPOINT = "checkpoint"
    ARCHIVE = "archive"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, kw_only=True)
class ReadContext:
    """Where a read happens. With `call_id` set, a read that is tried again under the same root run, step and call has the
    same id, and so is one record. `trace_id` and `span_id` are those of W3C Trace Context, in hexadecimal.
    """

    run_id: str | None = None
    root_run_id: str | None = None
    step_key: str | None = None
    call_id: str | None = None
    purpose: str | None = None
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Touched:
    """What a query names and reads, beside its metrics: each by name, for look-ups."""

    dimensions: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    dbt_models: tuple[str, ...] = ()

    def said(self) -> Mapping[str, tuple[str, ...]]:
        """As it is written: by what it is, the names in order."""
        return _touches_of(self)


@dataclass(frozen=True, kw_only=True)
class MetricRead:
    """One metric of a read, as the index for look-ups. For a refusal the versions may be unknown."""

    metric: str
    data_version: str | None = None
    definition_hash: str | None = None
    covers_from: date | None = None
    covers_to: date | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of the ledger. `details` are JSON values without floats; they and all else are part of the body, of an `Erasable` its
    digest.

    `reader` is the actor and `acting_for` the subject of RFC 8693, where it acts for another.
    """

    record_id: str
    kind: RecordKind
    reader: str | None = None
    acting_for: str | None = None
    team: str | None = None
    context: ReadContext = field(default_factory=ReadContext)
    reason: str | None = None
    metrics: tuple[MetricRead, ...] = ()
    touches: Touched = field(default_factory=Touched)
    details: Mapping[str, object] = field(default_factory=dict)

    def said(self) -> Mapping[str, Any]:
        """What it says, in the words of its body."""
        context = self.context
        return {
            "id": self.record_id,
            "kind": self.kind.value,
            "reader": self.reader,
            "acting_for": self.acting_for,
            "team": self.team,
            "run_id": context.run_id,
            "root_run_id": context.root_run_id,
            "step": context.step_key,
            "call": context.call_id,
            "trace": context.trace_id,
            "span": context.span_id,
            "purpose": context.purpose,
            "reason": self.reason,
            "metrics": [
                {
                    "metric": item.metric,
                    "data_version": item.data_version,
                    "definition_hash": item.definition_hash,
                    "covers": [_day(item.covers_from), _day(item.covers_to)],
                }
                for item in self.metrics
            ],
            "touches": self.touches.said(),
            "details": self.details,
        }

    @property
    def is_retryable(self) -> bool:
        """Whether its id is one that another try comes to as well."""
        return self.record_id[14:15] != "7"


def new_read_id(reader: str, context: ReadContext, identity: str) -> str:
    """The id of a read: derived where a retry must find it again, else a new UUIDv7."""
    if context.call_id is None or context.root_run_id is None:
        return str(uuid7())
    return derived_id(
        "read", [reader, context.root_run_id, context.step_key, context.call_id, identity]
    )


def derived_id(what: str, place: Sequence[str | None]) -> str:
    """The id that another try at the same place comes to as well: a UUID of version 8."""
    digest = hashlib.sha256(f"governed-agents/{what}/1\0".encode() + canonical_json(list(place)))
    return str(_uuid_of(int.from_bytes(digest.digest()[:16]), version=8))


def uuid7() -> uuid.UUID:
    """A UUID of RFC 9562 version 7: sortable by the millisecond of its making."""
    milliseconds = time.time_ns() // 1_000_000
    return _uuid_of((milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80), version=7)


def _uuid_of(value: int, *, version: int) -> uuid.UUID:
    """The bits of `value` as a UUID of a version that this Python does not make by itself."""
    value = value & ~(0xF << 76) | version << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 2 << 62)


@lru_cache(4_096)
def _touches_of(touched: Touched) -> Mapping[str, tuple[str, ...]]:
    """Most queries touch what others touched before."""
    named = {
        "dimension": touched.dimensions,
        "relation": touched.relations,
        "dbt_model": touched.dbt_models,
    }
    return {what: tuple(sorted(set(names))) for what, names in named.items() if names}


def _day(value: date | None) -> str | None:
    return value.isoformat() if value else None
