"""Writes to a ledger file that fail: seen and stopped where SQLAlchemy hands them to SQLite."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

LEDGER = "ledger.db"


class LedgerWrites:
    """The steps of the writes to the ledger, in order; the one with the index `failing` fails as a broken disk would."""

    def __init__(self, failing: int | None) -> None:
        self.steps: list[str] = []
        self._failing = failing

    def note(self, step: str) -> None:
        self.steps.append(step)
        if len(self.steps) - 1 == self._failing:
            broken = sqlite3.OperationalError("disk I/O error")
            raise sa.exc.OperationalError(step, {}, broken)


@contextmanager
def ledger_writes(failing: int | None = None) -> Iterator[LedgerWrites]:
    """Watches every write to a ledger in this process while the block runs."""
    writes = LedgerWrites(failing)

    def on_statement(connection: sa.Connection, _: Any, statement: str, *rest: Any) -> None:
        if is_ledger(connection):
            if statement.startswith("BEGIN IMMEDIATE"):
                writes.note("begin")
            elif statement.startswith("INSERT INTO"):
                writes.note(f"insert into {statement.split()[2]}")

    def on_commit(connection: sa.Connection) -> None:
        if is_ledger(connection):
            writes.note("commit")

    sa.event.listen(sa.Engine, "before_cursor_execute", on_statement)
    sa.event.listen(sa.Engine, "commit", on_commit)
    try:
        yield writes
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", on_statement)
        sa.event.remove(sa.Engine, "commit", on_commit)


def is_ledger(connection: sa.Connection) -> bool:
    return str(connection.engine.url.database).endswith(LEDGER)
