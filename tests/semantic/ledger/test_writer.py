"""Records are written in the order they come, each after the one before it, and together where several wait."""

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

import semantic.ledger.writer as writer
from semantic.canonical import canonical_json
from semantic.errors import LedgerUnavailable, PolicyNotCurrent
from semantic.ledger import Admission, Ledger, MetricRead, Record, RecordKind
from semantic.ledger.schema import records
from semantic.ledger.tree import leaf_hash
from semantic.ledger.writer import Writer


def refusal(record_id: str) -> Record:
    return Record(
        record_id=record_id, kind=RecordKind.REFUSAL, metrics=(MetricRead(metric="orders"),)
    )


def bodies(ledger: Ledger) -> list[bytes]:
    with ledger.reading() as connection:
        return list(connection.scalars(sa.select(records.c.body).order_by(records.c.seq)))


def test_a_body_is_canonical_and_holds_the_hash_of_the_one_before(ledger: Ledger) -> None:
    for name in ("a", 'with "quotes" \\ and ümlauts'):
        ledger.append(refusal(name))
    first, second = bodies(ledger)

    for body in (first, second):
        assert canonical_json(json.loads(body)) == body
    assert json.loads(first)["previous"] == ""
    assert json.loads(second)["previous"] == leaf_hash(first).hex()
    assert [json.loads(body)["position"] for body in (first, second)] == [1, 2]
    assert json.loads(first)["stream"] == json.loads(second)["stream"]


def test_two_processes_write_two_streams(tmp_path: Path) -> None:
    one, two = Ledger.open(tmp_path / "ledger.db"), Ledger.open(tmp_path / "ledger.db")
    for number in range(3):
        one.append(refusal(f"one {number}"))
        two.append(refusal(f"two {number}"))
    found = [json.loads(body) for body in bodies(one)]
    one.close()
    two.close()

    assert [item["record"]["id"] for item in found[:3]] == ["one 0", "two 0", "one 1"]
    assert [item["position"] for item in found] == [1, 1, 2, 2, 3, 3]
    assert len({item["stream"] for item in found}) == 2


@pytest.mark.parametrize(
    ("waiting", "commits"),
    [(8, [1, 8]), (40, [1, 21, 19])],
    ids=["few in one commit", "many in two halves"],
)
def test_those_who_wait_are_written_together(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, waiting: int, commits: list[int]
) -> None:
    committed: list[int] = []
    inside, go_on = threading.Event(), threading.Event()
    commit = Writer._commit

    def slow(self: Writer, handed_in: list[object]) -> None:
        committed.append(len(handed_in))
        inside.set()
        go_on.wait(60)
        commit(self, handed_in)  # type: ignore[arg-type]

    monkeypatch.setattr(Writer, "_commit", slow)
    with ThreadPoolExecutor(waiting + 1) as pool:
        first = pool.submit(ledger.append, refusal("first"))
        inside.wait(60)
        others = [
            pool.submit(ledger.append, refusal(str(number % (waiting - 2))))
            for number in range(waiting)
        ]
        while len(ledger._writer._queue) < waiting + 1:
            threading.Event().wait(0.001)
        go_on.set()
        assert first.result()
        assert sorted(item.result() for item in others) == [False] * 2 + [True] * (waiting - 2)
    assert committed == commits


def test_who_gives_up_while_it_is_written_for_keeps_nobody_waiting(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those who are done each lets another one go, and not one who is there no more."""
    inside, go_on, gave_up = threading.Event(), threading.Event(), threading.Event()
    commit = Writer._commit

    def slow(self: Writer, handed_in: list[object]) -> None:
        is_first = not inside.is_set()
        inside.set()
        (go_on if is_first else gave_up).wait(60)
        commit(self, handed_in)  # type: ignore[arg-type]

    monkeypatch.setattr(Writer, "_commit", slow)

    def queued(name: str, seconds: float) -> Future[bool]:
        monkeypatch.setattr("semantic.ledger.writer.LOCK_TIMEOUT_SECONDS", seconds)
        before = len(ledger._writer._queue)
        found = pool.submit(ledger.append, refusal(name))
        while len(ledger._writer._queue) == before:
            threading.Event().wait(0.001)
        return found

    with ThreadPoolExecutor(4) as pool:
        first = queued("first", 30)
        inside.wait(60)
        second, impatient, last = queued("a", 30), queued("b", 0.5), queued("c", 30)
        go_on.set()
        with pytest.raises(LedgerUnavailable, match="busy"):
            impatient.result()
        gave_up.set()
        assert [item.result(60) for item in (first, second, last)] == [True] * 3


class InterruptedSignal:
    """A signal at which a thread is interrupted: while it waits for it, or when it is given."""

    def __init__(self, *, is_given: bool) -> None:
        self._is_given = is_given
        self._given = threading.Event()

    def acquire(self, timeout: float) -> bool:
        if self._is_given:
            self._given.wait(timeout)
        raise KeyboardInterrupt

    def release(self) -> None:
        self._given.set()


@pytest.mark.parametrize("is_given", [False, True], ids=["while it waits", "when it is its turn"])
def test_who_is_interrupted_keeps_nobody_waiting(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, is_given: bool
) -> None:
    """A run that is ended is interrupted in the middle of anything, and goes on to record how it ended."""
    inside, go_on = threading.Event(), threading.Event()
    commit, waiting = Writer._commit, writer._Waiting

    def slow(self: Writer, handed_in: list[object]) -> None:
        inside.set()
        go_on.wait(60)
        commit(self, handed_in)  # type: ignore[arg-type]

    def interrupted(**given: object) -> object:
        made = waiting(**given)  # type: ignore[arg-type]
        made.signal = InterruptedSignal(is_given=is_given)  # type: ignore[assignment]
        return made

    monkeypatch.setattr(Writer, "_commit", slow)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(ledger.append, refusal("first"))
        inside.wait(60)
        with monkeypatch.context() as patch:
            patch.setattr(writer, "_Waiting", interrupted)
            second = pool.submit(ledger.append, refusal("second"))
            while not second.done() and len(ledger._writer._queue) < 2:
                threading.Event().wait(0.001)
        third = pool.submit(ledger.append, refusal("third"))
        go_on.set()
        with pytest.raises(KeyboardInterrupt):
            second.result(10)
        assert first.result(10)
        assert third.result(10)
    assert ledger.append(refusal("last"))


def test_a_condition_that_fails_stops_its_own_record_only(ledger: Ledger) -> None:
    ledger.publish_policy("now", "text", by="owner", run_id=None)
    with ThreadPoolExecutor(16) as pool:
        results = [
            pool.submit(
                ledger.append,
                refusal(str(number)),
                Admission(policy_hash=("now", "old")[number % 2]),
            )
            for number in range(40)
        ]
    for number, result in enumerate(results):
        if number % 2:
            with pytest.raises(PolicyNotCurrent):
                result.result()
        else:
            assert result.result()
    assert len(bodies(ledger)) == 21


def test_after_a_failed_commit_another_stream_begins(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.append(refusal("before"))
    other = sa.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    with other.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE reads RENAME TO away")
    with pytest.raises(LedgerUnavailable, match="reads"):
        ledger.append(refusal("lost"))
    with other.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO reads")
    assert ledger.append(refusal("lost"))
    before, after = map(json.loads, bodies(ledger))
    ledger.close()
    other.dispose()

    assert (after["position"], after["previous"]) == (1, "")
    assert after["stream"] != before["stream"]
