"""What calls of runs came to is kept beside the record: for the same run, and until it is erased or its month deleted."""

import json
from pathlib import Path

import pytest

from semantic.ledger import (
    JournalEntry,
    JournalPlace,
    Ledger,
    Record,
    RecordKind,
    Settlement,
)
from semantic.ledger.journal import forget_calls_before
from tests.semantic.ledger.conftest import OpenLedger

HERE = JournalPlace(root_run_id="root", step="agents__ana")


def entry(call: str, value: object = None, *, attempt: int = 1, run: str = "run") -> JournalEntry:
    body = json.dumps(value).encode()
    return JournalEntry(attempt=attempt, call=call, run_id=run, fingerprint="f", body=body)


def calls(ledger: Ledger, place: JournalPlace = HERE) -> list[str]:
    return sorted(item.call for item in ledger.journal(place))


@pytest.fixture
def ledger(open_ledger: OpenLedger) -> Ledger:
    return open_ledger()


def test_another_process_finds_what_was_kept(open_ledger: OpenLedger) -> None:
    one, two = open_ledger(), open_ledger()
    assert one.journal(HERE) == []
    one.keep(HERE, entry("model 001", {"said": "müller"}))
    one.keep(HERE, entry("read 001 a", [1.5, None]))
    assert two.journal(HERE) == [
        entry("model 001", {"said": "müller"}),
        entry("read 001 a", [1.5, None]),
    ]


@pytest.mark.parametrize(
    "other",
    [
        JournalPlace(root_run_id="other", step="agents__ana"),
        JournalPlace(root_run_id="root", step="agents__bob"),
        JournalPlace(root_run_id="root", step="agents__ana", partition="2024-03-01"),
    ],
    ids=lambda place: f"{place.root_run_id} {place.step} {place.partition}",
)
def test_places_do_not_see_each_other(ledger: Ledger, other: JournalPlace) -> None:
    ledger.keep(HERE, entry("model 001", "ours"))
    ledger.keep(other, entry("model 001", "theirs"))
    assert ledger.journal(HERE) == [entry("model 001", "ours")]
    assert ledger.journal(other) == [entry("model 001", "theirs")]


def test_the_newest_attempt_is_found(ledger: Ledger) -> None:
    ledger.keep(HERE, entry("model 001", "first"))
    ledger.keep(HERE, entry("model 002", "first"))
    ledger.keep(HERE, entry("model 001", "second", attempt=2))
    assert ledger.journal(HERE) == [entry("model 001", "second", attempt=2)]


def test_what_was_kept_first_stays(ledger: Ledger) -> None:
    ledger.keep(HERE, entry("model 001", "first"))
    ledger.keep(HERE, entry("model 001", "second"))
    assert ledger.journal(HERE) == [entry("model 001", "first")]


def test_a_call_is_kept_with_its_record_or_not_at_all(ledger: Ledger) -> None:
    record = Record(record_id="call", kind=RecordKind.MODEL_CALL)
    terms = Settlement(kept=(HERE, entry("model 001", "answer")))
    assert ledger.append(record, terms)
    assert calls(ledger) == ["model 001"]

    again = Settlement(kept=(HERE, entry("model 002", "answer")))
    assert not ledger.append(record, again)
    assert calls(ledger) == ["model 001"], "a record that is there changes nothing"


def test_what_holds_a_text_is_erased_and_the_rest_is_kept(ledger: Ledger) -> None:
    nested = json.dumps({"filters": [{"values": ["Zoë MÜLLER"]}]})  # with its letters escaped
    ledger.keep(HERE, entry("model 001", {"parts": [{"args": nested}]}))
    ledger.keep(HERE, entry("read 001 a", {"rows": [["Zoe\u0308 Müller", 3]]}))
    ledger.keep(HERE, entry("read 001 b", {"rows": [["Bob", 4_711_815]]}))
    ledger.keep(HERE, entry("model 002", {"said": "nothing of anybody"}))
    erased = ledger.erase("zoë müller", by="data protection", reason="asked")
    assert (erased.values, erased.records, erased.calls) == (0, 0, 2)
    assert calls(ledger) == ["model 002", "read 001 b"]
    assert ledger.erase("4711815", by="data protection", reason="asked").calls == 1
    assert calls(ledger) == ["model 002"]
    assert ledger.verify().is_whole


def test_what_ended_before_a_moment_is_forgotten(ledger: Ledger) -> None:
    ledger.keep(HERE, entry("model 001"))
    with ledger.transaction() as transaction:
        forget_calls_before(transaction.connection, "2020-01-01")
    assert calls(ledger) == ["model 001"]
    with ledger.transaction() as transaction:
        forget_calls_before(transaction.connection, "9999-01-01")
    assert calls(ledger) == []


def test_no_copy_of_an_erased_call_is_left_in_the_files(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.db"
    ledger = Ledger.open(path)
    for number in range(200):
        ledger.keep(HERE, entry(f"model {number:03}", {"said": f"<person {number % 7}> " * 40}))
    assert ledger.erase("<person 3>", by="data protection", reason="asked").calls == 29
    held = [file.name for file in path.parent.iterdir() if b"<person 3>" in file.read_bytes()]
    assert held == []
    assert len(calls(ledger)) == 171
    ledger.close()
