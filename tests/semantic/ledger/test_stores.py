"""A ledger keeps its promises on every store."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantic.errors import LedgerUnavailable, PolicyNotCurrent
from semantic.ledger import (
    Admission,
    Budget,
    Charge,
    Erasable,
    Harm,
    Ledger,
    MetricRead,
    ReadContext,
    ReadQuestion,
    Record,
    RecordKind,
    Settlement,
    Touched,
    Unit,
    find_reads,
)
from semantic.ledger.schema import records
from tests.faults.forks import FORKS
from tests.faults.skewed import SkewedStore
from tests.postgres import PostgresServer
from tests.semantic.ledger.conftest import OpenLedger

ORDERS = (MetricRead(metric="orders", data_version="v1"),)
PROCESSES = 3
RECORDS = 8


def intent(record_id: str) -> Record:
    touches = Touched(dimensions=("store",), relations=("orders",))
    return Record(
        record_id=record_id,
        kind=RecordKind.INTENT,
        reader="ana",
        metrics=ORDERS,
        touches=touches,
        details={"filters": [Erasable("Jane")]},
    )


def outcome(record_id: str, **fields: object) -> Record:
    return Record(
        record_id=record_id,
        kind=RecordKind.OUTCOME,
        reader="ana",
        details={"rows": 3},
        **fields,  # type: ignore[arg-type]
    )


def outcomes(ledger: Ledger) -> list[tuple[str, str]]:
    return [(read.read_id, read.outcome) for read in find_reads(ledger, ReadQuestion())]


def test_what_one_process_records_another_finds(open_ledger: OpenLedger) -> None:
    one, two = open_ledger(), open_ledger()
    assert one.append(intent("a"))
    assert outcomes(two) == [("a", "open")]
    assert two.append(outcome("a"))
    assert two.append(intent("b"))
    assert one.append(outcome("b", reason="timed_out"))
    assert outcomes(two) == [("b", "refused"), ("a", "allowed")]


def test_what_is_there_already_stays(open_ledger: OpenLedger) -> None:
    one, two = open_ledger(), open_ledger()
    assert one.append(intent("a"))
    assert not two.append(intent("a"))
    assert one.append(outcome("a"))
    assert not two.append(outcome("a", reason="timed_out"))
    assert outcomes(one) == [("a", "allowed")]
    assert two.verify().is_whole


def test_a_read_is_only_begun_under_the_published_policy(open_ledger: OpenLedger) -> None:
    one, two = open_ledger(), open_ledger()
    assert one.publish_policy("first", "{}", by="owner", run_id=None)
    assert two.append(intent("a"), Admission(policy_hash="first"))
    assert one.publish_policy("second", "{}", by="owner", run_id=None)
    with pytest.raises(PolicyNotCurrent):
        two.append(intent("b"), Admission(policy_hash="first"))
    assert two.current_policy_hash() == "second"
    assert outcomes(two) == [("a", "open")]


def test_a_text_that_does_not_fit_refuses_its_own_record_alone(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    unfit = {
        "The acting_for has 201 characters, and the record takes 200": Record(
            record_id="a", kind=RecordKind.INTENT, acting_for="x" * 201, metrics=ORDERS
        ),
        "The team has 201 characters": Record(
            record_id="b", kind=RecordKind.INTENT, team="x" * 201, metrics=ORDERS
        ),
        "The run_id has 101 characters, and the record takes 100": Record(
            record_id="c", kind=RecordKind.OUTCOME, context=ReadContext(run_id="x" * 101)
        ),
        "The metric has 301 characters": Record(
            record_id="d", kind=RecordKind.REFUSAL, metrics=(MetricRead(metric="x" * 301),)
        ),
        "The relation has 301 characters": Record(
            record_id="e", kind=RecordKind.INTENT, touches=Touched(relations=("x" * 301,))
        ),
        "The reader 'an.x00a' has a character in it that no record takes": Record(
            record_id="f", kind=RecordKind.INTENT, reader="an\0a", metrics=ORDERS
        ),
        "The acting_for 'an.udcffa' has a character in it that no record takes": Record(
            record_id="h", kind=RecordKind.INTENT, acting_for="an\udcffa", metrics=ORDERS
        ),
    }

    def write(number: int, said: str) -> None:
        assert ledger.append(intent(f"{number} {said}"[:36]))
        with pytest.raises(LedgerUnavailable, match=said):
            ledger.append(unfit[said])

    with ThreadPoolExecutor(12) as pool:
        numbers = range(2 * len(unfit))
        list(pool.map(write, numbers, [*unfit, *unfit]))
    assert len(outcomes(ledger)) == 2 * len(unfit)
    fits = Record(record_id="g", kind=RecordKind.INTENT, reader="ü" * 200, metrics=ORDERS)
    assert ledger.append(fits)
    assert ledger.verify().is_whole


def test_names_that_do_not_fit_are_refused_before_they_are_written(
    open_ledger: OpenLedger,
) -> None:
    budget = Budget(name="x" * 400, unit=Unit.ROWS, limit=1)
    with pytest.raises(LedgerUnavailable, match="The name of a budget has 416 characters"):
        Admission(charges=(Charge(budget=budget, most=1),))
    with pytest.raises(LedgerUnavailable, match="The name of a source has 401 characters"):
        Admission(sources=("x" * 401,))
    with pytest.raises(LedgerUnavailable, match="The name of a source has 401 characters"):
        Settlement(failed=("x" * 401,))
    with pytest.raises(LedgerUnavailable, match="The reader has 201 characters"):
        open_ledger().register_agent("x" * 201, "1", {"version": 1})


class Together(SkewedStore):
    """A store whose writers begin when all of them have come."""

    def __init__(self, place: Path | str, writers: threading.Barrier) -> None:
        super().__init__(place)
        self._writers = writers

    def writing(self, *, alone: bool = False) -> AbstractContextManager[sa.Connection]:
        self._writers.wait(300)
        return super().writing(alone=alone)


@pytest.mark.parametrize("what", ["metrics", "agent"])
def test_what_several_find_changed_at_the_same_time_is_put_on_record_once(
    place: Path | str, what: str
) -> None:
    together = threading.Barrier(4)
    ledgers = [Ledger(Together(place, together)) for _ in range(4)]

    def change(ledger: Ledger) -> tuple[str, ...]:
        if what == "agent":
            ledger.register_agent("ana", "1", {"version": 1})
            return ()
        return ledger.record_definitions({"orders": "1"}, by="refresh", run_id=None)

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(change, ledgers))
    with ledgers[0].reading() as connection:
        written = connection.execute(
            sa.select(sa.func.count()).where(records.c.kind == RecordKind.DEFINITION.value)
        ).scalar_one()
    assert written == 1
    assert sorted(told) == ([()] * 3 + [("orders",)] if what == "metrics" else [()] * 4)
    for ledger in ledgers:
        ledger.close()


def test_the_newest_definition_of_an_agent_stands(open_ledger: OpenLedger) -> None:
    one, two = open_ledger(), open_ledger()
    one.register_agent("ana", "1", {"version": 1})
    two.register_agent("ana", "2", {"version": 2})
    assert one.registered_agents() == {"ana": {"version": 2}}


def append_some(place: Path | str, number: int, ready: threading.Barrier) -> None:
    """Records of its own, and those that all processes append."""
    ledger = Ledger.open(place)
    ready.wait(300)
    for count in range(RECORDS):
        ledger.append(intent(f"{number} {count}"))
        ledger.append(intent(f"all {count}"))
    ledger.close()


def test_processes_write_beside_each_other_and_nothing_is_lost_or_there_twice(
    place: Path | str, open_ledger: OpenLedger
) -> None:
    ledger = open_ledger()
    ready = FORKS.Barrier(PROCESSES)
    processes = [
        FORKS.Process(target=append_some, args=(place, number, ready))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    sealed = 0
    while any(process.is_alive() for process in processes):
        sealed += ledger.seal() is not None
    for process in processes:
        process.join(300)
        assert process.exitcode == 0

    found = [read_id for read_id, _ in outcomes(ledger)]
    assert len(found) == len(set(found)) == PROCESSES * RECORDS + RECORDS
    assert sealed
    assert ledger.verify().is_whole


def test_threads_share_commits(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda number: ledger.append(intent(str(number))), range(64)))
    with ledger.reading() as connection:
        moments = connection.scalar(sa.select(sa.func.count(records.c.recorded_at.distinct())))
    assert moments < 64
    assert ledger.verify().is_whole


def test_checkpoints_cover_the_record_and_prove_what_is_in_it(open_ledger: OpenLedger) -> None:
    one, two = open_ledger(), open_ledger()
    for number in range(300):
        (one if number % 3 else two).append(intent(f"r-{number}"))
    assert one.seal() == two.seal()
    assert set(two.prove("r-7")) == {"intent"}
    found = two.verify()
    assert (found.is_whole, found.records, found.streams, found.exposed) == (True, 301, 2, 1)


@pytest.mark.parametrize(
    ("change", "harm"),
    [
        ("UPDATE records SET body = replace(CAST(body AS TEXT), 'ana', 'bob')", Harm.EDITED),
        ("UPDATE records SET reader = 'bob' WHERE record_id = 'r-7'", Harm.EDITED),
        ("UPDATE reads SET outcome = 'allowed' WHERE read_id = 'r-7'", Harm.EDITED),
        ("DELETE FROM records WHERE record_id = 'r-7'", Harm.DELETED),
        ("DELETE FROM reads WHERE read_id = 'r-7'", Harm.EDITED),
        ("DELETE FROM scopes", Harm.EDITED),
        ("UPDATE erasable_values SET value = '\"other\"'", Harm.EDITED),
    ],
)
def test_a_change_is_found(
    open_ledger: OpenLedger, place: Path | str, change: str, harm: Harm
) -> None:
    ledger = open_ledger()
    for number in range(20):
        ledger.append(intent(f"r-{number}"))
    ledger.seal()
    without_guards(place, change)
    assert harm in {item.harm for item in ledger.verify().findings}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE records SET reader = 'x'",
        "DELETE FROM records",
        "UPDATE scopes SET name = 'x'",
        "DELETE FROM scopes",
        "UPDATE reads SET reader = 'x'",
        "DELETE FROM reads",
    ],
)
def test_the_database_refuses_to_change_the_record(open_ledger: OpenLedger, change: str) -> None:
    ledger = open_ledger()
    ledger.append(intent("a"))
    with (
        pytest.raises(LedgerUnavailable, match="the ledger is append-only"),
        ledger._store.writing(alone=True) as connection,
    ):
        connection.exec_driver_sql(change)
    assert outcomes(ledger) == [("a", "open")]


def test_an_end_stands(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    ledger.append(intent("a"))
    ledger.append(outcome("a"))
    with (
        pytest.raises(LedgerUnavailable, match="the ledger is append-only"),
        ledger._store.writing(alone=True) as connection,
    ):
        connection.exec_driver_sql("UPDATE reads SET outcome = 'refused'")
    assert outcomes(ledger) == [("a", "allowed")]


def without_guards(place: Path | str, change: str) -> None:
    """Does what a person can who owns the database."""
    if isinstance(place, Path):
        engine = sa.create_engine(f"sqlite:///{place}")
        with engine.begin() as connection:
            guards = connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).scalars()
            for name in list(guards):
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            connection.exec_driver_sql(change)
    else:
        engine = sa.create_engine(sa.make_url(place).set(drivername="postgresql+psycopg"))
        change = change.replace(
            "replace(CAST(body AS TEXT), 'ana', 'bob')",
            "convert_to(replace(convert_from(body, 'UTF8'), 'ana', 'bob'), 'UTF8')",
        )
        with engine.begin() as connection:
            connection.exec_driver_sql("SET search_path = governed_agents")
            connection.exec_driver_sql("SET session_replication_role = replica")
            connection.exec_driver_sql(change)
    engine.dispose()


def test_months_that_began_without_a_partition_stay_where_they_are(
    postgres: PostgresServer,
) -> None:
    """A process that ran on for longer than there were partitions, and is opened again."""
    place = postgres.new_ledger()
    ledger = Ledger.open(place)
    with ledger._store.writing(alone=True) as connection:
        names = connection.exec_driver_sql(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhrelid::regclass::text !~ '_other'"
        ).scalars()
        for name in list(names):
            if name.startswith(("records_2", "reads_2")) and not name.endswith(("_idx", "_pkey")):
                connection.exec_driver_sql(f"DROP TABLE {name}")
    assert ledger.append(intent("a"))
    ledger.close()
    again = Ledger.open(place)
    assert again.append(intent("b"))
    assert outcomes(again) == [("b", "open"), ("a", "open")]
    again.close()


@pytest.mark.parametrize("few", [10_000, 10])
def test_a_glance_at_a_whole_record_finds_nothing(
    open_ledger: OpenLedger, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("semantic.ledger.sealer.FEW", few)
    ledger = open_ledger()
    assert ledger.glance() == ()
    for number in range(20):
        ledger.append(intent(f"r-{number}"))
    ledger.seal()
    ledger.append(intent("after the checkpoint"))
    assert ledger.glance() == ()


@pytest.mark.parametrize("few", [10_000, 10])
@pytest.mark.parametrize(
    ("change", "harm"),
    [
        ("DELETE FROM records WHERE record_id = 'r-7'", Harm.DELETED),
        ("UPDATE records SET body = replace(CAST(body AS TEXT), 'ana', 'bob')", Harm.EDITED),
        ("UPDATE records SET reader = 'bob' WHERE record_id = 'r-7'", Harm.EDITED),
        ("DELETE FROM reads WHERE read_id = 'r-7'", Harm.EDITED),
    ],
)
def test_a_glance_finds_what_is_missing_and_what_was_changed_of_late(
    open_ledger: OpenLedger,
    place: Path | str,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    change: str,
    harm: Harm,
) -> None:
    monkeypatch.setattr("semantic.ledger.sealer.FEW", few)
    ledger = open_ledger()
    for number in range(20):
        ledger.append(intent(f"r-{number}"))
    ledger.seal()
    without_guards(place, change)
    assert harm in {item.harm for item in ledger.glance()}
