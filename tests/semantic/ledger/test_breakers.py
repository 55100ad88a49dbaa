"""What fails again and again is left alone, by everybody, until it answers."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from semantic.errors import BudgetSpent, SourceUnavailable
from semantic.ledger import (
    Admission,
    BreakerSettings,
    Budget,
    Charge,
    Ledger,
    MetricRead,
    Record,
    RecordKind,
    Settlement,
    Unit,
)
from tests.semantic.ledger.conftest import OpenLedger

SOURCE = ("metric orders",)
LONG = BreakerSettings(failures=3, seconds=3600)
SHORT = BreakerSettings(failures=3, seconds=0.4)


def begin(ledger: Ledger, read_id: str, settings: BreakerSettings = LONG, **terms: object) -> bool:
    record = Record(
        record_id=read_id, kind=RecordKind.INTENT, metrics=(MetricRead(metric="orders"),)
    )
    return ledger.append(record, Admission(sources=SOURCE, breaker=settings, **terms))  # type: ignore[arg-type]


def end(
    ledger: Ledger, read_id: str, settings: BreakerSettings = LONG, *, answered: bool | None
) -> None:
    record = Record(record_id=read_id, kind=RecordKind.OUTCOME)
    terms = Settlement(
        answered=SOURCE if answered is True else (),
        failed=SOURCE if answered is False else (),
        breaker=settings,
    )
    ledger.append(record, terms)


def fail(ledger: Ledger, *read_ids: str, settings: BreakerSettings = LONG) -> None:
    for read_id in read_ids:
        begin(ledger, read_id, settings)
        end(ledger, read_id, settings, answered=False)


def test_after_so_many_failures_in_a_row_nobody_asks_it(open_ledger: OpenLedger) -> None:
    one, two = open_ledger(), open_ledger()
    fail(one, "a", "b", "c")
    with pytest.raises(SourceUnavailable, match="metric orders failed 3 times in a row"):
        begin(two, "d")
    other = Record(record_id="e", kind=RecordKind.INTENT)
    assert two.append(other, Admission(sources=("metric revenue",)))


def test_an_answer_in_between_counts_from_the_beginning(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    fail(ledger, "a", "b")
    begin(ledger, "c")
    end(ledger, "c", answered=True)
    fail(ledger, "d", "e")
    assert begin(ledger, "f")


def test_an_end_that_says_nothing_of_the_source_counts_neither_way(
    open_ledger: OpenLedger,
) -> None:
    ledger = open_ledger()
    fail(ledger, "a", "b")
    begin(ledger, "c")
    end(ledger, "c", answered=None)
    fail(ledger, "d")
    with pytest.raises(SourceUnavailable):
        begin(ledger, "e")


def test_then_one_tries_again_and_closes_it_or_opens_it_again(open_ledger: OpenLedger) -> None:
    one, two = open_ledger(), open_ledger()
    fail(one, "a", "b", "c", settings=SHORT)
    time.sleep(0.5)
    assert begin(one, "d", SHORT), "it is half open, and this one tries"
    with pytest.raises(SourceUnavailable):
        begin(two, "e", SHORT)
    end(one, "d", SHORT, answered=False)
    with pytest.raises(SourceUnavailable):
        begin(two, "f", SHORT)
    time.sleep(0.5)
    assert begin(two, "g", SHORT)
    end(two, "g", SHORT, answered=True)
    assert begin(one, "h", SHORT)
    assert begin(one, "i", SHORT)


def test_of_many_who_would_try_one_does(open_ledger: OpenLedger) -> None:
    ledgers = [open_ledger() for _ in range(4)]
    settings = BreakerSettings(failures=3, seconds=2)
    fail(ledgers[0], "a", "b", "c", settings=settings)
    time.sleep(2.1)

    def ask(number: int) -> bool:
        try:
            return begin(ledgers[number % 4], str(number), settings)
        except SourceUnavailable:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(16))) == 1


def test_who_is_refused_for_another_reason_has_not_tried(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    fail(ledger, "a", "b", "c", settings=SHORT)
    time.sleep(0.5)
    spent = Budget(name="nothing", unit=Unit.QUERIES, limit=0)
    with pytest.raises(BudgetSpent):
        begin(ledger, "d", SHORT, charges=(Charge(budget=spent, most=1),))
    assert begin(ledger, "e", SHORT)
