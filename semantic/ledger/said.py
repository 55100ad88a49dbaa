"""What readers put on record of a kind, with what was not erased of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantic.ledger.erasable import restored
from semantic.ledger.ledger import Ledger
from semantic.ledger.read_question import starts_with
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import IS_DECISION, reads, records

_TAKES_AWAY = (RecordKind.ERASURE, RecordKind.TOMBSTONE)


@dataclass(frozen=True, kw_only=True)
class Said:
    """A record: its number, its id, when it was written (as the ledger writes times), its reason, and all that it says."""

    seq: int
    record_id: str
    reader: str
    at: str
    reason: str | None
    run_id: str | None
    root_run_id: str | None
    details: Mapping[str, Any]


def newest_said(
    ledger: Ledger, reader: str, kinds: Sequence[RecordKind], *, after: int = 0, limit: int
) -> list[Said]:
    """The newest records of these kinds that a reader wrote after a number, at most `limit` of them, in the order in which they came. Looks
    into the database alone.
    """
    return newest_said_by(ledger, [reader], kinds, after=after, limit=limit)


def newest_said_by(
    ledger: Ledger,
    readers: Collection[str],
    kinds: Sequence[RecordKind],
    *,
    after: int = 0,
    limit: int,
) -> list[Said]:
    """Those of any of these readers."""
    of_kinds = records.c.kind.in_([kind.value for kind in kinds])
    return _newest(
        ledger, of_kinds, records.c.reader.in_(sorted(readers)), after=after, limit=limit
    )


def newest_said_of(
    ledger: Ledger, kind: RecordKind, reasons: Collection[str], *, after: int = 0, limit: int
) -> list[Said]:
    """Those of one kind for any of these reasons, whoever wrote them."""
    of_kind = records.c.kind == kind.value
    return _newest(ledger, of_kind, records.c.reason.in_(sorted(reasons)), after=after, limit=limit)


def _newest(
    ledger: Ledger, *conditions: sa.ColumnElement[bool], after: int, limit: int
) -> list[Said]:
    asked = (
        sa.select(
            records.c.seq,
            records.c.record_id,
            records.c.reader,
            records.c.recorded_at,
            records.c.reason,
            records.c.run_id,
            records.c.root_run_id,
            records.c.body,
        )
        .where(*conditions, records.c.seq > after)
        .order_by(records.c.seq.desc())
        .limit(limit)
    )
    with ledger.reading() as connection:
        rows = connection.execute(asked).all()[::-1]
        contents = restored(connection, [row.body for row in rows])
    return [
        Said(
            seq=row.seq,
            record_id=row.record_id,
            reader=row.reader,
            at=row.recorded_at,
            reason=row.reason,
            run_id=row.run_id,
            root_run_id=row.root_run_id,
            details=content["details"],
        )
        for row, content in zip(rows, contents, strict=True)
    ]


def last_taken_away(ledger: Ledger) -> int:
    """The number of the record that took something away last, an erasure or a deletion; 0 where there is none."""
    with ledger.reading() as connection:
        found: int | None = connection.execute(
            sa.select(sa.func.max(records.c.seq)).where(
                records.c.kind.in_([kind.value for kind in _TAKES_AWAY])
            )
        ).scalar_one()
    return found or 0


def last_number(ledger: Ledger) -> int:
    """The number of the newest record, 0 where there is none."""
    with ledger.reading() as connection:
        found: int | None = connection.execute(sa.select(sa.func.max(records.c.seq))).scalar_one()
    return found or 0


def id_at(ledger: Ledger, seq: int) -> str | None:
    """The id of the record with a number, None where there is none in the database."""
    with ledger.reading() as connection:
        found: str | None = connection.execute(
            sa.select(records.c.record_id).where(records.c.seq == seq)
        ).scalar_one_or_none()
    return found


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A decision on record, and where: the agent, the run and its root run, and the step. `seconds` is from the first read of that run to it,
    None where it read nothing.
    """

    record_id: str
    agent: str
    run_id: str | None
    root_run_id: str | None
    step: str | None
    details: Mapping[str, Any]
    seconds: float | None


def decided_in(ledger: Ledger, run: str) -> list[Decided]:
    """What was decided in runs whose id begins so, in the order in which they did. A run at a limit decided nothing."""
    asked = (
        sa.select(records)
        .where(
            IS_DECISION,
            records.c.reason.is_(None),
            starts_with(records.c.run_id, run),
        )
        .order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        rows = connection.execute(asked).all()
        contents = restored(connection, [row.body for row in rows])
        return [
            Decided(
                record_id=row.record_id,
                agent=row.reader,
                run_id=row.run_id,
                root_run_id=row.root_run_id,
                step=content.get("step"),
                details=content["details"],
                seconds=_seconds_until(connection, row),
            )
            for row, content in zip(rows, contents, strict=True)
        ]


def run_ended_undecided(ledger: Ledger, run: str) -> bool:
    """Whether a run whose id begins so ended at a limit."""
    asked = sa.select(records.c.seq).where(
        IS_DECISION,
        records.c.reason.is_not(None),
        starts_with(records.c.run_id, run),
    )
    with ledger.reading() as connection:
        return connection.execute(asked.limit(1)).first() is not None


def newest_runs(ledger: Ledger, *, limit: int = 1_000) -> list[str]:
    """The runs that decided something, the newest first."""
    asked = (
        sa.select(records.c.run_id)
        .where(records.c.kind == RecordKind.DECISION.value, records.c.run_id.is_not(None))
        .order_by(records.c.seq.desc())
        .limit(limit)
    )
    with ledger.reading() as connection:
        return list(dict.fromkeys(connection.execute(asked).scalars()))


def _seconds_until(connection: sa.Connection, row: sa.Row[Any]) -> float | None:
    first: str | None = connection.execute(
        sa.select(sa.func.min(reads.c.at)).where(reads.c.run_id == row.run_id)
    ).scalar_one()
    if first is None:
        return None
    began, ended = (datetime.fromisoformat(at) for at in (first, row.recorded_at))
    return (ended - began).total_seconds()
