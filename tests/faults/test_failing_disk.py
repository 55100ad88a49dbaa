"""On a disk that fails, nothing is released that is not on record, and nothing is acknowledged that is not on the disk."""

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.errors import LedgerUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadQuestion, find_reads
from semantic.open_snapshot import Fetched, OpenSnapshot
from semantic.snapshot import SnapshotStore
from tests.conftest import OpenDoor
from tests.faults.disk import Disk
from tests.faults.figures import figures
from tests.faults.lives import bodies, refusal
from tests.faults.watched_sqlite import KEY, Faults, ledger_on
from tests.semantic.door import BOSS, PATIENT, snapshot_file

LOG = ("-wal",)
DATABASE = ("ledger.db",)


@dataclass(frozen=True)
class OnDisk:
    """A ledger on a disk that can be made to fail, and a door over it."""

    disk: Disk
    faults: Faults
    ledger: Ledger
    door: GovernedMetrics


@pytest.fixture
def on_disk(open_door: OpenDoor) -> Callable[..., AbstractContextManager[OnDisk]]:
    @contextmanager
    def on_disk(disk: Disk) -> Iterator[OnDisk]:
        faults = Faults()
        with ledger_on(disk, faults) as ledger:
            yield OnDisk(disk, faults, ledger, open_door(ledger=ledger))

    return on_disk


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    folder = tmp_path / "disk"
    folder.mkdir()
    return Disk(folder)


class FailingWhenRead(OpenSnapshot):
    """A snapshot that lets something fail once it has been read."""

    def __init__(self, path: Path, fail: Callable[[], None]) -> None:
        super().__init__(path, limits=PATIENT)
        self._fail = fail
        self.times_read = 0

    def execute(self, sql: str, parameters: Mapping[str, Any], limit: int) -> Fetched:
        self.times_read += 1
        found = super().execute(sql, parameters, limit)
        self._fail()
        return found


def ask(door: GovernedMetrics, data: OpenSnapshot | None = None) -> MetricAnswer | Refusal:
    with door.session(BOSS, data=data) as session:
        return session.query({"metrics": "orders"})


def outcomes(ledger: Ledger) -> list[str]:
    return [item.outcome for item in find_reads(ledger, ReadQuestion())]


def assert_unavailable(answered: MetricAnswer | Refusal) -> None:
    assert isinstance(answered, Refusal)
    assert answered.reason is Reason.LEDGER_UNAVAILABLE


def opened(image: Mapping[str, bytes], folder: Path) -> Ledger:
    folder.mkdir()
    for name, data in image.items():
        (folder / name).write_bytes(data)
    return Ledger.open(folder / "ledger.db", key=KEY)


def test_where_the_intent_cannot_be_synced_no_query_runs(
    on_disk: Callable[..., Any], disk: Disk, published: SnapshotStore
) -> None:
    data = FailingWhenRead(snapshot_file(published, published.current()), lambda: None)
    with on_disk(disk) as at:
        at.faults.failing_syncs = LOG
        assert_unavailable(ask(at.door, data))
        assert outcomes(at.ledger) == []
    assert data.times_read == 0
    data.close()


def test_where_the_outcome_cannot_be_synced_no_row_is_released(
    on_disk: Callable[..., Any], disk: Disk, published: SnapshotStore
) -> None:
    with on_disk(disk) as at:

        def fail() -> None:
            at.faults.failing_syncs = LOG

        data = FailingWhenRead(snapshot_file(published, published.current()), fail)
        assert_unavailable(ask(at.door, data))
        assert data.times_read == 1
        assert outcomes(at.ledger) == ["open"]
        data.close()


def test_after_a_failed_sync_nothing_is_acknowledged_until_it_is_opened_again(
    on_disk: Callable[..., Any], disk: Disk
) -> None:
    with on_disk(disk) as at:
        assert isinstance(ask(at.door), MetricAnswer)
        at.faults.failing_syncs = LOG
        assert_unavailable(ask(at.door))

        at.faults.failing_syncs = ()
        refused = ask(at.door)
        assert_unavailable(refused)
        assert "could not be synced to its disk before" in str(refused)
        with pytest.raises(LedgerUnavailable, match="takes nothing since"):
            at.ledger.seal()
    with on_disk(disk) as at:
        assert isinstance(ask(at.door), MetricAnswer)
        assert outcomes(at.ledger) == ["allowed", "allowed"]
        assert at.ledger.verify().is_whole


@pytest.mark.parametrize(
    "disks",
    [pytest.param(10), pytest.param(300, marks=pytest.mark.soak)],
    ids="{} disks".format,
)
def test_nothing_is_lost_that_was_written_after_a_failed_sync_and_a_kill(
    tmp_path: Path, disks: int
) -> None:
    """The kernel takes what it could not write for written. The next process reads it, and must not write behind it."""
    with figures("failed sync, then killed, then power loss") as counts:
        counts |= {"disks": disks, "records acknowledged": 0, "lost": 0}
        for number in range(disks):
            acknowledged, left = _fail_kill_and_cut(tmp_path / str(number), random.Random(number))
            counts["records acknowledged"] += len(acknowledged)
            counts["lost"] += len(acknowledged - left)
            shutil.rmtree(tmp_path / str(number))
    assert counts["lost"] == 0


def _fail_kill_and_cut(folder: Path, chance: random.Random) -> tuple[set[bytes], set[bytes]]:
    """The bodies that were acknowledged, and those that are left."""
    (folder / "first").mkdir(parents=True)
    disk, faults = Disk(folder / "first"), Faults()
    acknowledged: set[bytes] = set()
    with ledger_on(disk, faults) as ledger:
        for _ in range(chance.randint(1, 10)):
            ledger.append(refusal(chance))
        acknowledged |= set(bodies(ledger))
        faults.failing_syncs = chance.choice([LOG, LOG + DATABASE])
        with pytest.raises(LedgerUnavailable):
            ledger.append(refusal(chance))
        following = disk.after_kill(folder / "second")
    with ledger_on(following) as ledger:
        for _ in range(chance.randint(1, 10)):
            ledger.append(refusal(chance))
        acknowledged |= set(bodies(ledger))
        image = following.after_power_loss(len(following.events), chance)
    left = opened(image, folder / "left")
    found = set(bodies(left))
    assert left.verify().is_whole
    left.close()
    return acknowledged, found


def test_on_a_full_disk_reads_are_refused_and_go_on_when_there_is_room(
    on_disk: Callable[..., Any], disk: Disk, tmp_path: Path
) -> None:
    with on_disk(disk) as at:
        at.faults.room_in_log = (disk.folder / "ledger.db-wal").stat().st_size + 300_000
        answers = [ask(at.door) for _ in range(12)]
        released = [item for item in answers if isinstance(item, MetricAnswer)]
        refused = [item for item in answers if isinstance(item, Refusal)]
        assert released
        assert refused
        assert all("full" in str(item.hint) for item in refused)

        at.faults.room_in_log = None
        released.append(ask(at.door))
        assert outcomes(at.ledger).count("allowed") == len(released)
        assert at.ledger.verify().is_whole
        image = disk.after_power_loss(len(disk.events), random.Random(1))
    left = opened(image, tmp_path / "left")
    assert outcomes(left).count("allowed") == len(released)
    left.close()
