"""Postgres goes away: nothing is released without a record, nothing acknowledged is lost, and reads go on when it is back."""

import itertools
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.errors import LedgerUnavailable
from semantic.ledger import Ledger, MetricRead, ReadQuestion, Record, RecordKind, find_reads
from tests.conftest import OpenDoor
from tests.faults.figures import figures
from tests.faults.lost_replies import losing_replies
from tests.postgres import PostgresServer, running_postgres
from tests.semantic.door import BOSS


def refusal(name: str) -> Record:
    return Record(record_id=name, kind=RecordKind.REFUSAL, metrics=(MetricRead(metric="orders"),))


def ids(ledger: Ledger) -> set[str]:
    return {read.read_id for read in find_reads(ledger, ReadQuestion())}


@contextmanager
def losing_connection(
    ledger: Ledger, server: PostgresServer, at: int | None
) -> Iterator[list[str]]:
    """The server ends the connection before the statement or commit with this number. Gives what was done."""
    engine, done = ledger._store._engine, []  # type: ignore[attr-defined]

    def step(name: str, connection: sa.Connection) -> None:
        done.append(name)
        if len(done) - 1 == at:
            backend: Any = connection.connection.dbapi_connection
            server.run(f"SELECT pg_terminate_backend({backend.info.backend_pid}, 5000)")

    def execute(connection: sa.Connection, _: object, sql: str, *__: object) -> None:
        step(" ".join(sql.split()[:3]), connection)

    def commit(connection: sa.Connection) -> None:
        step("commit", connection)

    sa.event.listen(engine, "before_cursor_execute", execute)
    sa.event.listen(engine, "commit", commit)
    try:
        yield done
    finally:
        sa.event.remove(engine, "before_cursor_execute", execute)
        sa.event.remove(engine, "commit", commit)


def test_a_connection_that_is_lost_at_any_step_of_a_read_releases_nothing_unrecorded(
    postgres: PostgresServer, open_door: OpenDoor, tmp_path: Path
) -> None:
    ledger = Ledger.open(postgres.new_ledger(), keys=tmp_path)
    door = open_door(ledger=ledger)

    def ask() -> MetricAnswer | Refusal:
        return door.query({"metrics": "orders"}, reader=BOSS)

    assert isinstance(ask(), MetricAnswer), "from here on all that it touches is known"
    with losing_connection(ledger, postgres, None) as steps:
        assert isinstance(ask(), MetricAnswer)
    with figures("connection lost at each step of a read") as counts:
        counts |= {"steps": len(steps), "refused": 0}
        for lost in range(len(steps)):
            with losing_connection(ledger, postgres, lost):
                answered = ask()
            if isinstance(answered, Refusal):
                assert answered.reason is Reason.LEDGER_UNAVAILABLE, steps[lost]
                counts["refused"] += 1
            else:
                body = ledger.body(answered.provenance.read_id, RecordKind.OUTCOME)
                assert body is not None, steps[lost]
            assert isinstance(ask(), MetricAnswer), "a fresh connection is there"
    assert counts["refused"] == len(steps)
    released = [read for read in find_reads(ledger, ReadQuestion()) if read.outcome == "allowed"]
    assert len(released) == len(steps) + 2
    ledger.sweep(older_than=-1)
    ledger.seal()
    assert ledger.verify().is_whole
    ledger.close()


def test_a_commit_whose_reply_is_lost_is_not_acknowledged_and_tried_again_is_one_record(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    direct = Ledger.open(postgres.new_ledger(), keys=tmp_path)
    url = direct._store._url.set(drivername="postgresql")  # type: ignore[attr-defined]
    with (
        tempfile.TemporaryDirectory() as folder,
        losing_replies(url.render_as_string(hide_password=False), Path(folder)) as (by, way),
    ):
        ledger = Ledger.open(by, keys=tmp_path)
        assert ledger.append(refusal("before"))
        way.is_losing.set()
        with pytest.raises(LedgerUnavailable):
            ledger.append(refusal("lost"))
        way.is_losing.clear()
        assert way.lost == 1
        assert ids(direct) == {"before", "lost"}, "the server has committed it"
        assert not ledger.append(refusal("lost"))
        assert ledger.append(refusal("after"))
        assert ids(direct) == {"before", "lost", "after"}
        assert direct.seal()
        assert direct.verify().is_whole
        ledger.close()
    direct.close()


@pytest.mark.parametrize(
    "crashes", [pytest.param(2), pytest.param(20, marks=pytest.mark.soak)], ids="{} crashes".format
)
def test_what_was_acknowledged_outlives_a_server_that_ends_without_warning(
    crashes: int, tmp_path: Path
) -> None:
    with running_postgres() as server, figures("Postgres ended without warning") as counts:
        counts |= {"crashes": crashes, "acknowledged": 0, "lost": 0}
        ledger = Ledger.open(server.new_ledger(), keys=tmp_path)
        acknowledged: set[str] = set()
        numbers = itertools.count()
        for _ in range(crashes):
            for _ in range(30):
                name = f"r-{next(numbers)}"
                assert ledger.append(refusal(name))
                acknowledged.add(name)
            crash(server)
            with pytest.raises(LedgerUnavailable):
                ledger.append(refusal("while it is away"))
            server.start_again()
            counts["lost"] += len(acknowledged - ids(ledger))
        counts["acknowledged"] = len(acknowledged)
        assert counts["lost"] == 0
        ledger.seal()
        assert ledger.verify().is_whole
        ledger.close()


def crash(server: PostgresServer) -> None:
    """Ends all of its processes at once: what was not written out has to come from its log."""
    postmaster = int((server.folder / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGQUIT)
    deadline = time.monotonic() + 120
    while (server.folder / "postmaster.pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
