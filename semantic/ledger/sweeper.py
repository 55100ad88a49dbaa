"""Closes what began and will not end, since its process died or nobody heard of it again, and removes what no budget counts any more."""

from collections.abc import Sequence

import sqlalchemy as sa

from semantic.ledger.budgets import has_outlived, release, remove_outlived
from semantic.ledger.chain import content_of
from semantic.ledger.entry import Entry
from semantic.ledger.moment import later
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.record import ReadContext, Record, RecordKind
from semantic.ledger.schema import reads, records, reservations
from semantic.ledger.transaction import Transaction


def sweep(transaction: Transaction, *, older_than: float, through: int = 0) -> tuple[str, ...]:
    """Gives an outcome, indeterminate, to each read that has been open for so many seconds or began in a record `through` this one, and to
    whatever holds a reservation that ran out. What a clock that was ahead stamped with a time so many seconds after now counts as old too.

    Returns their ids, and removes what no budget counts any more. Nobody may write beside this transaction. Who comes back after this is
    told that another outcome is on record, and releases nothing.
    """
    connection = transaction.connection
    found = unfinished(connection, transaction.at, older_than, through)
    for row in found:
        transaction.add_entry(Entry.of(_outcome(content_of(row.body))))
    ids = tuple(row.record_id for row in found)
    if ids:
        release(connection, ids)
    remove_outlived(connection, transaction.at)
    return ids


def is_clean(connection: sa.Connection, at: str, older_than: float, through: int = 0) -> bool:
    """Whether there is nothing to sweep."""
    return not unfinished(connection, at, older_than, through) and not has_outlived(connection, at)


def unfinished(
    connection: sa.Connection, at: str, older_than: float, through: int = 0
) -> Sequence[sa.Row[tuple[str, bytes]]]:
    """Ids and bodies of what has no outcome and began so many seconds before a moment, or after it, or in a record `through` this one, or
    holds a reservation that ran out.
    """
    before, ahead = later(at, -older_than), later(at, older_than)
    begun = sa.union(
        sa.select(reads.c.read_id).where(
            reads.c.outcome == ReadOutcome.OPEN.value,
            sa.or_(reads.c.at < before, reads.c.at > ahead, reads.c.seq <= through),
        ),
        sa.select(reservations.c.record_id).where(
            sa.or_(reservations.c.until < at, _is_stamped_after(ahead))
        ),
    )
    return connection.execute(
        sa.select(records.c.record_id, records.c.body)
        .where(records.c.record_id.in_(begun), records.c.kind.in_(_BEGIN))
        .order_by(records.c.seq)
    ).all()


def _is_stamped_after(moment: str) -> sa.ColumnElement[bool]:
    """Whether the record that a reservation is for has a later time. How long its lease is says nothing of that."""
    return sa.exists().where(
        records.c.record_id == reservations.c.record_id, records.c.recorded_at > moment
    )


_BEGIN = [kind.value for kind in (RecordKind.INTENT, RecordKind.MODEL_CALL, RecordKind.TOOL_CALL)]


def _outcome(said: dict[str, object]) -> Record:
    """The outcome of what was begun so."""

    def text(name: str) -> str | None:
        found = said.get(name)
        return None if found is None else str(found)

    return Record(
        record_id=str(said["id"]),
        kind=RecordKind.OUTCOME,
        reader=text("reader"),
        acting_for=text("acting_for"),
        team=text("team"),
        context=ReadContext(
            run_id=text("run_id"), root_run_id=text("root_run_id"), step_key=text("step")
        ),
        reason=ReadOutcome.INDETERMINATE.value,
    )
