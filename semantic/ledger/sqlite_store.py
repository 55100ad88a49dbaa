"""The ledger's SQLite file: every commit durable, one writer at a time among all processes.

WAL, synchronous=FULL: a commit that returned survives a power cut. SQLite before 3.51.3 can corrupt a WAL file when two
connections write and checkpoint at once; a file lock around every write and close takes that away, and keeps writers of
several processes fair.

After a failed sync nobody knows what of the file is on the disk, and the kernel may take for written what is not. So nothing more is
acknowledged until the file is opened again.
"""

import fcntl
import hashlib
import os
import random
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from semantic.durable import make_folder, sync
from semantic.errors import LedgerUnavailable
from semantic.ledger.driver import execute, fetched
from semantic.ledger.schema import OF_THE_RECORD
from semantic.ledger.sqlite_schema import bring_up_to_date, rewrite_what_is_erased
from semantic.ledger.store import LOCK_TIMEOUT_SECONDS, translated

_NOW = "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
_HIGHEST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'records'"
_FAILED_SYNCS = ("SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC")
# The file as far as SQLite maps it, and 512 MB of pages.
_MUCH_MEMORY = {"mmap_size": 2_147_418_112, "cache_size": -524_288}
_BUSY_MILLISECONDS = 5_000
# Nobody writes while the log waits to be emptied, so it waits for as long at once, and lets others write in between.
_EMPTYING_MILLISECONDS = 500
_BETWEEN_EMPTYING_SECONDS = 0.1


class SqliteStore:
    """One SQLite file, or one in memory where there is no path.

    `engine` connects to the file by another driver than that of the standard library. Every method raises `LedgerUnavailable`
    when the file cannot be written or read.
    """

    def __init__(self, path: Path | None, *, engine: sa.Engine | None = None) -> None:
        self.path = path
        self._writing = threading.Lock()
        self._held: set[str] = set()
        self._is_given = engine is not None
        self._lock_file: IO[str] | None = None
        with translated(self.name):
            if path is not None:
                make_folder(path.parent)
                self._lock_file = _made_with_lock(path).open("a+")
            self._engine = engine or _engine_for(path)
            sa.event.listen(self._engine, "connect", _prepare_connection)
            sa.event.listen(self._engine, "begin", _begin)
        self._files: list[tuple[int, int]] | None = None
        self._has_failed_to_sync = False
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
            self._noticing_failed_syncs(),
            self._engine.connect().execution_options(
                governed_begin="BEGIN IMMEDIATE"
            ) as connection,
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

    @contextmanager
    def holding(self, name: str) -> Iterator[bool]:
        """Whether nobody else, in any process, holds this name while the block runs. Waits for nobody. Of a ledger in memory there is no other process."""
        if self.path is None:
            with self._held_in_memory(name) as is_held:
                yield is_held
            return
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]
        file = self.path.parent / f"{self.path.name}.{digest}.lock"
        with translated(self.name):
            opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(opened)
            yield False
            return
        try:
            yield True
        finally:
            # Also where a process that was forked meanwhile has the file open.
            fcntl.flock(opened, fcntl.LOCK_UN)
            os.close(opened)

    @contextmanager
    def _held_in_memory(self, name: str) -> Iterator[bool]:
        with self._writing:
            is_free = name not in self._held
            self._held.add(name)
        try:
            yield is_free
        finally:
            if is_free:
                self._held.discard(name)

    def now(self, connection: sa.Connection) -> str:
        """The time of the database, in UTC to the millisecond."""
        [(now,)] = fetched(connection, _NOW)
        return str(now)

    def damage(self) -> Sequence[str]:
        """Where a table of the record and one of its indexes do not agree, or a page is not what SQLite wrote. Looks up each row in each index."""
        with self.reading() as connection, _with_much_memory(connection):
            return [
                str(row[0])
                for table in OF_THE_RECORD
                for row in connection.exec_driver_sql(f"PRAGMA integrity_check({table.name})").all()
                if row[0] != "ok"
            ]

    def numbers(self, connection: sa.Connection, count: int) -> Sequence[int]:
        """The numbers of the next records, without a gap."""
        last = self.highest_number(connection)
        return range(last + 1, last + count + 1)

    def highest_number(self, connection: sa.Connection) -> int:
        """The highest number that any record was ever given."""
        [(highest,)] = fetched(connection, _HIGHEST)
        return int(highest)

    def elsewhere(self) -> Callable[[], sa.Engine] | None:
        """How another process connects to the same file, None where it is in memory or has a driver of its own."""
        return partial(_engine_for, self.path) if self.path and not self._is_given else None

    def leave_no_copies(self, connection: sa.Connection) -> None:
        """Removes what is left of what was erased where it stood before SQLite moved it. From here on the files are to be shredded, which
        outlives this process: their bytes are in the log.
        """
        if self.path is not None:
            _mark(_unshredded(self.path), self.path)
            rewrite_what_is_erased(connection)

    def is_to_be_shredded(self) -> bool:
        """Whether the log was not emptied since something was erased."""
        return self.path is not None and _unshredded(self.path).exists()

    def shred(self) -> None:
        """Writes over what was deleted: in the database it was at once, and the write-ahead log is emptied. Raises `LedgerUnavailable` where
        somebody reads an older state for long, which needs the log; then it can be called again.
        """
        if self.path is None:
            return
        deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
        while not self._empties_log():
            if time.monotonic() > deadline:
                raise LedgerUnavailable(
                    f"What was erased is gone from the record, and its bytes are still in {self.path} and its log: "
                    "somebody has been reading an older state",
                    hint="end what reads the record for so long, then run the same again; after `governed-agents erase` "
                    "`governed-agents sweep` will do",
                )
            time.sleep(_BETWEEN_EMPTYING_SECONDS)

    def write_anew(self) -> None:
        """Writes the whole database anew: where SQLite moved rows to even out its pages, something of them is left that it overwrites with
        nothing. Takes room for a second one, and nobody writes meanwhile. Raises `LedgerUnavailable`.
        """
        if self.path is None:
            return
        with (
            translated(self.name),
            self._exclusive(),
            self._noticing_failed_syncs(),
            self._outside_transactions() as connection,
        ):
            execute(connection, "VACUUM")

    def close(self) -> None:
        """Closes the file. Other processes may still have it open."""
        with self._exclusive():
            self._engine.dispose()
        if self._lock_file:
            self._lock_file.close()

    @contextmanager
    def _noticing_failed_syncs(self) -> Iterator[None]:
        if self._has_failed_to_sync:
            raise LedgerUnavailable(
                f"The ledger {self.path} could not be synced to its disk before, and takes nothing since",
                hint="mend the disk, then start this process again and run `governed-agents verify`",
            )
        try:
            yield
        except SQLAlchemyError as error:
            name = getattr(getattr(error, "orig", None), "sqlite_errorname", None)
            self._has_failed_to_sync = name in _FAILED_SYNCS
            raise

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
        found = [os.stat(path) for path in (self.path, f"{self.path}-wal")]  # noqa: PTH116
        return [(item.st_dev, item.st_ino) for item in found]

    def _create(self) -> None:
        with translated(self.name), self._exclusive():
            self._write_out_log()
        with self.writing() as connection:
            bring_up_to_date(connection, self.name)

    def _write_out_log(self) -> None:
        """Copies the log that was found into the database, and syncs that.

        Where a process was killed after a failed sync, what it last wrote can be read and is not on the disk: nothing may be written
        behind it.
        """
        with self._outside_transactions() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    def _empties_log(self) -> bool:
        """Copies the log into the database and empties it, and returns whether it could: it cannot while somebody reads an older state.

        Who erases holds the lock from the mark until it is committed. So where the log is empty, no mark is left that is needed.
        """
        with (
            translated(self.name),
            self._exclusive(),
            self._noticing_failed_syncs(),
            self._outside_transactions() as connection,
        ):
            execute(connection, f"PRAGMA busy_timeout={_EMPTYING_MILLISECONDS}")
            try:
                [(is_busy, *_)] = fetched(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                execute(connection, f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
            if not is_busy and self.path is not None:
                _unshredded(self.path).unlink(missing_ok=True)
        return not is_busy

    def _outside_transactions(self) -> sa.Connection:
        """A connection that begins no transaction."""
        return self._engine.connect().execution_options(governed_begin="")

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


def _engine_for(path: Path | None) -> sa.Engine:
    if path is None:
        return sa.create_engine(
            "sqlite://",
            poolclass=sa.pool.StaticPool,
            connect_args={"check_same_thread": False},
        )
    return sa.create_engine(
        f"sqlite:///{path}", connect_args={"timeout": 5, "check_same_thread": False}
    )


def _made_with_lock(path: Path) -> Path:
    """The lock of a database, both made where they are missing, for their owner only: values stand there that can be erased, with their keys.

    A database that is there keeps its mode. Its lock is made like it, as SQLite makes the files of its log.
    """
    lock = path.parent / f"{path.name}.lock"
    mode = _mode(path) if path.exists() else 0o600
    for file in (lock, path):
        with suppress(FileExistsError):
            _make(file, mode)
    return lock


@contextmanager
def _with_much_memory(connection: sa.Connection) -> Iterator[None]:
    """A connection that keeps much of the file at hand: looking up every row is eight times as fast for it."""
    before = {
        name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one_or_none() or 0
        for name in _MUCH_MEMORY
    }
    try:
        for name, amount in _MUCH_MEMORY.items():
            connection.exec_driver_sql(f"PRAGMA {name}={amount}")
        yield
    finally:
        for name, amount in before.items():
            connection.exec_driver_sql(f"PRAGMA {name}={amount}")


def _unshredded(path: Path) -> Path:
    """The file that stands beside a database while what was erased from it may still be in its log."""
    return path.parent / f"{path.name}.unshredded"


def _mark(mark: Path, path: Path) -> None:
    """Makes a mark beside a database, with its mode, that is there after a power cut. Raises `OSError`."""
    with suppress(FileExistsError):
        _make(mark, _mode(path))
    sync(mark.parent)


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def _make(file: Path, mode: int) -> None:
    """An empty file with this mode, whatever the mask of the process. Raises `OSError`."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


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
        f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}",
    ):
        cursor.execute(statement)
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    statement = connection.get_execution_options().get("governed_begin", "BEGIN")
    if statement:
        execute(connection, statement)
