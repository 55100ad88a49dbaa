"""A budget is never overspent, and what is not spent comes back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantic.errors import BudgetSpent
from semantic.ledger import (
    Admission,
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
from semantic.ledger.schema import reservations, spending
from tests.faults.skewed import SkewedStore
from tests.semantic.ledger.conftest import OpenLedger

ROWS = Budget(name="reader ana", unit=Unit.ROWS, limit=100, seconds=3600)
QUERIES = Budget(name="run 1", unit=Unit.QUERIES, limit=3)
TOKENS = Budget(name="run 1", unit=Unit.TOKENS, limit=1_000)


def begin(ledger: Ledger, read_id: str, *charges: Charge, lease: int = 900) -> bool:
    record = Record(
        record_id=read_id,
        kind=RecordKind.INTENT,
        reader="ana",
        metrics=(MetricRead(metric="orders"),),
    )
    return ledger.append(record, Admission(charges=charges, lease_seconds=lease))


def end(ledger: Ledger, read_id: str, *charges: Charge, spent: dict[Unit, int]) -> bool:
    record = Record(record_id=read_id, kind=RecordKind.OUTCOME, reader="ana", details={"rows": 1})
    return ledger.append(record, Settlement(charges=charges, spent=spent))


def slices(ledger: Ledger) -> int:
    with ledger.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(spending)).scalar_one()


def reserved(ledger: Ledger) -> int:
    with ledger.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(reservations)).scalar_one()


def test_the_worst_case_is_reserved_and_settled_to_what_it_took(open_ledger: OpenLedger) -> None:
    one, two = open_ledger(), open_ledger()
    charge = Charge(budget=ROWS, most=60)
    begin(one, "a", charge)
    assert two.spent(ROWS) == 60
    with pytest.raises(BudgetSpent) as refused:
        begin(two, "b", charge)
    assert refused.value.message == (
        "The budget 'reader ana' is 100 rows within 1h: 60 are spent or reserved, and this may take 60"
    )
    end(one, "a", charge, spent={Unit.ROWS: 7})
    assert two.spent(ROWS) == 7
    begin(two, "b", charge)
    assert two.spent(ROWS) == 67
    assert [read.read_id for read in find_reads(two, ReadQuestion())] == ["b", "a"]


def test_of_several_budgets_all_are_charged_or_none(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    begin(ledger, "a", Charge(budget=ROWS, most=90), Charge(budget=QUERIES, most=1))
    with pytest.raises(BudgetSpent, match="reader ana"):
        begin(ledger, "b", Charge(budget=QUERIES, most=1), Charge(budget=ROWS, most=90))
    with pytest.raises(BudgetSpent, match="run 1"):
        begin(ledger, "c", Charge(budget=QUERIES, most=9), Charge(budget=ROWS, most=1))
    assert (ledger.spent(QUERIES), ledger.spent(ROWS)) == (1, 90)
    assert reserved(ledger) == 2


def test_a_retry_is_charged_once(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    for _ in range(5):
        begin(ledger, "a", Charge(budget=QUERIES, most=1))
    assert ledger.spent(QUERIES) == 1
    for _ in range(5):
        end(ledger, "a", Charge(budget=QUERIES, most=1), spent={Unit.QUERIES: 1})
    assert ledger.spent(QUERIES) == 1


def test_budgets_that_count_the_same_are_charged_once_and_held_to_the_lowest(
    open_ledger: OpenLedger,
) -> None:
    ledger = open_ledger()
    both = Charge(budget=ROWS, most=60), Charge(budget=replace(ROWS, limit=70), most=50)
    begin(ledger, "a", *both)
    assert ledger.spent(ROWS) == 60
    with pytest.raises(BudgetSpent, match="is 70 rows within 1h: 60 are spent"):
        begin(ledger, "b", Charge(budget=ROWS, most=20), *both[1:])
    end(ledger, "a", *both, spent={Unit.ROWS: 7})
    assert ledger.spent(ROWS) == 7


def test_what_took_more_than_was_reserved_counts_in_full(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    charge = Charge(budget=TOKENS, most=10)
    begin(ledger, "a", charge)
    end(ledger, "a", charge, spent={Unit.TOKENS: 1_200})
    assert ledger.spent(TOKENS) == 1_200
    with pytest.raises(BudgetSpent):
        begin(ledger, "b", Charge(budget=TOKENS, most=1))


def test_what_is_older_than_the_window_is_free_again(place: Path | str) -> None:
    store = SkewedStore(place)
    ledger = Ledger(store)
    budget = Budget(name="reader ana", unit=Unit.QUERIES, limit=2, seconds=3600)
    begin(ledger, "a", Charge(budget=budget, most=2))
    with pytest.raises(BudgetSpent):
        begin(ledger, "b", Charge(budget=budget, most=1))
    store.skew = timedelta(hours=2)
    assert ledger.spent(budget) == 0
    assert begin(ledger, "c", Charge(budget=budget, most=2))
    ledger.close()


def test_a_read_whose_process_died_is_closed_and_its_rows_come_back(
    open_ledger: OpenLedger,
) -> None:
    ledger = open_ledger()
    charges = (
        Charge(budget=ROWS, most=60),
        Charge(budget=QUERIES, most=1),
        Charge(budget=TOKENS, most=400),
    )
    begin(ledger, "dead", *charges)
    assert ledger.sweep(older_than=60) == ()
    assert ledger.sweep(older_than=-1) == ("dead",)
    assert ledger.sweep(older_than=-1) == ()
    [read] = find_reads(ledger, ReadQuestion())
    assert (read.outcome, read.reason) == ("indeterminate", "indeterminate")
    assert (ledger.spent(ROWS), ledger.spent(QUERIES), ledger.spent(TOKENS)) == (0, 1, 400)

    assert not end(ledger, "dead", *charges, spent={Unit.ROWS: 50}), "it comes back too late"
    assert ledger.spent(ROWS) == 0
    assert reserved(ledger) == 0
    assert ledger.verify().is_whole


def test_a_reservation_that_ran_out_is_swept_before_the_age_of_others(
    open_ledger: OpenLedger,
) -> None:
    ledger = open_ledger()
    begin(ledger, "short", Charge(budget=ROWS, most=60), lease=-1)
    begin(ledger, "long", Charge(budget=ROWS, most=10))
    assert ledger.sweep() == ("short",)
    assert ledger.spent(ROWS) == 10


def test_a_reservation_that_ran_out_keeps_nobody_from_spending(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    begin(ledger, "dead", Charge(budget=ROWS, most=100), lease=-1)
    with pytest.raises(BudgetSpent, match="0 are spent or reserved, and this may take 101"):
        begin(ledger, "too much", Charge(budget=ROWS, most=101))
    begin(ledger, "dead again", Charge(budget=ROWS, most=100), lease=-1)
    assert begin(open_ledger(), "next", Charge(budget=ROWS, most=60))
    assert ledger.spent(ROWS) == 60
    with pytest.raises(BudgetSpent, match="60 are spent or reserved"):
        begin(ledger, "another", Charge(budget=ROWS, most=60))
    assert [(read.read_id, read.outcome) for read in find_reads(ledger, ReadQuestion())] == [
        ("next", "open"),
        ("dead again", "indeterminate"),
        ("dead", "indeterminate"),
    ]
    assert ledger.verify().is_whole


@pytest.mark.parametrize("seconds", [90, 3600, 86_400])
def test_what_no_budget_counts_any_more_is_removed_and_nothing_else(
    place: Path | str, seconds: int
) -> None:
    store = SkewedStore(place)
    ledger = Ledger(store)
    budget = Budget(name="team", unit=Unit.QUERIES, limit=1_000, seconds=seconds)
    most_rows = 0
    for step in range(60):
        store.skew = timedelta(days=step // 4, seconds=step % 4 * seconds / 7)
        begin(ledger, str(step), Charge(budget=budget, most=5))
        end(ledger, str(step), Charge(budget=budget, most=5), spent={Unit.QUERIES: step % 4})
        before = ledger.spent(budget)
        ledger.sweep()
        assert ledger.spent(budget) == before
        most_rows = max(most_rows, slices(ledger))
    assert most_rows <= 12, "those of two days, or three"
    store.skew += timedelta(seconds=2 * seconds, days=1)
    assert ledger.sweep() == ()
    assert slices(ledger) == 0
    begin(ledger, "after", Charge(budget=budget, most=1_000))
    with pytest.raises(BudgetSpent):
        begin(ledger, "too much", Charge(budget=budget, most=1))
    ledger.close()


def test_a_clock_that_was_ahead_for_a_while_lets_nobody_spend_twice(place: Path | str) -> None:
    store = SkewedStore(place)
    ledger = Ledger(store)
    budget = Budget(name="team", unit=Unit.QUERIES, limit=3, seconds=3600)
    begin(ledger, "a", Charge(budget=budget, most=3), lease=10**6)
    store.skew = timedelta(hours=24)
    ledger.sweep(older_than=10**6)
    store.skew = timedelta()
    with pytest.raises(BudgetSpent):
        begin(ledger, "b", Charge(budget=budget, most=1))
    ledger.close()


def test_what_a_run_spent_counts_for_a_year_after_it_spent_last(place: Path | str) -> None:
    store = SkewedStore(place)
    ledger = Ledger(store)
    for days in (0, 300, 600):
        store.skew = timedelta(days=days)
        begin(ledger, str(days), Charge(budget=QUERIES, most=1))
        end(ledger, str(days), Charge(budget=QUERIES, most=1), spent={Unit.QUERIES: 1})
        ledger.sweep()
    with pytest.raises(BudgetSpent):
        begin(ledger, "fourth", Charge(budget=QUERIES, most=1))
    store.skew = timedelta(days=967)
    ledger.sweep()
    assert slices(ledger) == 0
    ledger.close()


def test_threads_that_share_a_commit_share_a_budget(open_ledger: OpenLedger) -> None:
    ledger = open_ledger()
    budget = Budget(name="team", unit=Unit.QUERIES, limit=20, seconds=3600)

    def ask(number: int) -> bool:
        try:
            return begin(ledger, str(number), Charge(budget=budget, most=1))
        except BudgetSpent:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(64))) == 20
    assert ledger.spent(budget) == 20
    assert len(list(find_reads(ledger, ReadQuestion()))) == 20
