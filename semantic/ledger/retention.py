"""Moves months of the record into the archive, and deletes months that need not be kept any longer.

What is moved stands in its file and on the disk before it is deleted from the database, and was compared with what the tree holds of it.
Of a month that is deleted a tombstone is signed first. Either can be ended at any point, and goes on when it is called again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from semantic.errors import GovernedMetricsError, LedgerUnavailable
from semantic.ledger.archive import STAYS, ArchivedMonth, said_of
from semantic.ledger.chain import content_of
from semantic.ledger.erasable import forget_values_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import later as seconds_after
from semantic.ledger.note import Checkpoint
from semantic.ledger.periods import Period, next_period
from semantic.ledger.record import Record, RecordKind, uuid7
from semantic.ledger.schema import archives, reads, records
from semantic.ledger.sealing import last_seal, origin_of
from semantic.ledger.tiles import TiledTree, last_tiled, stored_leaves
from semantic.ledger.tree import leaf_hash, root_hash

_AT_ONCE = 5_000
_BODY = list(records.c).index(records.c.body)
# A read that is tried again so late is no longer known by its id.
_TRIED_AGAIN_SECONDS = 7 * 86_400
_MOVED = [kind.value for kind in RecordKind if kind not in STAYS]
# Of a deleted month nothing stays that says what was read or decided.
_DELETED = [*_MOVED, RecordKind.DECISION.value, RecordKind.APPROVAL.value]


def archived_months(ledger: Ledger) -> tuple[ArchivedMonth, ...]:
    """The months that were moved into files, also those that were deleted since; the oldest first."""
    with ledger.reading() as connection:
        return tuple(ledger.archive.months(connection))


def archive_until(ledger: Ledger, month: str, *, by: str) -> tuple[ArchivedMonth, ...]:
    """Moves every month until this one, written like 2026-09, into a file of its own. Returns those that were moved.

    Reads of them that never ended are closed first. Raises `GovernedMetricsError` where a month has not been over for a week, or is not covered
    by the tree yet, and `LedgerUnavailable` where the signing key is not here or the file cannot be written.
    """
    ledger.sweep()
    ledger.seal()
    finish_moving(ledger)
    moved = []
    while (following := _following(ledger, month)) is not None:
        moved.append(_move(ledger, following, by=by))
    return tuple(moved)


def delete_month(ledger: Ledger, month: str, *, by: str, reason: str) -> ArchivedMonth:
    """Deletes an archived month for good: its records, the index of its reads, and what was kept of erasable values. What remains is
    who deleted how many records, when and why, the hashes of these, and policies, definitions and checkpoints.

    Raises `GovernedMetricsError` where the month is not archived, or one before it is not deleted, and `LedgerUnavailable` where its file is
    not the one that was written: which values are to be forgotten stands in it.
    """
    with ledger.reading() as connection:
        months = ledger.archive.months(connection)
        is_begun = month in _buried(connection)
    wanted = next((item for item in months if item.month == month), None)
    if wanted is None:
        raise GovernedMetricsError(
            f"{month} is not archived",
            hint=f"archived are {', '.join(item.month for item in months) or 'no months yet'}",
        )
    if wanted.deleted_at is not None:
        finish_moving(ledger)
        raise GovernedMetricsError(f"{month} was deleted at {wanted.deleted_at}")
    first = next(item for item in months if item.deleted_at is None)
    if first != wanted:
        raise GovernedMetricsError(
            f"{month} cannot be deleted before {first.month}", hint="delete the oldest month first"
        )
    if not is_begun:
        ledger.archive.refuse_another(wanted)
        _say_deleted(ledger, wanted, by=by, reason=reason)
    finish_moving(ledger)
    return wanted


def finish_moving(ledger: Ledger) -> None:
    """Takes from the database what stands in the archive, and from both what has a tombstone that is signed."""
    with ledger.reading() as connection:
        months = ledger.archive.months(connection)
        buried = _buried(connection)
    for month in months:
        if month.month in buried:
            _delete_month(ledger, month)
        else:
            _take_out(ledger, month)


def _following(ledger: Ledger, until: str) -> ArchivedMonth | None:
    """The next month that can be moved, without its digest; None where the one that was asked for has been."""
    with ledger.reading() as connection:
        before = next(iter(ledger.archive.months(connection)[-1:]), None)
        done, now = before.through if before else 0, ledger.now(connection)
        first = _first_from(connection, "", done, now)
        if first is None:
            return None
        # What was written late, by a clock that was behind, stands in the month after.
        after = next_period(before.month, Period.MONTH) if before else ""
        month = max(first.recorded_at[:7], after)
        if month > until:
            return None
        _refuse_what_is_not_over(month, now)
        end = _first_from(connection, next_period(month, Period.MONTH), done, now)
        within = [records.c.seq > done, *([records.c.seq < end.seq] if end else [])]
        spread = sa.select(
            sa.func.min(records.c.seq).label("first"),
            sa.func.max(records.c.seq).label("through"),
            sa.func.count().label("records"),
        )
        found: sa.Row[Any] = connection.execute(spread.where(*within)).one()
        _refuse_what_is_not_in_the_tree(connection, month, found.through)
        return ArchivedMonth(
            month=month,
            **found._asdict(),
            before=before.before + before.records if before else 0,
            digest="",
        )


def _first_from(connection: sa.Connection, day: str, after: int, now: str) -> sa.Row[Any] | None:
    """The first record behind so many that is from this day or later. One from later than now was written by a clock that was ahead: it
    belongs where it stands.
    """
    return connection.execute(
        sa.select(records.c.seq, records.c.recorded_at)
        .where(records.c.seq > after, records.c.recorded_at.between(day, now))
        .order_by(records.c.seq)
        .limit(1)
    ).one_or_none()


def _refuse_what_is_not_over(month: str, now: str) -> None:
    over = seconds_after(
        f"{next_period(month, Period.MONTH)}-01T00:00:00.000Z", _TRIED_AGAIN_SECONDS
    )
    if now < over:
        raise GovernedMetricsError(
            f"{month} has not been over for a week",
            hint="its reads may be tried again; name a month before it",
        )


def _refuse_what_is_not_in_the_tree(connection: sa.Connection, month: str, through: int) -> None:
    if through > last_tiled(connection):
        raise GovernedMetricsError(
            f"The last records of {month} are not in the tree with those after them yet",
            hint="it takes up to 256 records more; then archive again",
        )


def _move(ledger: Ledger, month: ArchivedMonth, *, by: str) -> ArchivedMonth:
    with ledger.reading() as connection:
        rows = _rows(connection, month)
        with ledger.archive.written(month.month, rows) as file:
            _refuse_another_content(ledger, connection, month, file)
            moved = replace(month, digest=ledger.archive.digest(file))
            note = _checkpoint_at_the_end(ledger, connection, month)
            with ledger.transaction() as transaction:
                others = ledger.archive.months(transaction.connection)
                if others and others[-1].through >= month.through:
                    raise LedgerUnavailable(f"{month.month} was archived by another process")
                details = said_of(moved) | {"checkpoint": note}
                transaction.add(
                    Record(
                        record_id=str(uuid7()), kind=RecordKind.ARCHIVE, reader=by, details=details
                    )
                )
                transaction.connection.execute(sa.insert(archives).values(**said_of(moved)))
                ledger.archive.put(moved, file, note)
    _take_out(ledger, moved)
    return moved


def _refuse_another_content(
    ledger: Ledger, connection: sa.Connection, month: ArchivedMonth, file: Path
) -> None:
    """What was written is what the tree holds."""
    bodies = (row[_BODY] for rows in ledger.archive.rows_in(file, _AT_ONCE) for row in rows)
    kept = stored_leaves(connection, month.before, month.records)
    if any(one != other for one, other in zip_longest(map(leaf_hash, bodies), kept)):
        raise LedgerUnavailable(
            f"What was written of {month.month} is not what the tree holds of it",
            hint="run `governed-agents verify`; nothing was moved",
        )


def _checkpoint_at_the_end(ledger: Ledger, connection: sa.Connection, month: ArchivedMonth) -> str:
    size = month.before + month.records
    root = root_hash(TiledTree(connection, size), size)
    return ledger.sign(connection, Checkpoint(origin=origin_of(connection), size=size, root=root))


def _take_out(ledger: Ledger, month: ArchivedMonth) -> None:
    """Deletes from the database what moved, after another look at the file."""
    moved = sa.and_(records.c.kind.in_(_MOVED), records.c.seq >= month.first)
    if _has_any(ledger, records, moved, until=month.through):
        ledger.archive.refuse_another(month)
        _delete(ledger, records, moved, until=month.through)


def _rows(connection: sa.Connection, month: ArchivedMonth) -> Iterator[Sequence[Any]]:
    rows = connection.execution_options(yield_per=_AT_ONCE).execute(
        sa.select(records)
        .where(records.c.seq.between(month.first, month.through))
        .order_by(records.c.seq)
    )
    return (tuple(row) for row in rows)


def _say_deleted(ledger: Ledger, month: ArchivedMonth, *, by: str, reason: str) -> None:
    """Puts the tombstone of a month on record, and signs it."""
    with ledger.transaction() as transaction:
        tombstone = Record(
            record_id=str(uuid7()),
            kind=RecordKind.TOMBSTONE,
            reader=by,
            details=said_of(month) | {"why": reason},
        )
        transaction.add(tombstone)
    ledger.seal()


def _buried(connection: sa.Connection) -> set[str]:
    """The months of which a tombstone is signed."""
    seal = last_seal(connection)
    found = connection.execute(
        sa.select(records.c.body).where(
            records.c.kind == RecordKind.TOMBSTONE.value,
            records.c.seq <= (seal.through if seal else 0),
        )
    )
    return {str(content_of(row.body)["details"]["month"]) for row in found}


def _delete_month(ledger: Ledger, month: ArchivedMonth) -> None:
    if month.deleted_at is None:
        with ledger.transaction() as transaction:
            transaction.connection.execute(
                sa.update(archives)
                .where(archives.c.month == month.month, archives.c.deleted_at.is_(None))
                .values(deleted_at=transaction.at)
            )
    if ledger.archive.path(month).exists():
        for rows in ledger.archive.rows(month, _AT_ONCE):
            with ledger.transaction() as transaction:
                forget_values_of(transaction.connection, (row[_BODY] for row in rows))
        ledger.shred()
        ledger.archive.delete(month)
    _delete(ledger, records, records.c.kind.in_(_DELETED), until=month.through)
    _delete(ledger, reads, sa.true(), until=month.through)


def _delete(
    ledger: Ledger, table: sa.Table, condition: sa.ColumnElement[bool], *, until: int
) -> None:
    """Deletes rows from the database, so many at a time that others can write between them."""
    some = sa.select(table.c.seq).where(condition, table.c.seq <= until)
    while _has_any(ledger, table, condition, until=until):
        with ledger.transaction() as transaction:
            chosen = table.c.seq.in_(some.limit(_AT_ONCE).scalar_subquery())
            transaction.connection.execute(sa.delete(table).where(condition, chosen))


def _has_any(
    ledger: Ledger, table: sa.Table, condition: sa.ColumnElement[bool], *, until: int
) -> bool:
    wanted = sa.select(table.c.seq).where(condition, table.c.seq <= until).limit(1)
    with ledger.reading() as connection:
        return connection.execute(wanted).first() is not None
