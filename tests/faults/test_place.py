"""A ledger whose file, folder or lock is not as it was lets nothing out, and what is put in its place is found."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from semantic.answer import MetricAnswer
from semantic.errors import LedgerUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Harm, Ledger, ReadQuestion, find_reads, open_note
from tests.conftest import OpenDoor
from tests.faults.asking import ask, assert_unavailable
from tests.faults.processes import (
    append_unprivileged,
    append_with_little_room,
    hold_lock,
    process,
)
from tests.faults.watched_sqlite import KEY


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user may read, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


def test_a_read_waits_for_a_lock_and_goes_on_when_its_holder_is_killed(
    door: GovernedMetrics, ledger: Ledger
) -> None:
    with process(hold_lock, ledger.path) as holder:
        assert holder.recv() == "held"
        started = time.monotonic()
        holder.close()
        assert isinstance(ask(door), MetricAnswer)
    assert time.monotonic() - started < 20


@pytest.mark.soak
def test_a_read_is_refused_where_the_lock_is_not_let_go(
    door: GovernedMetrics, ledger: Ledger
) -> None:
    with process(hold_lock, ledger.path) as holder:
        assert holder.recv() == "held"
        refused = ask(door)
        holder.send("end")
    assert_unavailable(refused)
    assert "held by another process" in str(refused)
    assert list(find_reads(ledger, ReadQuestion())) == []
    assert isinstance(ask(door), MetricAnswer)


def test_a_file_that_may_only_be_read_is_not_opened(open_to_all: Path) -> None:
    path = open_to_all / "state" / "ledger.db"
    Ledger.open(path).close()
    for item in (path, Path(f"{path}.lock")):
        item.chmod(0o444)
    path.parent.chmod(0o555)
    with process(append_unprivileged, path) as other:
        assert "cannot be used: [Errno 13] Permission denied" in other.recv()
    Path(f"{path}.lock").chmod(0o666)
    with process(append_unprivileged, path) as other:
        assert "attempt to write a readonly database" in other.recv()
    path.parent.chmod(0o755)


def test_a_folder_that_is_gone_lets_nothing_out(door: GovernedMetrics, ledger: Ledger) -> None:
    assert isinstance(ask(door), MetricAnswer)
    shutil.rmtree(Path(str(ledger.path)).parent)
    assert_unavailable(ask(door))


def test_files_that_cannot_grow_refuse_and_go_on_when_they_can(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    with process(append_with_little_room, path, 150_000) as other:
        acknowledged, refused = other.recv()
    ledger = Ledger.open(path)
    assert refused
    assert {read.read_id for read in find_reads(ledger, ReadQuestion())} == set(acknowledged)
    assert ledger.verify().is_whole
    ledger.close()


def test_an_old_copy_that_was_put_in_its_place_is_found(
    tmp_path: Path, open_door: OpenDoor
) -> None:
    """The copy is whole in itself. Only what is kept elsewhere tells that it is not the newest."""
    path = tmp_path / "state" / "ledger.db"
    ledger = Ledger.open(path, key=KEY)
    assert isinstance(ask(open_door(ledger=ledger)), MetricAnswer)
    ledger.close()
    shutil.copy(path, tmp_path / "copy")

    ledger = Ledger.open(path, key=KEY)
    assert isinstance(ask(open_door(ledger=ledger)), MetricAnswer)
    kept_elsewhere = open_note(str(ledger.seal()), [KEY.public_key()])
    ledger.close()
    shutil.copy(tmp_path / "copy", path)

    ledger = Ledger.open(path, key=KEY)
    assert ledger.verify().is_whole
    found = ledger.verify(against=kept_elsewhere).findings
    assert [item.harm for item in found] == [Harm.ROLLED_BACK]

    for _ in range(5):
        ask(open_door(ledger=ledger))
    assert not ledger.verify(against=kept_elsewhere).is_whole, "and it does not grow over it"
    ledger.close()


def test_an_old_copy_under_a_running_process_lets_nothing_out(
    tmp_path: Path, door: GovernedMetrics, ledger: Ledger
) -> None:
    path = Path(str(ledger.path))
    copy = tmp_path / "copy"
    shutil.copy(path, copy)
    assert isinstance(ask(door), MetricAnswer)
    copy.rename(path)
    assert_unavailable(ask(door))
    with pytest.raises(LedgerUnavailable, match="is not the file that was opened"):
        ledger.seal()
