"""What each call of a run came to, so that a run that is tried again goes on where the one before it ended.

It is kept beside the record and is no part of it: what was read, asked and decided is on record by itself, and a checkpoint covers that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from semantic.ledger.longest import refuse_unfit_call
from semantic.ledger.schema import journal
from semantic.ledger.spelling import holds

_AT_ONCE = 1_000
_KEY = tuple(column.name for column in journal.primary_key)


@dataclass(frozen=True, kw_only=True)
class JournalPlace:
    """Whose calls these are: those of every try of a step under one root run, and of one partition of it. Raises `LedgerUnavailable` for a text that
    no journal takes.
    """

    root_run_id: str
    step: str
    partition: str = ""

    def __post_init__(self) -> None:
        refuse_unfit_call(root_run_id=self.root_run_id, step=self.step, partition=self.partition)


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """What a call came to. `attempt` counts how often the step began anew, and `call` names the call within its attempt; `fingerprint` is the
    digest of what was asked, and `body` JSON. `run_id` is that of the run that made it. Raises `LedgerUnavailable` for a text that no journal takes.
    """

    attempt: int
    call: str
    run_id: str
    fingerprint: str
    body: bytes

    def __post_init__(self) -> None:
        refuse_unfit_call(call=self.call, run_id=self.run_id, fingerprint=self.fingerprint)


def newest_attempt(connection: sa.Connection, place: JournalPlace) -> list[JournalEntry]:
    """The calls of the attempt that began last, in the order in which they ended; none where there was none."""
    last = sa.select(sa.func.max(journal.c.attempt)).where(_is_at(place)).scalar_subquery()
    rows = connection.execute(
        sa.select(journal)
        .where(_is_at(place), journal.c.attempt == last)
        .order_by(journal.c.ended_at, journal.c.call)
    )
    return [
        JournalEntry(
            attempt=row.attempt,
            call=row.call,
            run_id=row.run_id,
            fingerprint=row.fingerprint,
            body=bytes(row.body),
        )
        for row in rows
    ]


def keep(connection: sa.Connection, place: JournalPlace, entry: JournalEntry, *, at: str) -> None:
    """Writes what a call came to. What another process has written of the same call stays."""
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(journal)
    connection.execute(
        insert.values(
            root_run_id=place.root_run_id,
            step=place.step,
            partition=place.partition,
            attempt=entry.attempt,
            call=entry.call,
            run_id=entry.run_id,
            fingerprint=entry.fingerprint,
            ended_at=at,
            body=entry.body,
        ).on_conflict_do_nothing()
    )


def erase_calls_with(connection: sa.Connection, text: str) -> int:
    """Deletes every call in which a text stands, however it is spelled there. Returns how many they were."""
    found = {
        tuple(getattr(row, name) for name in _KEY)
        for row in _all(connection)
        if holds(bytes(row.body).decode("utf-8", "surrogatepass"), text)
    }
    for key in found:
        connection.execute(
            sa.delete(journal).where(
                *(journal.c[name] == value for name, value in zip(_KEY, key, strict=True))
            )
        )
    return len(found)


def forget_calls_before(connection: sa.Connection, moment: str) -> None:
    """Deletes the calls that ended before a moment."""
    connection.execute(sa.delete(journal).where(journal.c.ended_at < moment))


def _is_at(place: JournalPlace) -> sa.ColumnElement[bool]:
    return sa.and_(
        journal.c.root_run_id == place.root_run_id,
        journal.c.step == place.step,
        journal.c.partition == place.partition,
    )


def _all(connection: sa.Connection) -> Iterator[sa.Row[Any]]:
    columns = (*(journal.c[name] for name in _KEY), journal.c.body)
    return iter(connection.execute(sa.select(*columns), execution_options={"yield_per": _AT_ONCE}))
