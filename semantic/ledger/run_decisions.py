"""What runs decided, and on what that rests, without its texts. Bounded questions: decisions stay in the database."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import sqlalchemy as sa

from semantic.ledger.chain import content_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.parts import in_parts
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import IS_DECISION, records

# The reason of a decision that was played on the past.
HISTORY = "history"
_AT_ONCE = 2_000
# On more reads than these so many decisions rest that looking before parsing takes longer.
_FEW = 5_000
# As canonical JSON writes them: ids are texts without brackets and quotes.
_TOLD_OF_NONE = b'"told":[]'
_READS = re.compile(rb'"(?:reads|remembered)":\[([^\]]*)\]')
_ID = re.compile(rb'"([^"]*)"')


@dataclass(frozen=True, kw_only=True)
class RunDecision:
    """That a run came to a decision, or with a reason to none. `seq` is the number of its record. `reads` are the ids of those that it made, `remembered` of those of earlier runs that its
    agent's memory told it of, and `told` of the decisions that it was told of.
    """

    seq: int
    decision_id: str
    agent: str
    run_id: str | None
    at: str
    reason: str | None
    reads: tuple[str, ...]
    remembered: tuple[str, ...]
    told: tuple[str, ...]

    @property
    def is_one(self) -> bool:
        """Whether something was decided: at a limit nothing is."""
        return self.reason in (None, HISTORY)


def decisions_in(ledger: Ledger, runs: Collection[str]) -> list[RunDecision]:
    """What was decided in these runs, in the order in which it was. Looks into the database alone: decisions stay there."""
    return _decisions(ledger, records.c.run_id, runs)


def decisions_with(ledger: Ledger, ids: Collection[str]) -> list[RunDecision]:
    """The decisions with these ids."""
    return _decisions(ledger, records.c.record_id, ids)


def decisions_resting_on(ledger: Ledger, read_ids: Collection[str] | None) -> list[RunDecision]:
    """Every decision that may rest on one of these reads, and perhaps others, in the order in which they were made. Every decision at all where these are
    None.
    """
    asked = (
        sa.select(
            records.c.seq,
            records.c.record_id,
            records.c.reader,
            records.c.run_id,
            records.c.recorded_at,
            records.c.body,
        )
        .where(records.c.kind == RecordKind.DECISION.value, records.c.reason.is_(None))
        .order_by(records.c.seq)
    )
    is_rare = read_ids is not None and len(read_ids) <= _FEW
    wanted = frozenset(it.encode() for it in read_ids or ()) if is_rare else None
    found = []
    with ledger.reading() as connection:
        rows: Iterable[Any] = chain.from_iterable(connection.execute(asked).partitions(_AT_ONCE))
        for seq, record_id, reader, run_id, at, body in rows:
            if wanted is None or _may_rest_on(wanted, body):
                found.append(_decision(seq, record_id, reader, run_id, at, None, body))
    return found


def _may_rest_on(wanted: frozenset[bytes], body: bytes) -> bool:
    """Whether a body may name one of these, without parsing it: of thousands of decisions few do."""
    if _TOLD_OF_NONE not in body:
        return True
    return any(not wanted.isdisjoint(_ID.findall(part)) for part in _READS.findall(body))


def standing_decisions(ledger: Ledger) -> list[RunDecision]:
    """The newest decision of each agent: what it says now."""
    newest = (
        sa.select(sa.func.max(records.c.seq))
        .where(records.c.kind == RecordKind.DECISION.value, records.c.reason.is_(None))
        .group_by(records.c.reader)
    )
    asked = sa.select(records).where(records.c.seq.in_(newest)).order_by(records.c.reader)
    with ledger.reading() as connection:
        return [decision_of(row) for row in connection.execute(asked)]


def decisions_told_of(ledger: Ledger, ids: Collection[str]) -> list[RunDecision]:
    """The decisions of runs that were told of one of these decisions."""
    wanted = {decision.encode() for decision in ids}
    asked = (
        sa.select(records)
        .where(records.c.kind == RecordKind.DECISION.value)
        .order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        alike = [
            row for row in connection.execute(asked) if any(text in row.body for text in wanted)
        ]
    found = map(decision_of, alike)
    return [decision for decision in found if not set(ids).isdisjoint(decision.told)]


def _decisions(
    ledger: Ledger, column: sa.ColumnElement[str], names: Collection[str]
) -> list[RunDecision]:
    found: list[RunDecision] = []
    with ledger.reading() as connection:
        for some in in_parts(sorted(names)):
            asked = sa.select(records).where(IS_DECISION, column.in_(some)).order_by(records.c.seq)
            found.extend(map(decision_of, connection.execute(asked).all()))
    return found


def decision_of(row: Any) -> RunDecision:
    """A row of `records` that tells a decision, without the texts of it."""
    return _decision(
        row.seq, row.record_id, row.reader, row.run_id, row.recorded_at, row.reason, row.body
    )


def _decision(
    seq: int,
    decision_id: str,
    agent: str,
    run_id: str | None,
    at: str,
    reason: str | None,
    body: bytes,
) -> RunDecision:
    details = content_of(body)["details"]
    return RunDecision(
        seq=seq,
        decision_id=decision_id,
        agent=agent,
        run_id=run_id,
        at=at,
        reason=reason,
        reads=tuple(details.get("reads", ())),
        remembered=tuple(details.get("remembered", ())),
        told=tuple(details.get("told", ())),
    )
