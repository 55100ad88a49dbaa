"""Moves months of the record into the archive.

What is moved stands in its file and on the disk before it is deleted from the database, and was compared with what the tree holds of it.
It can be ended at any point, and goes on when it is called again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from semantic.errors import GovernedMetricsError, LedgerUnavailable
from semantic.ledger.archive import ArchivedMonth, said_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import later as seconds_after
from semantic.ledger.note import Checkpoint
from semantic.ledger.periods import Period, next_period
from semantic.ledger.record import Record, RecordKind, uuid7
from semantic.ledger.schema import STAYS, archives, records
from semantic.ledger.sealing import origin_of
from semantic.ledger.tiles import TiledTree, last_tiled, stored_leaves
from semantic.ledger.tree import leaf_hash, root_hash

AT_ONCE = 5_000
BODY = list(records.c).index(records.c.body)
# A read that is tried again so late is no longer known by its id.
_TRIED_AGAIN_SECONDS = 7 * 86_400
_MOVED = [kind.value for kind in RecordKind if kind not in STAYS]


def archived_months(ledger: Ledger) -> tuple[ArchivedMonth, ...]:
    """The months that were moved into files, also those that were deleted since; the oldest first."""
    with ledger.reading() as connection:
        return tuple(ledger.archive.months(connection))


def archive_until(ledger: Ledger, month: str, *, by: str) -> tuple[ArchivedMonth, ...]:
    """Moves every month until this one, written like 2026-09, into a file of its own. Returns those that were moved.

    Reads of them that never ended are closed first. Raises `GovernedMetricsError` where a month has not been over for a week, or is not covered
    by the tree yet, and `LedgerUnavailable` where the signing key is not here, the file cannot be written, or somebody else moves months.
    """
    with ledger.archive.alone():
        ledger.sweep()
        ledger.seal()
        finish_moving(ledger)
        moved = []
        while (following := _following(ledger, month)) is not None:
            moved.append(_move(ledger, following, by=by))
    return tuple(moved)


def finish_moving(ledger: Ledger) -> None:
    """Takes from the database what stands in the archive."""
    with ledger.reading() as connection:
        months = ledger.archive.months(connection)
    for month in months:
        if month.deleted_at is None:
            _take_out(ledger, month)


def _following(ledger: Ledger, until: str) -> ArchivedMonth | None:
    """The next month that can be moved, without its digest; None where the one that was asked for has been."""
    with ledger.reading() as connection:
        before = next(iter(ledger.archive.months(connection)[-1:]), None)
        done, now = before.through if before else 0, ledger.now(connection)
        after = next_period(before.month, Period.MONTH) if before else ""
        for month in _months_behind(connection, done, after, until):
            through = _last_of(connection, done, month)
            if through is None:
                continue
            _refuse_what_is_not_over(month, now)
            _refuse_what_is_not_in_the_tree(connection, month, through)
            found: sa.Row[Any] = connection.execute(
                sa.select(
                    sa.func.min(records.c.seq).label("first"),
                    sa.func.count().label("records"),
                ).where(records.c.seq > done, records.c.seq <= through)
            ).one()
            return ArchivedMonth(
                month=month,
                first=found.first,
                through=through,
                before=before.before + before.records if before else 0,
                records=found.records,
                digest="",
            )
    return None


def _months_behind(connection: sa.Connection, done: int, after: str, until: str) -> Sequence[str]:
    """The months that records are stamped with behind so many, from one month to another. What was stamped with an earlier one, by a clock
    that was behind, counts as of the first.
    """
    stamped = sa.func.substr(records.c.recorded_at, 1, 7)
    rows = connection.execute(sa.select(stamped).where(records.c.seq > done).distinct())
    return sorted(month for month in {max(row[0], after) for row in rows} if month <= until)


def _last_of(connection: sa.Connection, done: int, month: str) -> int | None:
    """The last record of a month: most of those before it are stamped until its end, and most of those behind it later. None where it would be
    the first of none.

    So a clock that was wrong for a while moves no more than what it stamped itself.
    """
    is_later = records.c.recorded_at >= next_period(month, Period.MONTH)
    balance = sa.func.sum(sa.case((is_later, 1), else_=-1)).over(order_by=records.c.seq)
    counted = (
        sa.select(records.c.seq, balance.label("balance")).where(records.c.seq > done).subquery()
    )
    least = connection.execute(
        sa.select(counted).order_by(counted.c.balance, counted.c.seq.desc()).limit(1)
    ).one_or_none()
    return least.seq if least is not None and least.balance < 0 else None


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
    ledger.sweep(through=month.through)
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
    bodies = (row[BODY] for rows in ledger.archive.rows_in(file, AT_ONCE) for row in rows)
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
    if has_rows(ledger, records, moved, until=month.through):
        ledger.archive.refuse_another(month)
        delete_rows(ledger, records, moved, until=month.through)


def _rows(connection: sa.Connection, month: ArchivedMonth) -> Iterator[Sequence[Any]]:
    rows = connection.execution_options(yield_per=AT_ONCE).execute(
        sa.select(records)
        .where(records.c.seq.between(month.first, month.through))
        .order_by(records.c.seq)
    )
    return (tuple(row) for row in rows)


def delete_rows(
    ledger: Ledger, table: sa.Table, condition: sa.ColumnElement[bool], *, until: int
) -> None:
    """Deletes rows from the database, so many at a time that others can write between them."""
    some = sa.select(table.c.seq).where(condition, table.c.seq <= until)
    while has_rows(ledger, table, condition, until=until):
        with ledger.transaction() as transaction:
            chosen = table.c.seq.in_(some.limit(AT_ONCE).scalar_subquery())
            transaction.connection.execute(sa.delete(table).where(condition, chosen))


def has_rows(
    ledger: Ledger, table: sa.Table, condition: sa.ColumnElement[bool], *, until: int
) -> bool:
    wanted = sa.select(table.c.seq).where(condition, table.c.seq <= until).limit(1)
    with ledger.reading() as connection:
        return connection.execute(wanted).first() is not None
