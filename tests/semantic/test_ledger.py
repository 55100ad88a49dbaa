"""The ledger keeps what it was given, changes nothing, and tells who read what."""

import json
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest

from semantic.errors import LedgerUnavailable
from semantic.ledger import (
    Ledger,
    MetricRead,
    Read,
    ReadContext,
    ReadQuestion,
    Record,
    RecordKind,
    Touched,
    find_reads,
    new_read_id,
)
from semantic.ledger.newest import newest_content

ROOT = Path(__file__).parents[2]


def refusal(record_id: str, **fields: object) -> Record:
    given: dict[str, object] = {"reader": "ana", "metrics": (MetricRead(metric="orders"),)}
    return Record(record_id=record_id, kind=RecordKind.REFUSAL, **{**given, **fields})  # type: ignore[arg-type]


def intent(record_id: str, **fields: object) -> Record:
    given: dict[str, object] = {"reader": "ana", "metrics": (MetricRead(metric="orders"),)}
    return Record(record_id=record_id, kind=RecordKind.INTENT, **{**given, **fields})  # type: ignore[arg-type]


def outcome(record_id: str, **fields: object) -> Record:
    return Record(record_id=record_id, kind=RecordKind.OUTCOME, reader="ana", **fields)  # type: ignore[arg-type]


def ids(ledger: Ledger, question: ReadQuestion | None = None) -> list[str]:
    return [read.read_id for read in find_reads(ledger, question or ReadQuestion())]


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_was_appended_is_there_after_the_file_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "a new folder" / "ledger.db"
    ledger = Ledger.open(path)
    ledger.append(refusal("r-1", details={"message": "no"}))
    ledger.close()

    reopened = Ledger.open(path)
    assert ids(reopened) == ["r-1"]
    reopened.close()


APPENDS_UNTIL_KILLED = """
import sys
from pathlib import Path
from semantic.ledger import Ledger, MetricRead, Record, RecordKind
ledger = Ledger.open(Path(sys.argv[1]))
for number in range(1_000_000):
    ledger.append(Record(record_id=str(number), kind=RecordKind.REFUSAL, metrics=(MetricRead(metric="m"),)))
    print(number, flush=True)
"""


def test_what_was_acknowledged_outlives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with run(APPENDS_UNTIL_KILLED, path) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(20)]
        process.kill()

    ledger = Ledger.open(path)
    assert set(acknowledged) <= set(ids(ledger))
    ledger.append(refusal("after"))
    assert ids(ledger)[0] == "after"
    ledger.close()


def test_every_commit_is_durable(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    assert (journal, synchronous) == ("wal", 2)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE records SET record_id = 'x'",
        "DELETE FROM records",
        "UPDATE scopes SET name = 'x'",
        "DELETE FROM scopes",
        "UPDATE reads SET reader = 'x'",
        "UPDATE reads SET outcome = 'allowed'",
        "DELETE FROM reads",
    ],
)
def test_the_record_cannot_be_changed(ledger: Ledger, change: str) -> None:
    ledger.append(refusal("r-1", touches=Touched(dimensions=("store",))))
    other = sqlite3.connect(str(ledger.path))
    with pytest.raises(sqlite3.IntegrityError, match="the ledger is append-only"):
        other.execute(change)
    other.close()
    assert ids(ledger) == ["r-1"]


def test_the_same_record_twice_is_one(ledger: Ledger) -> None:
    ledger.append(refusal("r-1"))
    ledger.append(refusal("r-1"))
    ledger.append(refusal("r-2"))

    assert ids(ledger) == ["r-2", "r-1"]


def test_a_retry_finds_its_read_and_nothing_else_does() -> None:
    call = ReadContext(root_run_id="run", step_key="agent", call_id="turn-1")
    others = [
        ("bob", call, "question"),
        ("ana", ReadContext(root_run_id="run 2", step_key="agent", call_id="turn-1"), "question"),
        ("ana", ReadContext(root_run_id="run", step_key="other", call_id="turn-1"), "question"),
        ("ana", ReadContext(root_run_id="run", step_key="agent", call_id="turn-2"), "question"),
        ("ana", call, "another question"),
    ]
    first = new_read_id("ana", call, "question")

    assert new_read_id("ana", call, "question") == first
    assert len({first, *(new_read_id(*other) for other in others)}) == 6


def test_reads_without_a_call_have_ids_that_sort_by_time() -> None:
    made = [new_read_id("ana", ReadContext(root_run_id="run"), "question") for _ in range(50)]
    assert len(set(made)) == 50
    assert [name[:13] for name in made] == sorted(name[:13] for name in made)


APPENDS_FIFTY = """
import sys
from pathlib import Path
from semantic.ledger import Ledger, MetricRead, Record, RecordKind
ledger = Ledger.open(Path(sys.argv[1]))
for number in range(50):
    ledger.append(Record(record_id=f"{sys.argv[2]}-{number}", kind=RecordKind.REFUSAL, metrics=(MetricRead(metric="m"),)))
ledger.close()
"""


@pytest.mark.soak
def test_four_processes_append_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    processes = [run(APPENDS_FIFTY, path, name) for name in "abcd"]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors

    with sqlite3.connect(path) as reader:
        sequence = [row[0] for row in reader.execute("SELECT seq FROM records ORDER BY seq")]
    reader.close()
    ledger = Ledger.open(path)
    assert sequence == list(range(1, 201))
    assert set(ids(ledger)) == {f"{name}-{number}" for name in "abcd" for number in range(50)}
    ledger.close()


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_many_threads_append_and_ask_at_once(tmp_path: Path, kind: str) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db") if kind == "file" else Ledger.in_memory()

    def work(name: str) -> None:
        for number in range(15):
            ledger.append(refusal(f"{name}-{number}"))
            assert ledger.current_policy_hash() is None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, "abcdefgh"))

    assert len(set(ids(ledger))) == 8 * 15
    ledger.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()

    with pytest.raises(LedgerUnavailable, match="written by a newer version") as caught:
        Ledger.open(path)
    assert "install that version" in str(caught.value.hint)


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("shopping list: eggs, milk, and a good deal more than sixteen bytes of this")
    with pytest.raises(LedgerUnavailable, match=rf"{path} cannot be used: file is not a database"):
        Ledger.open(path)


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerUnavailable, match="cannot be used"):
        Ledger.open(tmp_path / "file" / "ledger.db")


def test_a_closed_ledger_takes_nothing(ledger: Ledger) -> None:
    ledger.close()
    with pytest.raises(LedgerUnavailable, match="has been closed"):
        ledger.append(refusal("r-1"))


def test_the_body_is_the_canonical_record(ledger: Ledger) -> None:
    read = MetricRead(
        metric="orders",
        data_version="v",
        definition_hash="d",
        covers_from=date(2024, 3, 1),
        covers_to=date(2024, 3, 5),
    )
    context = ReadContext(run_id="1", root_run_id="0", step_key="s", call_id="c", purpose="p")
    ledger.append(
        refusal(
            "r-1",
            acting_for="bob",
            context=context,
            reason="stale",
            metrics=(read,),
            touches=Touched(dimensions=("store", "store")),
            details={"ü": 1},
        )
    )
    with sqlite3.connect(str(ledger.path)) as reader:
        [(body, recorded_at)] = reader.execute("SELECT body, recorded_at FROM records").fetchall()
    reader.close()

    written = json.loads(body)
    assert UUID(written.pop("stream")).version == 7
    assert written == {
        "schema": "governed-agents/record/3",
        "at": recorded_at,
        "position": 1,
        "previous": "",
        "record": {
            "id": "r-1",
            "kind": "refusal",
            "reader": "ana",
            "acting_for": "bob",
            "team": None,
            "run_id": "1",
            "root_run_id": "0",
            "step": "s",
            "call": "c",
            "trace": None,
            "span": None,
            "purpose": "p",
            "reason": "stale",
            "metrics": [
                {
                    "metric": "orders",
                    "data_version": "v",
                    "definition_hash": "d",
                    "covers": ["2024-03-01", "2024-03-05"],
                }
            ],
            "touches": {"dimension": ["store"]},
            "details": {"ü": 1},
        },
    }


@pytest.fixture
def history(ledger: Ledger) -> Ledger:
    """Five reads: two allowed, one refused at the door, one refused by the warehouse, one that was never ended."""
    march = {"covers_from": date(2024, 3, 1), "covers_to": date(2024, 3, 5)}
    april = {"covers_from": date(2024, 4, 1), "covers_to": date(2024, 4, 30)}
    orders = MetricRead(metric="orders", data_version="v1", definition_hash="d1", **march)
    revenue = MetricRead(metric="revenue", data_version="v2", definition_hash="d2", **april)
    details = {"query": {"group_by": ["order__status"]}, "snapshot": "v000001"}
    ledger.append(
        intent(
            "both",
            context=ReadContext(run_id="run-2", root_run_id="run-1", purpose="answer"),
            metrics=(orders, revenue),
            details=details | {"versions_as_read": {"orders": "w1"}},
        )
    )
    ledger.append(outcome("both", details={"rows": 3, "notices": ["cut: there are more"]}))
    ledger.append(
        intent("for-bob", acting_for="bob", context=ReadContext(run_id="run-3"), metrics=(revenue,))
    )
    ledger.append(outcome("for-bob", details={"rows": 1, "notices": []}))
    ledger.append(refusal("denied", reader="bob", reason="not_available"))
    ledger.append(intent("slow", metrics=(orders,)))
    ledger.append(outcome("slow", reason="timed_out"))
    ledger.append(intent("killed", metrics=(orders,)))
    return ledger


def test_a_read_is_told_with_all_that_is_known_of_it(history: Ledger) -> None:
    [orders, revenue] = find_reads(history, ReadQuestion(run="run-2"))

    assert orders == Read(
        read_id="both",
        at=orders.at,
        agent="ana",
        acting_for=None,
        team=None,
        run_id="run-2",
        root_run_id="run-1",
        metric="orders",
        data_version="v1",
        version_as_read="w1",
        definition_hash="d1",
        outcome="allowed",
        reason=None,
        covers_from="2024-03-01",
        covers_to="2024-03-05",
        snapshot="v000001",
        group_by=("order__status",),
        rows=3,
        notices=("cut: there are more",),
        purpose="answer",
        why=None,
        ended_at=orders.ended_at,
        seq=orders.seq,
        policy_hash=orders.policy_hash,
        relations=orders.relations,
        query=orders.query,
        restricted_to=(),
    )
    assert orders.query is not None
    assert orders.query["group_by"] == ["order__status"]
    assert (revenue.metric, revenue.version_as_read) == ("revenue", None)
    at = datetime.fromisoformat(orders.at)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


def test_the_newest_read_comes_first(history: Ledger) -> None:
    assert ids(history) == ["killed", "slow", "denied", "for-bob", "both", "both"]


def test_an_outcome_is_allowed_refused_or_open(history: Ledger) -> None:
    told = {
        read.read_id: (read.outcome, read.reason) for read in find_reads(history, ReadQuestion())
    }
    assert told == {
        "both": ("allowed", None),
        "for-bob": ("allowed", None),
        "denied": ("refused", "not_available"),
        "slow": ("refused", "timed_out"),
        "killed": ("open", None),
    }


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (ReadQuestion(metric="revenue"), ["for-bob", "both"]),
        (ReadQuestion(metric="rev"), []),
        (ReadQuestion(reader="ana"), ["killed", "slow", "for-bob", "both", "both"]),
        (ReadQuestion(reader="bob"), ["denied", "for-bob"]),
        (ReadQuestion(without_agent="ana"), ["denied"]),
        (ReadQuestion(run="run-2"), ["both", "both"]),
        (ReadQuestion(run="run-1"), ["both", "both"]),
        (ReadQuestion(run="run-3"), ["for-bob"]),
        (ReadQuestion(outcome="refused"), ["slow", "denied"]),
        (ReadQuestion(covering=date(2024, 3, 1)), ["killed", "slow", "both"]),
        (ReadQuestion(covering=date(2024, 3, 5)), ["killed", "slow", "both"]),
        (ReadQuestion(covering=date(2024, 3, 6)), []),
        (ReadQuestion(covering=date(2024, 4, 9), metric="revenue"), ["for-bob", "both"]),
        (ReadQuestion(reader="ana", outcome="refused", metric="orders"), ["slow"]),
    ],
)
def test_a_question_narrows_the_reads(
    history: Ledger, question: ReadQuestion, found: list[str]
) -> None:
    assert ids(history, question) == found


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5)), timezone(timedelta(hours=-8))])
def test_since_is_included_and_until_is_not_in_any_time_zone(
    history: Ledger, zone: timezone
) -> None:
    stamped = {read.read_id: read.at for read in find_reads(history, ReadQuestion())}
    first = datetime.fromisoformat(stamped["both"]).astimezone(zone)
    after = first + timedelta(milliseconds=1)

    assert "both" in ids(history, ReadQuestion(since=first))
    assert "both" not in ids(history, ReadQuestion(since=after))
    assert "both" in ids(history, ReadQuestion(until=after))
    assert "both" not in ids(history, ReadQuestion(until=first))


def test_a_moment_without_a_time_zone_is_one_of_utc(history: Ledger) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    assert ids(history, ReadQuestion(since=now - timedelta(minutes=1))) == ids(history)
    assert ids(history, ReadQuestion(since=now + timedelta(minutes=1))) == []


def test_the_policy_published_last_is_the_current_one(ledger: Ledger) -> None:
    assert ledger.current_policy_hash() is None
    assert ledger.current_policy_text() is None

    assert ledger.publish_policy("hash-1", "text 1", by="ana", run_id=None)
    assert not ledger.publish_policy("hash-1", "text 1", by="ana", run_id=None)
    assert ledger.publish_policy("hash-2", "text 2", by="bob", run_id="run")
    assert (ledger.current_policy_hash(), ledger.current_policy_text()) == ("hash-2", "text 2")

    assert ledger.publish_policy("hash-1", "text 1", by="ana", run_id=None)
    assert ledger.current_policy_hash() == "hash-1"
    assert ids(ledger) == []


def test_the_registry_keeps_the_newest_definition_of_each_agent(ledger: Ledger) -> None:
    ledger.register_agent("watch", "hash-1", {"model": "one"})
    ledger.register_agent("analyst", "hash-2", {"model": "two"})
    ledger.register_agent("watch", "hash-3", {"model": "three"})

    assert ledger.registered_agents() == {"analyst": {"model": "two"}, "watch": {"model": "three"}}


def test_a_definition_that_changed_is_on_record_once(ledger: Ledger) -> None:
    for hashes, changed in (
        ({"orders": "1", "revenue": "1"}, ("orders", "revenue")),
        ({"orders": "1", "revenue": "1"}, ()),
        ({"orders": "2", "returns": "1"}, ("orders", "returns", "revenue")),
    ):
        assert ledger.record_definitions(hashes, by="snapshot", run_id="run") == changed
    with ledger.reading() as connection:
        newest = newest_content(connection, RecordKind.DEFINITION)
    assert newest is not None
    assert newest["details"]["changed"] == {
        "orders": ["1", "2"],
        "returns": [None, "1"],
        "revenue": ["1", None],
    }
    assert ledger.verify().is_whole


def test_a_masking_key_is_on_record_once_until_another_one_is(ledger: Ledger) -> None:
    for key_id, is_new in (("a", True), ("a", False), ("b", True), ("b", False), ("a", True)):
        assert ledger.record_masking_key(key_id, by="ana", run_id="run") == is_new
    with ledger.reading() as connection:
        newest = newest_content(connection, RecordKind.DEFINITION)
    assert newest is not None
    assert (newest["reason"], newest["reader"]) == ("masking_key", "ana")
    assert newest["details"] == {"before": "b", "masking_key": "a"}
    assert ledger.verify().is_whole
