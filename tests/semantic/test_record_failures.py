"""No record, no data: each write to the ledger is made to fail in its turn, and no row comes out."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadQuestion, find_reads
from semantic.snapshot import SnapshotStore
from tests.conftest import OpenDoor
from tests.semantic.door import BOSS, WatchedSnapshot, snapshot_file

Break = Callable[[str, int], None]


@pytest.fixture
def break_at() -> Iterator[Break]:
    """Makes the ledger's disk fail at the nth statement that starts with a text, or at the nth commit."""
    listening: list[tuple[str, Callable[..., None]]] = []

    def break_at(what: str, nth: int) -> None:
        seen = 0

        def count() -> None:
            nonlocal seen
            seen += 1
            if seen == nth:
                disk = sqlite3.OperationalError("disk I/O error")
                raise sa.exc.OperationalError(what, None, disk)

        def before_cursor_execute(connection: object, cursor: object, sql: str, *_: object) -> None:
            if sql.startswith(what):
                count()

        def commit(connection: object) -> None:
            count()

        listener = commit if what == "commit" else before_cursor_execute
        sa.event.listen(sa.Engine, listener.__name__, listener)
        listening.append((listener.__name__, listener))

    yield break_at
    for name, listener in listening:
        sa.event.remove(sa.Engine, name, listener)


@pytest.fixture
def data(published: SnapshotStore) -> Iterator[WatchedSnapshot]:
    opened = WatchedSnapshot(snapshot_file(published, published.current()))
    yield opened
    opened.close()


def ask(door: GovernedMetrics, data: WatchedSnapshot, metric: str = "orders") -> object:
    with door.session(BOSS, data=data) as session:
        return session.query({"metrics": metric})


def assert_not_recorded(answered: object) -> None:
    assert isinstance(answered, Refusal)
    assert answered.reason is Reason.LEDGER_UNAVAILABLE
    assert answered.message == "The read cannot be recorded, so nothing is released"
    assert answered.read_id is None
    assert "9" not in str(answered).replace(str(answered.hint), "")


def outcomes(ledger: Ledger) -> list[str]:
    return [read.outcome for read in find_reads(ledger, ReadQuestion())]


@pytest.mark.parametrize(
    ("what", "nth"),
    [
        ("BEGIN", 1),
        ("SELECT records.reason", 1),
        ("BEGIN IMMEDIATE", 1),
        ("SELECT strftime", 1),
        ("INSERT INTO records", 1),
        ("INSERT INTO reads", 1),
        ("commit", 1),
    ],
)
def test_where_the_intent_cannot_be_written_no_query_runs(
    door: GovernedMetrics,
    ledger: Ledger,
    data: WatchedSnapshot,
    break_at: Break,
    what: str,
    nth: int,
) -> None:
    break_at(what, nth)

    assert_not_recorded(ask(door, data))
    assert data.executed == []
    assert outcomes(ledger) == []

    assert isinstance(ask(door, data), MetricAnswer), "the disk is well again"
    assert outcomes(ledger) == ["allowed"]


@pytest.mark.parametrize(
    ("what", "nth"),
    [("BEGIN IMMEDIATE", 2), ("SELECT strftime", 2), ("INSERT INTO records", 2), ("commit", 2)],
)
def test_where_the_outcome_cannot_be_written_no_row_is_released(
    door: GovernedMetrics,
    ledger: Ledger,
    data: WatchedSnapshot,
    break_at: Break,
    what: str,
    nth: int,
) -> None:
    break_at(what, nth)

    assert_not_recorded(ask(door, data))
    assert len(data.executed) == 1
    assert outcomes(ledger) == ["open"], "the read was begun, and nothing was released"

    assert isinstance(ask(door, data), MetricAnswer)
    assert outcomes(ledger) == ["allowed", "open"]


@pytest.mark.parametrize("what", ["BEGIN IMMEDIATE", "INSERT INTO records", "commit"])
def test_where_a_refusal_cannot_be_written_it_tells_nothing(
    door: GovernedMetrics,
    ledger: Ledger,
    data: WatchedSnapshot,
    break_at: Break,
    what: str,
) -> None:
    break_at(what, 1)
    assert_not_recorded(ask(door, data, "no_such_metric"))
    assert outcomes(ledger) == []


def test_on_a_full_disk_reads_are_refused_and_go_on_when_there_is_room(
    door: GovernedMetrics, ledger: Ledger, data: WatchedSnapshot
) -> None:
    limit_pages(ledger, more=6)
    answers = [ask(door, data) for _ in range(40)]
    released = [answer for answer in answers if isinstance(answer, MetricAnswer)]
    refused = [answer for answer in answers if isinstance(answer, Refusal)]

    assert released
    assert refused
    for refusal in refused:
        assert_not_recorded(refusal)
        assert "disk is full" in str(refusal.hint)
    allowed = {
        read.read_id for read in find_reads(ledger, ReadQuestion()) if read.outcome == "allowed"
    }
    assert allowed == {answer.read_id for answer in released}

    limit_pages(ledger, more=1_000_000)
    assert isinstance(ask(door, data), MetricAnswer)


def limit_pages(ledger: Ledger, *, more: int) -> None:
    with ledger.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")


def test_a_ledger_that_may_only_be_read_lets_nothing_out(
    door: GovernedMetrics, ledger: Ledger, data: WatchedSnapshot
) -> None:
    with ledger.reading() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")

    refused = ask(door, data)
    assert_not_recorded(refused)
    assert "readonly database" in str(refused.hint)  # type: ignore[attr-defined]
    assert data.executed == []


def test_a_ledger_that_another_program_holds_lets_nothing_out(
    door: GovernedMetrics, ledger: Ledger, data: WatchedSnapshot
) -> None:
    other = sqlite3.connect(str(ledger.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused = ask(door, data)
    other.close()

    assert_not_recorded(refused)
    assert "database is locked" in str(refused.hint)  # type: ignore[attr-defined]
    assert data.executed == []
    assert isinstance(ask(door, data), MetricAnswer)


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "removed"])
def test_a_ledger_whose_file_is_gone_lets_nothing_out(
    door: GovernedMetrics, ledger: Ledger, data: WatchedSnapshot, replaced: bool
) -> None:
    """SQLite would go on writing into a file that nobody can find any more."""
    path = Path(str(ledger.path))
    assert isinstance(ask(door, data), MetricAnswer)
    shutil.copy(path, path.parent / "copy")
    path.unlink()
    if replaced:
        (path.parent / "copy").rename(path)

    assert_not_recorded(ask(door, data))
    assert len(data.executed) == 1


def test_a_ledger_whose_write_ahead_log_is_gone_lets_nothing_out(
    door: GovernedMetrics, ledger: Ledger, data: WatchedSnapshot
) -> None:
    """What is in the log alone would be lost with the process, and readers would not find it."""
    assert isinstance(ask(door, data), MetricAnswer)
    Path(f"{ledger.path}-wal").unlink()
    assert_not_recorded(ask(door, data))
    assert len(data.executed) == 1


def test_a_closed_ledger_lets_nothing_out(
    door: GovernedMetrics, ledger: Ledger, data: WatchedSnapshot
) -> None:
    ledger.close()
    assert_not_recorded(ask(door, data))
    assert data.executed == []


def test_a_table_that_is_gone_lets_nothing_out(
    door: GovernedMetrics, ledger: Ledger, data: WatchedSnapshot
) -> None:
    other = sqlite3.connect(str(ledger.path))
    other.execute("ALTER TABLE reads RENAME TO taken_away")
    other.close()
    assert_not_recorded(ask(door, data))
    assert data.executed == []


def test_who_has_a_name_that_does_not_fit_into_the_record_is_told_nothing_else(
    open_door: OpenDoor,
) -> None:
    door = open_door()
    refused = door.query({"metrics": "orders"}, reader=replace(BOSS, acting_for="x" * 201))
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.LEDGER_UNAVAILABLE
    assert refused.hint == "The acting_for has 201 characters, and the record takes 200"
    assert list(find_reads(door.ledger, ReadQuestion())) == []
    assert isinstance(door.query({"metrics": "orders"}, reader=BOSS), MetricAnswer)
