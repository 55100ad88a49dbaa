"""Readers in processes of their own, which are killed at a step of the read path or at any moment.

The steps are all that happens around a read: each statement and commit of the ledger, the query, and the release of the answer.
Nothing in the product knows of them: they are told by the connection and the snapshot that a reader is given.
"""

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from semantic.answer import MetricAnswer
from semantic.dbt_manifest import load_catalog
from semantic.engines.embedded import embedded_engine
from semantic.engines.stored import StoredEngine
from semantic.ledger import Ledger, MostExposed, ReadContext
from semantic.ledger.postgres_store import PostgresStore
from semantic.ledger.sqlite_store import SqliteStore
from semantic.ledger.store import Store
from semantic.open_snapshot import Fetched, OpenSnapshot
from semantic.snapshot import SnapshotStore
from tests.faults.forks import FORKS
from tests.semantic.door import BOSS, build_door, snapshot_file

QUERY = {"metrics": "orders", "group_by": "order__status"}
RUN = ReadContext(run_id="run", root_run_id="run", step_key="agent")
_ANY = MostExposed(records=10**9, seconds=86_400)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a reader finds its definitions, what has been compiled of them, its data, and its ledger with the keys."""

    target: Path
    plans: Path
    snapshots: Path
    ledger: Path | str
    keys: Path

    def open_ledger(self) -> Ledger:
        return Ledger.open(self.ledger, keys=self.keys)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A reader at work: which calls it makes and with how many threads, and the step at which it is killed, if at one."""

    place: Place
    calls: Sequence[str]
    threads: int = 1
    fatal_step: int | None = None


@dataclass(frozen=True, kw_only=True)
class Released:
    """An answer that has left the door."""

    call: str
    read_id: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The names of all steps that were taken, told at the end."""

    names: tuple[str, ...]


class Reader:
    """A process that reads. Where it is not killed, it ends when it has made its calls."""

    def __init__(self, reading: Reading) -> None:
        self._told, telling = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=_read, args=(reading, telling))
        self._process.start()
        telling.close()

    def wait_until_ready(self) -> None:
        assert self._told.poll(300)
        assert self._told.recv() == "ready"

    def wait_until_released(self) -> "Released":
        """Its first answer."""
        assert self._told.poll(300)
        first: Released = self._told.recv()
        return first

    def kill(self) -> None:
        self._process.kill()

    def told(self) -> list[Released | Steps]:
        """All that it told until its end."""
        found = []
        try:
            while self._told.poll(300):
                found.append(self._told.recv())
        except EOFError:
            pass
        self._process.join(300)
        assert self._process.exitcode in (0, -signal.SIGKILL)
        self._process.close()
        self._told.close()
        return found


class _Path:
    """Notes each step, and kills the process at one of them."""

    def __init__(self, fatal: int | None) -> None:
        self._fatal = fatal
        self._is_begun = False
        self.names: list[str] = []

    def begin(self) -> None:
        self._is_begun = True

    def at(self, name: str) -> None:
        if not self._is_begun:
            return
        self.names.append(name)
        if len(self.names) - 1 == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        self.at(f"before {what}")
        yield
        self.at(f"after {what}")


class _TellingCursor(sqlite3.Cursor):
    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        with self.connection.path.around(_words(sql)):  # type: ignore[attr-defined]
            return super().execute(sql, *parameters)

    def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        with self.connection.path.around(_words(sql)):  # type: ignore[attr-defined]
            return super().executemany(sql, *parameters)


class _TellingConnection(sqlite3.Connection):
    path: _Path

    def cursor(self, *_: Any) -> sqlite3.Cursor:
        return super().cursor(_TellingCursor)

    def commit(self) -> None:
        with self.path.around("commit"):
            super().commit()


class _TellingStatement(psycopg.Cursor):
    def execute(self, query: Any, *parameters: Any, **how: Any) -> Any:
        with self.connection.path.around(_words(str(query))):  # type: ignore[attr-defined]
            return super().execute(query, *parameters, **how)

    def executemany(self, query: Any, *parameters: Any, **how: Any) -> None:
        with self.connection.path.around(_words(str(query))):  # type: ignore[attr-defined]
            super().executemany(query, *parameters, **how)


class _TellingSession(psycopg.Connection):
    path = _Path(None)

    def commit(self) -> None:
        with self.path.around("commit"):
            super().commit()


class _TellingSnapshot(OpenSnapshot):
    def __init__(self, file: Path, path: _Path) -> None:
        super().__init__(file)
        self._path = path

    def execute(self, sql: str, parameters: Mapping[str, Any], limit: int) -> Fetched:
        with self._path.around("the query"):
            return super().execute(sql, parameters, limit)


def _read(reading: Reading, telling: Connection) -> None:
    path = _Path(reading.fatal_step)
    place = reading.place
    catalog = load_catalog(place.target)
    engine = StoredEngine(catalog, embedded_engine, place.plans)
    # Where steps are counted, no checkpoint comes in between, as one does a minute after the last.
    most = _ANY if reading.threads == 1 else None
    ledger = Ledger(_telling_store(place.ledger, path), keys=place.keys, most_exposed=most)
    snapshots = SnapshotStore(place.snapshots)
    door = build_door(catalog, engine, snapshots, ledger)
    data = _TellingSnapshot(snapshot_file(snapshots, snapshots.current()), path)
    lock = threading.Lock()

    def call(name: str) -> None:
        with door.session(BOSS, RUN, data=data) as session:
            answered = session.query(QUERY, call_id=name)
        assert isinstance(answered, MetricAnswer), answered
        released = Released(call=name, read_id=answered.provenance.read_id, rows=len(answered.rows))
        with lock, path.around("the release"):
            telling.send(released)

    telling.send("ready")
    path.begin()
    if reading.threads == 1:
        for name in reading.calls:
            call(name)
    else:
        with ThreadPoolExecutor(reading.threads) as pool:
            list(pool.map(call, reading.calls))
    telling.send(Steps(names=tuple(path.names)))
    ledger.close()


def _telling_store(place: Path | str, path: _Path) -> Store:
    if isinstance(place, Path):
        return SqliteStore(place, engine=_telling_sqlite(place, path))
    store = PostgresStore(place)
    store._engine.dispose()
    sa.event.listen(store._engine, "do_connect", partial(_telling_postgres, path))
    return store


def _telling_sqlite(file: Path, path: _Path) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            file, timeout=5, check_same_thread=False, factory=_TellingConnection
        )
        connection.path = path
        return connection

    return sa.create_engine(f"sqlite:///{file}", creator=connect)


def _telling_postgres(
    path: _Path, dialect: object, record: object, arguments: Any, named: dict[str, Any]
) -> psycopg.Connection:
    connection = _TellingSession.connect(*arguments, **named, cursor_factory=_TellingStatement)
    connection.path = path
    return connection


def _words(sql: str) -> str:
    """The beginning of a statement, which tells it from others."""
    return " ".join(sql.split()[:3]).rstrip(",")
