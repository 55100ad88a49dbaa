"""What is done to a ledger until the power goes, and what must be left of it."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from semantic.answer import MetricAnswer
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import (
    Ledger,
    MetricRead,
    ReadQuestion,
    Record,
    RecordKind,
    Touched,
    find_reads,
    open_note,
)
from semantic.ledger.record import uuid7
from semantic.ledger.schema import records
from semantic.ledger.sqlite_store import SqliteStore
from tests.faults.disk import Disk
from tests.faults.watched_sqlite import KEY, sqlite_on
from tests.semantic.door import BOSS

DoorOver = Callable[[Ledger], GovernedMetrics]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What was promised after so many events of the disk: all records so far, what was released, the newest checkpoint."""

    events: int
    records: int
    released: frozenset[str]
    note: str | None


@dataclass(kw_only=True)
class Life:
    """One opening of a ledger, from what stood on the disk before to its last promise."""

    disk: Disk
    promises: list[Promise] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def until(self, events: int) -> tuple[Promise, Promise]:
        """The last promise before so many events, and the one that was being made: where there was none, it is the last."""
        kept = [promise for promise in self.promises if promise.events <= events]
        following = self.promises[len(kept) : len(kept) + 1] or kept[-1:]
        return kept[-1], following[0]


def live(
    folder: Path, open_door: DoorOver, chance: random.Random, *, synchronous: str = "FULL"
) -> Life:
    """Appends, reads and seals, with checkpoints of SQLite at random places."""
    life = Life(disk=Disk(folder))
    path = folder / "ledger.db"
    pages = chance.choice([15, 60, 1000])
    with sqlite_on(life.disk, path, checkpoint_pages=pages) as engine:
        life.promises.append(_standing_before(path))
        ledger = Ledger(SqliteStore(path, engine=engine), key=KEY)
        _sync_as(engine, synchronous)
        door = open_door(ledger)
        released: set[str] = set()
        note = None
        for _ in range(chance.randint(8, 16)):
            match chance.choice(["append", "append", "read", "read", "seal"]):
                case "append":
                    ledger.append(refusal(chance))
                case "read":
                    released.add(read(door))
                case "seal":
                    note = ledger.seal()
            life.promises.append(
                Promise(
                    events=len(life.disk.events),
                    records=len(bodies(ledger)),
                    released=frozenset(released),
                    note=note,
                )
            )
        life.bodies = bodies(ledger)
        ledger.close()
    return life


def what_is_lost(life: Life, image: Path, events: int) -> Iterator[str]:
    """Opens what is left as the product does, and tells which promise made before so many events is broken."""
    kept, coming = life.until(events)
    ledger = Ledger.open(image, key=KEY)
    try:
        left = bodies(ledger)
        if left != life.bodies[: len(left)]:
            yield "a record that is not the one that was written"
        if len(left) < kept.records:
            yield f"{kept.records - len(left)} records that were acknowledged"
        if len(left) > coming.records:
            yield "the order in which it was written"
        allowed = {
            item.read_id for item in find_reads(ledger, ReadQuestion()) if item.outcome == "allowed"
        }
        if kept.released - allowed:
            yield "the outcome of a read that was released"
        against = open_note(kept.note, [KEY.public_key()]) if kept.note else None
        for finding in ledger.verify(against=against).findings:
            yield f"the whole: record {finding.seq}, {finding.text}"
        ledger.append(refusal(random.Random(0)))
        ledger.seal()
        if not ledger.verify().is_whole:
            yield "that it can be written further"
    finally:
        ledger.close()


def refusal(chance: random.Random) -> Record:
    """A record of a few bytes or of some pages."""
    return Record(
        record_id=str(uuid7()),
        kind=RecordKind.REFUSAL,
        reader="ana",
        metrics=(MetricRead(metric="orders"),),
        touches=Touched(dimensions=(f"dimension {chance.randint(0, 9)}",)),
        details={"request": "x" * chance.choice([10, 500, 9_000])},
    )


def read(door: GovernedMetrics) -> str:
    answered = door.query({"metrics": "orders"}, reader=BOSS)
    assert isinstance(answered, MetricAnswer), answered
    return answered.provenance.read_id


def bodies(ledger: Ledger) -> list[bytes]:
    with ledger.reading() as connection:
        return list(connection.scalars(sa.select(records.c.body).order_by(records.c.seq)))


def _standing_before(path: Path) -> Promise:
    """What stands on the disk when a life begins is promised already. Looked at in a copy: this disk is not to be touched."""
    count = 0
    if path.exists():
        with TemporaryDirectory() as folder:
            ledger = Ledger.open(
                Path(shutil.copytree(path.parent, folder, dirs_exist_ok=True)) / path.name
            )
            count = len(bodies(ledger))
            ledger.close()
    return Promise(events=0, records=count, released=frozenset(), note=None)


def _sync_as(engine: sa.Engine, synchronous: str) -> None:
    """Sets when SQLite syncs: FULL is what the product sets."""
    connection = engine.raw_connection()
    connection.driver_connection.cursor().execute(f"PRAGMA synchronous={synchronous}")
    connection.close()
