"""Records stand in the order in which they were written, whatever clocks say."""

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantic.answer import MetricAnswer
from semantic.errors import BudgetSpent, SourceUnavailable
from semantic.ledger import (
    Admission,
    BreakerSettings,
    Budget,
    Charge,
    Ledger,
    MetricRead,
    ReadQuestion,
    Record,
    RecordKind,
    Settlement,
    Unit,
    find_reads,
)
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


ROWS = Budget(name="team", unit=Unit.ROWS, limit=100, seconds=3600)


def begin(ledger: Ledger, read_id: str, most: int) -> bool:
    """Begins a read that may take so many rows, and does not end it."""
    record = Record(
        record_id=read_id, kind=RecordKind.INTENT, metrics=(MetricRead(metric="orders"),)
    )
    return ledger.append(record, Admission(charges=(Charge(budget=ROWS, most=most),)))


def test_what_began_while_the_clock_was_ahead_and_did_not_end_holds_no_budget(
    place: Path | str,
) -> None:
    store = SkewedStore(place, timedelta(days=365))
    ledger = Ledger(store)
    begin(ledger, "dead", 100)
    unread = Record(record_id="unread", kind=RecordKind.MODEL_CALL)
    call = Charge(budget=replace(ROWS, name="calls"), most=100)
    ledger.append(unread, Admission(charges=(call,)))
    store.skew = timedelta()
    assert begin(ledger, "next", 100)
    assert ledger.spent(ROWS) == 100
    assert ledger.spent(call.budget) == 0
    assert [(read.read_id, read.outcome) for read in find_reads(ledger, ReadQuestion())] == [
        ("dead", "indeterminate"),
        ("next", "open"),
    ]
    ledger.close()


def test_what_failed_while_the_clock_was_ahead_is_tried_when_it_is_right_again(
    place: Path | str,
) -> None:
    store, settings = SkewedStore(place, timedelta(days=365)), BreakerSettings(failures=1)
    ledger = Ledger(store)
    terms = Admission(sources=("warehouse w",), breaker=settings)
    fails = Settlement(failed=terms.sources, breaker=settings)
    ledger.append(Record(record_id="a", kind=RecordKind.OUTCOME), fails)
    with pytest.raises(SourceUnavailable):
        ledger.append(Record(record_id="b", kind=RecordKind.INTENT), terms)
    store.skew = timedelta()
    assert ledger.append(Record(record_id="c", kind=RecordKind.INTENT), terms)
    with pytest.raises(SourceUnavailable):
        ledger.append(Record(record_id="d", kind=RecordKind.INTENT), terms)
    ledger.close()


def test_a_read_of_a_host_whose_clock_is_a_little_ahead_goes_on(place: Path | str) -> None:
    store = SkewedStore(place, timedelta(minutes=10))
    ledger = Ledger(store)
    begin(ledger, "alive", 60)
    store.skew = timedelta()
    assert ledger.sweep() == ()
    with pytest.raises(BudgetSpent):
        begin(ledger, "next", 60)
    assert ledger.spent(ROWS) == 60
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
