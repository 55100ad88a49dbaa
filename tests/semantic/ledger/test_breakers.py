"""What fails again and again is left alone, by everybody, until it answers."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

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
from tests.faults.skewed import SkewedStore
from tests.semantic.ledger.conftest import OpenLedger

SOURCE = ("metric orders",)
LONG = BreakerSettings(failures=3, seconds=3600)


def begin(ledger: Ledger, read_id: str, **terms: object) -> bool:
    record = Record(
        record_id=read_id, kind=RecordKind.INTENT, metrics=(MetricRead(metric="orders"),)
    )
    return ledger.append(record, Admission(sources=SOURCE, breaker=LONG, **terms))  # type: ignore[arg-type]


def end(ledger: Ledger, read_id: str, *, answered: bool | None) -> None:
    record = Record(record_id=read_id, kind=RecordKind.OUTCOME)
    terms = Settlement(
        answered=SOURCE if answered is True else (),
        failed=SOURCE if answered is False else (),
        breaker=LONG,
    )
    ledger.append(record, terms)


def fail(ledger: Ledger, *read_ids: str) -> None:
    for read_id in read_ids:
        begin(ledger, read_id)
        end(ledger, read_id, answered=False)


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


@dataclass(frozen=True)
class Several:
    """A ledger that was opened several times, and the clock of all of them."""

    ledgers: Sequence[Ledger]
    stores: Sequence[SkewedStore]

    def wait(self) -> None:
        """Until a breaker lets somebody try."""
        for store in self.stores:
            store.skew += timedelta(seconds=LONG.seconds + 1)


@pytest.fixture
def several(place: Path | str) -> Iterator[Several]:
    stores = [SkewedStore(place) for _ in range(4)]
    opened = Several([Ledger(store) for store in stores], stores)
    yield opened
    for ledger in opened.ledgers:
        ledger.close()


def test_then_one_tries_again_and_closes_it_or_opens_it_again(several: Several) -> None:
    one, two = several.ledgers[:2]
    fail(one, "a", "b", "c")
    several.wait()
    assert begin(one, "d"), "it is half open, and this one tries"
    with pytest.raises(SourceUnavailable):
        begin(two, "e")
    end(one, "d", answered=False)
    with pytest.raises(SourceUnavailable):
        begin(two, "f")
    several.wait()
    assert begin(two, "g")
    end(two, "g", answered=True)
    assert begin(one, "h")
    assert begin(one, "i")


def test_of_many_who_would_try_one_does(several: Several) -> None:
    fail(several.ledgers[0], "a", "b", "c")
    several.wait()

    def ask(number: int) -> bool:
        try:
            return begin(several.ledgers[number % 4], str(number))
        except SourceUnavailable:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(16))) == 1


def test_who_is_refused_for_another_reason_has_not_tried(several: Several) -> None:
    ledger = several.ledgers[0]
    fail(ledger, "a", "b", "c")
    several.wait()
    spent = Budget(name="nothing", unit=Unit.QUERIES, limit=0)
    with pytest.raises(BudgetSpent):
        begin(ledger, "d", charges=(Charge(budget=spent, most=1),))
    assert begin(ledger, "e")
