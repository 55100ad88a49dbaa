"""What was erased stands in no file of the ledger, or whoever erased it is told that it still does."""

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from semantic.errors import LedgerUnavailable
from semantic.ledger import Erasable, Ledger, Record, RecordKind
from semantic.ledger.deletion import delete_month
from semantic.ledger.retention import archive_until
from semantic.ledger.sqlite_store import SqliteStore
from tests.faults.processes import process, read_older_state
from tests.faults.skewed import SkewedStore

JANE = b"jane.doe@example.com"
STILL_THERE = "its bytes are still in .*: somebody has been reading an older state"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semantic.ledger.sqlite_store.LOCK_TIMEOUT_SECONDS", 1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """With twenty values of one person and some of others, so long that they take pages of their own."""
    ledger = Ledger.open(tmp_path / "ledger.db")
    for number in range(40):
        who = JANE.decode() if number % 2 else "somebody@example.com"
        value = f"{who} {number}" * (number**2)
        ledger.append(refusal(f"r-{number}", value))
    yield ledger
    ledger.close()


def refusal(record_id: str, value: str) -> Record:
    return Record(
        record_id=record_id, kind=RecordKind.REFUSAL, details={"request": Erasable(value)}
    )


def erase(ledger: Ledger) -> tuple[int, int]:
    return ledger.erase(JANE.decode(), by="data protection", reason="asked")[:2]


def holding(folder: Path, text: bytes = JANE) -> list[str]:
    """The files in which a text stands. Another process looks: one that closes a file lets go of all the locks that it has on it."""
    found = subprocess.run(
        ["grep", "--recursive", "--files-with-matches", "--fixed-strings", text, folder],
        stdout=subprocess.PIPE,
        check=False,
    )
    return found.stdout.decode().splitlines()


@contextmanager
def reading(ledger: Ledger) -> Iterator[None]:
    with ledger.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM records").scalar_one()
        yield


def test_who_erases_beside_a_reader_is_told_that_the_bytes_are_still_there(
    ledger: Ledger, tmp_path: Path
) -> None:
    other = Ledger.open(tmp_path / "ledger.db")
    with reading(other):
        with pytest.raises(LedgerUnavailable, match=STILL_THERE) as told:
            erase(ledger)
        assert "governed-agents sweep" in str(told.value.hint)
        assert holding(tmp_path)
        with pytest.raises(LedgerUnavailable, match=STILL_THERE):
            ledger.finish_erasing()
        ledger.append(refusal("others write", "beside it"))
    assert holding(tmp_path), "a reader that has ended removes nothing"
    assert erase(ledger) == (0, 0), "there is nothing left to erase, and the log is emptied"
    assert not holding(tmp_path)
    assert ledger.verify().is_whole
    other.close()


def test_what_was_erased_beside_a_reader_is_removed_later(ledger: Ledger, tmp_path: Path) -> None:
    with process(read_older_state, tmp_path / "ledger.db") as pipe:
        assert pipe.recv() == "reading"
        with pytest.raises(LedgerUnavailable, match=STILL_THERE):
            erase(ledger)
        assert holding(tmp_path)
        pipe.send("end")
    ledger.append(refusal("later", "another"))
    ledger.finish_erasing()
    assert not holding(tmp_path)


def test_a_reader_that_ends_in_time_is_waited_for(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("semantic.ledger.sqlite_store.LOCK_TIMEOUT_SECONDS", 30)
    with process(read_older_state, tmp_path / "ledger.db") as pipe:
        assert pipe.recv() == "reading"
        pipe.send("end")
        assert erase(ledger) == (20, 20)
        assert not holding(tmp_path)


@pytest.mark.parametrize("has_erased", [False, True])
def test_nobody_waits_to_finish_where_nothing_is_left_to_shred(
    ledger: Ledger, tmp_path: Path, has_erased: bool
) -> None:
    if has_erased:
        assert erase(ledger) == (20, 20)
    other = Ledger.open(tmp_path / "ledger.db")
    with reading(other):
        ledger.append(refusal("others write", "beside it"))
        ledger.finish_erasing()
    other.close()


def test_what_an_erasure_left_whose_process_was_ended_is_removed_later(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "shred", end)
        with pytest.raises(KeyboardInterrupt):
            erase(ledger)
    assert holding(tmp_path)
    other = Ledger.open(tmp_path / "ledger.db")
    other.finish_erasing()
    assert not holding(tmp_path)
    assert not list(tmp_path.glob("*.unshredded"))
    other.close()


def end(_: SqliteStore) -> None:
    raise KeyboardInterrupt


def test_a_month_that_is_deleted_beside_a_reader_is_deleted_when_it_is_done_again(
    tmp_path: Path,
) -> None:
    store = SkewedStore(tmp_path / "ledger.db", -timedelta(days=62))
    ledger = Ledger(store, keys=tmp_path, archive=tmp_path / "archive")
    ledger.append(refusal("jane", JANE.decode()))
    month = month_of(store)
    store.skew = timedelta()
    with ledger.transaction() as transaction:
        for number in range(256):
            transaction.add(Record(record_id=f"r-{number}", kind=RecordKind.MODEL_CALL))
    archive_until(ledger, month, by="ana")
    with reading(ledger), pytest.raises(LedgerUnavailable, match=STILL_THERE):
        delete_month(ledger, month, by="ana", reason="it is old")
    assert holding(tmp_path)
    delete_month(ledger, month, by="ana", reason="it is old")
    assert not holding(tmp_path)
    assert not list((tmp_path / "archive").glob("*.parquet"))
    assert ledger.verify().is_whole
    ledger.close()


def month_of(store: SkewedStore) -> str:
    with store.reading() as connection:
        return store.now(connection)[:7]


def test_nothing_is_left_on_pages_that_were_split_joined_or_freed(tmp_path: Path) -> None:
    """SQLite moves rows to even out its pages, and overwrites a row that is deleted only where it stands then."""
    ledger, chance = Ledger.open(tmp_path / "ledger.db"), random.Random(5)
    groups = [0] * 1 + [1] * 20 + [2] * 1_500 + [3] * 500
    chance.shuffle(groups)
    with ledger.transaction() as transaction:
        for number, group in enumerate(groups):
            length = chance.choice((0, 5, 50, 500, 5_000))
            transaction.add(refusal(f"r-{number}", f"<group {group}>" + "x" * length))
    for group in range(3):
        assert holding(tmp_path, f"<group {group}>".encode())
        ledger.erase(f"<group {group}>", by="data protection", reason="asked")
        assert not holding(tmp_path, f"<group {group}>".encode())
    assert ledger.erase("<group 3>", by="data protection", reason="asked") == (500, 500, 0)
    assert ledger.verify().is_whole
    ledger.close()
