"""The ledger's SQLite file: every commit durable, one writer at a time among all processes.

WAL, synchronous=FULL: a commit that returned survives a power cut. SQLite before 3.51.3 can corrupt a WAL file when two
connections write and checkpoint at once; a file lock around every write and close takes that away, and keeps writers of
several processes fair.
"""

import fcntl
import random
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from semantic.errors import LedgerUnavailable
from semantic.ledger.sqlite_schema import bring_up_to_date
from semantic.ledger.store import LOCK_TIMEOUT_SECONDS, translated

_NOW = "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
_HIGHEST = "SELECT seq FROM sqlite_sequence WHERE name = 'records'"


class SqliteStore:
    """One SQLite file, or one in memory where there is no path.

    Every method raises `LedgerUnavailable` when the file cannot be written or read.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._writing = threading.Lock()
        self._lock_file: IO[str] | None = None
        with translated(self.name):
            if path is None:
                self._engine = sa.create_engine(
                    "sqlite://",
                    poolclass=sa.pool.StaticPool,
                    connect_args={"check_same_thread": False},
                )
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._lock_file = (path.parent / f"{path.name}.lock").open("a+")
                self._engine = sa.create_engine(
                    f"sqlite:///{path}", connect_args={"timeout": 5, "check_same_thread": False}
                )
            sa.event.listen(self._engine, "connect", _prepare_connection)
            sa.event.listen(self._engine, "begin", _begin)
        self._files: list[tuple[int, int]] | None = None
        try:
            self._create()
            with translated(self.name):
                self._files = self._files_at_path()
        except LedgerUnavailable:
            self.close()
            raise

    @property
    def name(self) -> str:
        return str(self.path or "in memory")

    @contextmanager
    def writing(self, *, alone: bool = True) -> Iterator[sa.Connection]:  # noqa: ARG002
        """A transaction that nobody else writes beside, whether asked or not. It is durable when the block has ended."""
        with (
            translated(self.name),
            self._exclusive(),
            self._engine.connect().execution_options(governed_write=True) as connection,
            connection.begin(),
        ):
            self._refuse_other_files()
            yield connection
        self._refuse_other_files()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for questions. The one connection of a ledger in memory serves one at a time."""
        alone = self._exclusive() if self.path is None else nullcontext()
        with translated(self.name), alone, self._engine.connect() as connection:
            yield connection

    def claim(self, connection: sa.Connection, names: Collection[str]) -> None:
        """Nothing: nobody else writes until the transaction ends."""

    def now(self, connection: sa.Connection) -> str:
        """The time of the database, in UTC to the millisecond."""
        return str(connection.exec_driver_sql(_NOW).scalar_one())

    def numbers(self, connection: sa.Connection, count: int) -> Sequence[int]:
        """The numbers of the next records, without a gap."""
        last = self.highest_number(connection)
        return range(last + 1, last + count + 1)

    def highest_number(self, connection: sa.Connection) -> int:
        """The highest number that any record was ever given."""
        return int(connection.exec_driver_sql(_HIGHEST).scalar() or 0)

    def shred(self) -> None:
        """Writes over what was deleted: in the database it was at once, and the write-ahead log is emptied."""
        if self.path is None:
            return
        with translated(self.name), self._exclusive(), self._engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.rollback()
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes the file. Other processes may still have it open."""
        with self._exclusive():
            self._engine.dispose()
        if self._lock_file:
            self._lock_file.close()

    def _refuse_other_files(self) -> None:
        """SQLite goes on writing to files that were removed, where nobody will read it."""
        if self._files is not None and self._files != self._files_at_path():
            raise LedgerUnavailable(
                f"The ledger {self.path} is not the file that was opened",
                hint="it was moved, removed or replaced: put it back, or start this process again",
            )

    def _files_at_path(self) -> list[tuple[int, int]] | None:
        """The database and its write-ahead log, as they stand at the path now."""
        if self.path is None:
            return None
        found = [path.stat() for path in (self.path, self.path.with_name(f"{self.path.name}-wal"))]
        return [(item.st_dev, item.st_ino) for item in found]

    def _create(self) -> None:
        with self.writing() as connection:
            bring_up_to_date(connection, self.name)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One writer at a time, in this process and among all others that hold the same file."""
        if not self._writing.acquire(timeout=LOCK_TIMEOUT_SECONDS):
            raise LedgerUnavailable("The ledger is busy in this process")
        try:
            if self._lock_file is None:
                yield
                return
            _lock(self._lock_file, self.path)
            try:
                yield
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
        finally:
            self._writing.release()


def _lock(file: IO[str], path: Path | None) -> None:
    if file.closed:
        raise LedgerUnavailable(f"The ledger {path} has been closed")
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LedgerUnavailable(
                    f"The ledger {path} is held by another process",
                    hint="look for a process that hangs while it writes",
                ) from None
            time.sleep(random.uniform(0.0005, 0.003))  # noqa: S311


def _prepare_connection(connection: Any, _: object) -> None:
    """Hands transactions to SQLAlchemy's begin event, and makes every commit durable."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA secure_delete=ON",
        "PRAGMA busy_timeout=5000",
    ):
        cursor.execute(statement)
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("governed_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
