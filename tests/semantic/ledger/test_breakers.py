"""What fails again and again is left alone, by everybody, until it answers."""

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
    uuid7,
)
from semantic.ledger.transaction import Transaction
from tests.faults.skewed import SkewedStore
from tests.semantic.ledger.conftest import OpenLedger

SOURCE = ("metric orders",)
LONG = BreakerSettings(failures=3, seconds=3600)
NEVER = BreakerSettings(failures=1_000_000)
# Opens at the third failure, and lets everybody try at once.
AT_ONCE = BreakerSettings(failures=3, seconds=-60)


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


@dataclass(frozen=True)
class InThisOrder:
    """Terms of a record with which two sources fail: the second one when another record has come as far, or after a while."""

    names: tuple[str, str]
    both: threading.Barrier
    claims = ()

    def before(self, transaction: Transaction, record: Record) -> None:
        pass

    def after(self, transaction: Transaction, record: Record) -> None:
        for name in self.names:
            transaction.breakers.failed([name], NEVER)
            with suppress(threading.BrokenBarrierError):
                self.both.wait(3)


def test_commits_that_find_the_same_failures_in_another_order_do_not_wait_for_each_other(
    open_ledger: OpenLedger,
) -> None:
    both, ledgers = threading.Barrier(2), (open_ledger(), open_ledger())

    def fail_in_order(ledger: Ledger, *names: str) -> bool:
        record = Record(record_id=str(uuid7()), kind=RecordKind.OUTCOME)
        return ledger.append(record, InThisOrder(names, both))  # type: ignore[arg-type]

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(fail_in_order, ledgers[0], "metric a", "metric b")
        two = pool.submit(fail_in_order, ledgers[1], "metric b", "metric a")
        assert one.result()
        assert two.result()


def test_sources_that_fail_and_answer_at_once_keep_nobody_from_the_record(
    open_ledger: OpenLedger,
) -> None:
    """Each commit changes several breakers and budgets, and no two commits the same ones."""
    ledgers = open_ledger(), open_ledger()

    def ask(number: int) -> None:
        chosen, ledger = random.Random(number), ledgers[number % 2]
        for _ in range(10):
            sources, read_id = (f"metric {chosen.choice('abcdef')}", "warehouse w"), str(uuid7())
            budget = Budget(name=chosen.choice("abcdef"), unit=Unit.QUERIES, limit=10_000)
            charges = (Charge(budget=budget, most=1),) if chosen.random() < 0.2 else ()
            began = Record(record_id=read_id, kind=RecordKind.INTENT)
            with suppress(SourceUnavailable):
                ledger.append(began, Admission(charges=charges, sources=sources, breaker=AT_ONCE))
            fails = chosen.random() < 0.7
            terms = Settlement(
                charges=charges,
                failed=sources if fails else (),
                answered=() if fails else sources,
                breaker=AT_ONCE,
            )
            ledger.append(Record(record_id=read_id, kind=RecordKind.OUTCOME), terms)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(ask, range(12)))
    assert ledgers[0].verify().is_whole
