"""The append-only record of every read and refusal. If it cannot be written, no data is released.

SQLite, WAL, synchronous=FULL: a commit that returned survives a power cut. SQLite before 3.51.3 can corrupt a WAL file when two
connections write and checkpoint at once; a file lock around every write and close takes that away, and keeps writers of
several processes fair.
"""

import fcntl
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from semantic.canonical import canonical_json
from semantic.errors import LedgerUnavailable, PolicyNotCurrent
from semantic.ledger.record import Record, RecordKind
from semantic.ledger.schema import (
    SCHEMA_VERSION,
    agents,
    append_only_triggers,
    metadata,
    read_metrics,
    records,
)

STATE_FOLDER = "governed_agents"
LOCK_TIMEOUT_SECONDS = 30.0
_NOW = sa.text("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")


class Ledger:
    """A ledger file, open for appending and for questions. Safe for threads and for several processes.

    Every method raises `LedgerUnavailable` when the file cannot be written or read.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._writing = threading.Lock()
        self._lock_file: IO[str] | None = None
        with _translated(path):
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
            sa.event.listen(self._engine, "begin", _begin_immediate)
        self._files: list[tuple[int, int]] | None = None
        try:
            self._create()
            with _translated(path):
                self._files = self._files_at_path()
        except LedgerUnavailable:
            self.close()
            raise

    @classmethod
    def open(cls, path: Path) -> "Ledger":
        """The ledger in `path`, made if it is not there."""
        return cls(path)

    @classmethod
    def in_memory(cls) -> "Ledger":
        """A ledger that is lost with the process: for tests, and where that is asked for by name."""
        return cls(None)

    def append(self, record: Record, *, under_policy: str | None = None) -> bool:
        """Writes a record durably. Returns whether it did: one with the same id and kind may be there already, and stays.

        With `under_policy`, only while that is the hash of the published policy; else raises `PolicyNotCurrent`.
        """
        is_new = False

        def write(connection: sa.Connection) -> None:
            nonlocal is_new
            if under_policy is not None and _current_policy(connection) != under_policy:
                raise PolicyNotCurrent("Another policy has been published")
            recorded_at = str(connection.execute(_NOW).scalar_one())
            added = connection.execute(
                insert(records)
                .values(
                    record_id=record.record_id,
                    kind=record.kind.value,
                    recorded_at=recorded_at,
                    reader=record.reader,
                    acting_for=record.acting_for,
                    run_id=record.context.run_id,
                    root_run_id=record.context.root_run_id,
                    reason=record.reason,
                    body=record.body(recorded_at),
                )
                .on_conflict_do_nothing()
                .returning(records.c.seq)
            ).scalar_one_or_none()
            is_new = added is not None
            if not is_new or not record.metrics:
                return
            connection.execute(
                sa.insert(read_metrics),
                [
                    {
                        "seq": added,
                        "metric": item.metric,
                        "record_id": record.record_id,
                        "recorded_at": recorded_at,
                        "data_version": item.data_version,
                        "definition_hash": item.definition_hash,
                        "covers_from": item.covers_from.isoformat() if item.covers_from else None,
                        "covers_to": item.covers_to.isoformat() if item.covers_to else None,
                    }
                    for item in record.metrics
                ],
            )

        self._write(write)
        return is_new

    def body(self, record_id: str, kind: RecordKind) -> dict[str, Any] | None:
        """The body of a record, or None where there is none."""
        with self.reading() as connection:
            found = connection.execute(
                sa.select(records.c.body).where(
                    records.c.record_id == record_id, records.c.kind == kind.value
                )
            ).scalar_one_or_none()
        return None if found is None else dict(json.loads(found))

    def publish_policy(self, policy_hash: str, text: str, *, by: str, run_id: str | None) -> bool:
        """Makes a policy the current one. Returns whether it was not already."""
        published = False

        def write(connection: sa.Connection) -> None:
            nonlocal published
            if _current_policy(connection) == policy_hash:
                return
            recorded_at = str(connection.execute(_NOW).scalar_one())
            body = canonical_json(
                {
                    "schema": "governed-agents/policy/1",
                    "at": recorded_at,
                    "by": by,
                    "run_id": run_id,
                    "policy_hash": policy_hash,
                    "policy": text,
                }
            )
            count = connection.execute(
                sa.select(sa.func.count()).where(records.c.kind == RecordKind.POLICY.value)
            ).scalar_one()
            connection.execute(
                sa.insert(records).values(
                    record_id=f"policy-{count + 1}",
                    kind=RecordKind.POLICY.value,
                    recorded_at=recorded_at,
                    reader=by,
                    run_id=run_id,
                    reason=policy_hash,
                    body=body,
                )
            )
            published = True

        self._write(write)
        return published

    def current_policy_hash(self) -> str | None:
        """The hash of the policy that was published last, or None where none has been."""
        with self.reading() as connection:
            return _current_policy(connection)

    def current_policy_text(self) -> str | None:
        """The canonical text of the policy that was published last."""
        with self.reading() as connection:
            body = connection.execute(
                sa.select(records.c.body)
                .where(records.c.kind == RecordKind.POLICY.value)
                .order_by(records.c.seq.desc())
                .limit(1)
            ).scalar_one_or_none()
        return None if body is None else str(json.loads(body)["policy"])

    def register_agent(
        self, name: str, definition_hash: str, definition: Mapping[str, Any]
    ) -> None:
        """Keeps the newest definition of an agent, for the registry."""
        body = canonical_json(dict(definition))

        def write(connection: sa.Connection) -> None:
            row = {
                "registered_at": connection.execute(_NOW).scalar_one(),
                "definition_hash": definition_hash,
                "body": body,
            }
            connection.execute(
                insert(agents)
                .values(name=name, **row)
                .on_conflict_do_update(index_elements=["name"], set_=row)
            )

        with self.reading() as connection:
            known = connection.execute(
                sa.select(agents.c.body).where(agents.c.name == name)
            ).scalar_one_or_none()
        if known != body:
            self._write(write)

    def registered_agents(self) -> dict[str, dict[str, Any]]:
        """The newest definition of every agent that has been seen, by name."""
        with self.reading() as connection:
            rows = connection.execute(
                sa.select(agents.c.name, agents.c.body).order_by(agents.c.name)
            ).all()
        return {row.name: json.loads(row.body) for row in rows}

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for questions. The one connection of a ledger in memory serves one at a time."""
        alone = self._exclusive() if self.path is None else nullcontext()
        with _translated(self.path), alone, self._engine.connect() as connection:
            yield connection.execution_options(governed_read=True)

    def close(self) -> None:
        """Closes the file. Other processes may still have it open."""
        with self._exclusive():
            self._engine.dispose()
        if self._lock_file:
            self._lock_file.close()

    def _write(self, action: Callable[[sa.Connection], None]) -> None:
        with (
            _translated(self.path),
            self._exclusive(),
            self._engine.connect().execution_options(governed_write=True) as connection,
            connection.begin(),
        ):
            self._refuse_other_files()
            action(connection)
        self._refuse_other_files()

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
        def create(connection: sa.Connection) -> None:
            version = int(connection.execute(sa.text("PRAGMA user_version")).scalar_one())
            if version > SCHEMA_VERSION:
                raise LedgerUnavailable(
                    f"The ledger {self.path} was written by a newer version of this package",
                    hint="install that version, or name another DAGSTER_HOME",
                )
            metadata.create_all(connection)
            for statement in append_only_triggers():
                connection.execute(sa.text(statement))
            connection.execute(sa.text(f"PRAGMA user_version = {SCHEMA_VERSION}"))

        self._write(create)

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


def _current_policy(connection: sa.Connection) -> str | None:
    found = connection.execute(
        sa.select(records.c.reason)
        .where(records.c.kind == RecordKind.POLICY.value)
        .order_by(records.c.seq.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else str(found)


def _prepare_connection(connection: Any, _: object) -> None:
    """Hands transactions to SQLAlchemy's begin event, and makes every commit durable."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA busy_timeout=5000",
    ):
        cursor.execute(statement)
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("governed_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated(path: Path | None) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise LedgerUnavailable(
            f"The ledger {path or 'in memory'} cannot be used: {reason}",
            hint="no data is released without a record; mend the file or its folder, then run again",
        ) from error
