"""Deletes archived months that need not be kept any longer.

A signed tombstone is on record before anything goes. It can be ended at any point, and goes on when it is called again.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from semantic.errors import GovernedMetricsError, LedgerUnavailable
from semantic.ledger.archive import ArchivedMonth
from semantic.ledger.erasable import forget_values_of
from semantic.ledger.journal import forget_calls_before
from semantic.ledger.ledger import Ledger
from semantic.ledger.periods import Period, next_period
from semantic.ledger.reason import refuse_empty
from semantic.ledger.record import Record, RecordKind, uuid7
from semantic.ledger.retention import AT_ONCE, BODY, delete_rows, has_rows
from semantic.ledger.schema import STAYS_FOREVER, archives, reads, records
from semantic.ledger.tombstone import Tombstone, tombstones_on_record

# Of a deleted month nothing stays that says what was read or decided.
_GOES = records.c.kind.in_([kind.value for kind in RecordKind if kind not in STAYS_FOREVER])


def delete_month(ledger: Ledger, month: str, *, by: str, reason: str) -> ArchivedMonth:
    """Deletes an archived month for good: its records, the index of its reads, what was kept of erasable values, and what calls of
    runs came to until its end. What remains is
    who deleted how many records, when and why, the hashes of these, and policies, definitions and checkpoints. One that was ended halfway goes on.

    Raises `GovernedMetricsError` where the reason is empty, the month is not archived, or one before it is not deleted, and
    `LedgerUnavailable` where its file is not the one that was written, also where it goes on: which values are to be forgotten stands in it.
    """
    refuse_empty(reason, of=f"{month} is deleted")
    with ledger.archive.alone():
        wanted = deletable_month(ledger, month)
        has_begun = wanted.deleted_at is not None
        if has_begun:
            _refuse_without_tombstone(ledger, wanted)
        ledger.archive.refuse_another(wanted)
        ledger.seal()
        if not has_begun:
            _say_deleted(ledger, wanted, by=by, why=reason)
            ledger.seal()
        _take_away(ledger, wanted)
    return wanted


def deletable_month(ledger: Ledger, month: str) -> ArchivedMonth:
    """The month that `delete_month` would delete. Raises `GovernedMetricsError` where it would not."""
    with ledger.reading() as connection:
        months = ledger.archive.months(connection)
    wanted = next((item for item in months if item.month == month), None)
    if wanted is None:
        raise GovernedMetricsError(
            f"{month} is not archived",
            hint=f"archived are {', '.join(item.month for item in months) or 'no months yet'}",
        )
    first = next((item for item in months if not _is_deleted(ledger, item)), None)
    if first is None or first.through > wanted.through:
        raise GovernedMetricsError(f"{month} was deleted at {wanted.deleted_at}")
    if first != wanted:
        raise GovernedMetricsError(
            f"{month} cannot be deleted before {first.month}", hint="delete the oldest month first"
        )
    return wanted


def is_taken_away(ledger: Ledger, month: ArchivedMonth) -> bool:
    """Whether nothing is left of a month that was deleted but what stays."""
    return not (
        ledger.archive.path(month).exists()
        or has_rows(ledger, records, _GOES, until=month.through)
        or has_rows(ledger, reads, sa.true(), until=month.through)
    )


def _is_deleted(ledger: Ledger, month: ArchivedMonth) -> bool:
    return month.deleted_at is not None and is_taken_away(ledger, month)


def _say_deleted(ledger: Ledger, month: ArchivedMonth, *, by: str, why: str) -> None:
    """Puts the signed tombstone of a month on record, and takes it from those that are looked into."""
    with ledger.transaction() as transaction:
        connection = transaction.connection
        stays: Sequence[int] = (
            connection.execute(
                sa.select(records.c.seq)
                .where(records.c.seq.between(month.first, month.through), sa.not_(_GOES))
                .order_by(records.c.seq)
            )
            .scalars()
            .all()
        )
        tombstone = Tombstone(month=month, by=by, why=why, stays=tuple(stays))
        details = ledger.sign(connection, tombstone)
        transaction.add(
            Record(record_id=str(uuid7()), kind=RecordKind.TOMBSTONE, reader=by, details=details)
        )
        connection.execute(
            sa.update(archives)
            .where(archives.c.month == month.month)
            .values(deleted_at=transaction.at)
        )


def _refuse_without_tombstone(ledger: Ledger, month: ArchivedMonth) -> None:
    """Somebody else may have written that a month was deleted."""
    with ledger.reading() as connection:
        for _, _, tombstone in tombstones_on_record(connection, ledger.public_keys):
            if tombstone is not None and tombstone.month.month == month.month:
                return
    raise LedgerUnavailable(
        f"{month.month} is marked as deleted, and no signed tombstone says so",
        hint="run `governed-agents verify`; nothing was deleted",
    )


def _take_away(ledger: Ledger, month: ArchivedMonth) -> None:
    """Deletes what goes of a month that has a tombstone. Its file goes last: which values are to be forgotten stands in it, and as long as it
    is there the deletion has not ended.
    """
    if ledger.archive.path(month).exists():
        for rows in ledger.archive.rows(month, AT_ONCE):
            with ledger.transaction() as transaction:
                forget_values_of(transaction.connection, (row[BODY] for row in rows))
    with ledger.transaction() as transaction:
        forget_calls_before(transaction.connection, f"{next_period(month.month, Period.MONTH)}-01")
    delete_rows(ledger, records, _GOES, until=month.through)
    delete_rows(ledger, reads, sa.true(), until=month.through)
    ledger.shred()
    ledger.archive.delete(month)
