"""Records stand in the order in which they were written, whatever clocks say."""

import itertools
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from semantic.answer import MetricAnswer
from semantic.ledger import Ledger, ReadQuestion, find_reads
from semantic.ledger.schema import reads, records
from tests.conftest import OpenDoor
from tests.faults.processes import append_skewed, process
from tests.faults.skewed import SkewedStore
from tests.semantic.door import BOSS


def test_reads_go_on_where_the_clock_is_set_back(
    place: Path | str, tmp_path: Path, open_door: OpenDoor
) -> None:
    store = SkewedStore(place)
    ledger = Ledger(store, keys=tmp_path)
    door = open_door(ledger=ledger)
    asked = []
    for hours in (0, -3, 1, -9000):
        store.skew = timedelta(hours=hours)
        answered = door.query({"metrics": "orders"}, reader=BOSS)
        assert isinstance(answered, MetricAnswer)
        asked.append(answered.provenance.read_id)

    with ledger.reading() as connection:
        begun = connection.execute(sa.select(reads).order_by(reads.c.seq)).all()
    assert [row.read_id for row in begun] == asked
    assert [row.outcome for row in begun] == ["allowed"] * 4
    told = [item.at for item in find_reads(ledger, ReadQuestion())]
    assert told == sorted((row.at for row in begun), reverse=True), "people look for times"
    ledger.seal()
    assert ledger.verify().is_whole
    ledger.close()


def test_the_policy_that_was_published_last_stands_where_the_clock_is_set_back(
    place: Path | str, tmp_path: Path
) -> None:
    store = SkewedStore(place)
    ledger = Ledger(store, keys=tmp_path)
    ledger.publish_policy("first", "text", by="ana", run_id=None)
    store.skew = timedelta(hours=-3)
    ledger.publish_policy("second", "text", by="ana", run_id=None)
    assert ledger.current_policy_hash() == "second"
    ledger.close()


def test_hosts_whose_clocks_differ_write_one_order(place: Path | str, tmp_path: Path) -> None:
    count = 20
    Ledger.open(place, keys=tmp_path).close()
    early, late = timedelta(hours=-26), timedelta(hours=5)
    with (
        process(append_skewed, place, "early", early, count) as one,
        process(append_skewed, place, "late", late, count) as other,
    ):
        for host in (one, other) * count:
            host.send("go")
            assert host.recv() == "appended"

    ledger = Ledger.open(place, keys=tmp_path)
    with ledger.reading() as connection:
        rows = connection.execute(
            sa.select(records.c.seq, records.c.record_id, records.c.recorded_at).order_by(
                records.c.seq
            )
        ).all()
    assert [row.seq for row in rows] == list(range(1, 2 * count + 1))
    for name in ("early", "late"):
        own = [row.record_id for row in rows if row.record_id.startswith(name)]
        assert own == [f"{name} {number}" for number in range(count)]
    assert any(before.recorded_at > after.recorded_at for before, after in itertools.pairwise(rows))
    ledger.seal()
    assert ledger.verify().is_whole
    ledger.close()
