"""Readers spend what the policy lets them, and no more, whatever they ask at once or again."""

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.budget_file import plain_budget
from semantic.errors import PolicyError
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadContext, ReadQuestion, RecordKind, find_reads
from semantic.ledger.schema import spending
from semantic.open_snapshot import Fetched
from semantic.policy import Policy, Reader
from semantic.policy_file import parse_policy, policy_text
from semantic.snapshot import SnapshotStore
from tests.conftest import OpenDoor
from tests.faults.skewed import SkewedStore
from tests.semantic.door import (
    ANALYST,
    BOSS,
    POLICY,
    WatchedSnapshot,
    answer,
    refusal,
    snapshot_file,
)


def with_budgets(*budgets: str) -> str:
    return POLICY + "\nbudgets:\n" + "".join(f"  - {{{budget}}}\n" for budget in budgets)


def spent(door: GovernedMetrics, reader: Reader = BOSS) -> list[int]:
    """What is spent of each budget that a read of one metric by this reader is under."""
    return [
        door.ledger.spent(charge.budget)
        for rule in door.policy.budgets
        for charge in rule.charges(reader.names, None, ReadContext(), ["orders"], lambda _: 1)
    ]


def test_a_budget_of_queries_ends_with_a_refusal_that_says_why(open_door: OpenDoor) -> None:
    door = open_door(policy=with_budgets("budget: a day, readers: [boss], within: 1d, queries: 2"))
    answer(door, metrics="orders")
    answer(door, metrics="orders")
    refused = refusal(door, metrics="orders")
    assert refused.reason is Reason.BUDGET_SPENT
    assert refused.message == (
        "The budget 'a day: boss' is 2 queries within 1d: 2 are spent or reserved, and this may take 1"
    )
    assert [read.outcome for read in find_reads(door.ledger, ReadQuestion())] == [
        "refused",
        "allowed",
        "allowed",
    ]
    assert isinstance(answer(door, ANALYST, metrics="orders"), MetricAnswer)


def test_rows_are_reserved_as_many_as_may_come_and_settled_to_those_that_came(
    open_door: OpenDoor,
) -> None:
    door = open_door(policy=with_budgets("budget: rows, readers: ['*'], within: 1h, rows: 100"))
    assert refusal(door, metrics="orders", group_by="order__status").reason is Reason.BUDGET_SPENT
    told = answer(door, metrics="orders", group_by="order__status", limit=90)
    assert spent(door) == [len(told.rows)]
    record = door.ledger.body(told.provenance.read_id, RecordKind.INTENT)
    assert record is not None
    assert record["details"]["reserved"] == {"rows: boss rows 3600": 90}


def test_bytes_are_those_of_the_relations_that_are_scanned(
    open_door: OpenDoor, published: SnapshotStore, tmp_path: Path
) -> None:
    door = open_door(
        policy=with_budgets("budget: scans, readers: ['*'], per: all, within: 1h, bytes: 10000000")
    )
    told = answer(door, metrics="orders")
    copy = shutil.copy(snapshot_file(published, published.current()), tmp_path / "copy.duckdb")
    relations = [relation.partition(".")[2] for relation in told.provenance.relations]
    with duckdb.connect(str(copy), read_only=True) as data:
        blocks = sum(
            data.execute(
                "SELECT count(DISTINCT block_id) FROM pragma_storage_info(?)", [relation]
            ).fetchall()[0][0]
            for relation in relations
        )
    assert spent(door) == [blocks * 262_144]


def test_a_run_and_its_retries_share_a_budget(open_door: OpenDoor) -> None:
    door = open_door(policy=with_budgets("budget: one run, readers: ['*'], per: run, queries: 2"))
    for number in (1, 2, 3):
        context = ReadContext(run_id=f"run {number}", root_run_id="run 1")
        answered = door.query({"metrics": "orders"}, reader=BOSS, context=context)
        assert isinstance(answered, MetricAnswer if number < 3 else Refusal)
    other = ReadContext(run_id="run 4", root_run_id="run 4")
    assert isinstance(door.query({"metrics": "orders"}, reader=BOSS, context=other), MetricAnswer)


def test_a_read_outside_any_run_is_a_run_of_its_own(open_door: OpenDoor) -> None:
    door = open_door(
        policy=with_budgets(
            "budget: one run, readers: ['*'], per: run, within: 1d, rows: 20, queries: 1",
            "budget: no run, readers: ['*'], metrics: [revenue], per: run, bytes: 1000",
        )
    )
    for _ in range(3):
        answer(door, metrics="orders", group_by="order__status", limit=20)
    refused = refusal(door, metrics="orders", group_by="order__status", limit=21)
    assert refused.reason is Reason.BUDGET_SPENT
    assert refused.message == (
        "The budget 'one run: outside any run' is 20 rows: 0 are spent or reserved, and this may take 21"
    )
    assert refused.hint == "ask for less; the owner of the policy can raise it"
    assert "The budget 'no run: outside any run' is 1,000 bytes" in refusal(door, metrics="revenue", limit=1).message  # fmt: skip
    with door.ledger.reading() as connection:
        assert connection.execute(sa.select(spending)).all() == []
    within = ReadContext(run_id="outside any run")
    for kind in (MetricAnswer, Refusal):
        asked = door.query({"metrics": "orders", "limit": 1}, reader=BOSS, context=within)
        assert isinstance(asked, kind)


def test_a_reader_without_a_team_counts_by_itself(open_door: OpenDoor) -> None:
    policy = with_budgets(
        "budget: team, readers: ['*'], per: team, within: 1d, queries: 1"
    ).replace("readers:\n", "readers:\n  boss: {team: analyst_mo}\n", 1)
    door = open_door(policy=policy)
    answer(door, metrics="revenue")
    answer(door, ANALYST, metrics="revenue")
    refused = refusal(door, ANALYST, metrics="revenue")
    assert "The budget 'team: analyst_mo without a team' is 1 queries" in refused.message
    assert "The budget 'team: analyst_mo' is" in refusal(door, metrics="revenue").message


def test_the_same_call_tried_again_is_charged_once(open_door: OpenDoor) -> None:
    door = open_door(policy=with_budgets("budget: one run, readers: ['*'], per: run, queries: 1"))
    context = ReadContext(run_id="run", root_run_id="run")
    with door.session(BOSS, context) as session:
        for _ in range(3):
            assert isinstance(session.query({"metrics": "orders"}, call_id="call"), MetricAnswer)
        assert isinstance(session.query({"metrics": "orders"}, call_id="another"), Refusal)


def test_who_reads_for_another_is_under_the_budgets_of_both(open_door: OpenDoor) -> None:
    door = open_door(
        policy=with_budgets("budget: a day, readers: [analyst_mo], within: 1d, queries: 1")
    )
    answer(door, replace(BOSS, acting_for="analyst_mo"), metrics="orders")
    assert refusal(door, ANALYST, metrics="orders").reason is Reason.BUDGET_SPENT
    answer(door, metrics="orders")


def test_who_reads_for_itself_is_charged_once(open_door: OpenDoor) -> None:
    policy = with_budgets(
        "budget: a day, readers: ['*'], within: 1d, queries: 2",
        "budget: team, readers: ['*'], per: team, within: 1d, queries: 2",
    ).replace("readers:\n", "readers:\n  analyst_mo: {team: head office}\n", 1)
    door = open_door(policy=policy)
    for _ in range(2):
        answer(door, replace(BOSS, acting_for=BOSS.name), metrics="orders")
    assert spent(door) == [2, 2]
    assert refusal(door, metrics="orders").reason is Reason.BUDGET_SPENT


def test_budgets_whose_names_meet_are_charged_once(open_door: OpenDoor) -> None:
    door = open_door(
        policy=with_budgets(
            "budget: a day, readers: ['*'], within: 1d, queries: 2",
            "budget: 'a day: boss', readers: ['*'], per: all, within: 1d, queries: 9",
        )
    )
    answer(door, metrics="orders")
    answer(door, metrics="orders")
    assert spent(door) == [2, 2]
    assert refusal(door, metrics="orders").reason is Reason.BUDGET_SPENT


def test_a_metric_and_a_team_have_budgets_of_their_own(open_door: OpenDoor) -> None:
    policy = with_budgets(
        "budget: dear metric, readers: ['*'], metrics: [orders], per: metric, within: 1d, queries: 1",
        "budget: team, readers: ['*'], per: team, within: 1d, queries: 2",
    ).replace("readers:\n", "readers:\n  boss: {team: head office}\n", 1)
    door = open_door(policy=policy)
    answer(door, metrics="orders")
    assert "dear metric: orders" in refusal(door, ANALYST, metrics="orders").message
    answer(door, metrics="revenue")
    assert "team: head office" in refusal(door, metrics="revenue").message
    answer(door, ANALYST, metrics="revenue")


def test_what_is_asked_at_once_does_not_overspend(open_door: OpenDoor) -> None:
    door = open_door(policy=with_budgets("budget: a day, readers: ['*'], within: 1d, queries: 7"))
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: door.query({"metrics": "orders"}, reader=BOSS), range(24)))
    assert sum(isinstance(item, MetricAnswer) for item in found) == 7
    assert spent(door) == [7]


class BrokenSnapshot(WatchedSnapshot):
    """Data that does not answer while it has a `failure`."""

    failure: type[duckdb.Error] | None = None

    def execute(self, sql: str, parameters: object, limit: int) -> Fetched:
        found = super().execute(sql, parameters, limit)  # type: ignore[arg-type]
        if self.failure is not None:
            raise self.failure("it does not answer")
        return found

    def bytes_of(self, relations: Iterable[str]) -> int:
        if self.failure is not None:
            raise self.failure("it does not answer")
        return super().bytes_of(relations)


@pytest.fixture
def data(published: SnapshotStore) -> Iterator[BrokenSnapshot]:
    opened = BrokenSnapshot(snapshot_file(published, published.current()))
    yield opened
    opened.close()


BREAKER = POLICY + "\nbreaker: {failures: 3, seconds: 60}\n"
THREE_TIMES = ["query_failed"] * 3


def ask(door: GovernedMetrics, data: BrokenSnapshot, metric: str) -> str:
    with door.session(BOSS, data=data) as session:
        answered = session.query({"metrics": metric})
    return answered.reason.value if isinstance(answered, Refusal) else "answered"


def test_a_metric_that_fails_again_and_again_is_left_alone(
    open_door: OpenDoor, data: BrokenSnapshot
) -> None:
    door = open_door(policy=BREAKER)
    data.failure = duckdb.OutOfRangeException
    assert [ask(door, data, "orders") for _ in range(4)] == [*THREE_TIMES, "source_unavailable"]
    data.failure = None
    asked = len(data.executed)
    assert ask(door, data, "orders") == "source_unavailable"
    assert len(data.executed) == asked, "the data is not asked"
    assert ask(door, data, "revenue") == "answered"


def test_a_warehouse_that_fails_is_left_alone_with_all_its_metrics(
    open_door: OpenDoor, data: BrokenSnapshot, tmp_path: Path
) -> None:
    store = SkewedStore(tmp_path / "ledger.db")
    door = open_door(policy=BREAKER, ledger=Ledger(store, keys=tmp_path))
    data.failure = duckdb.IOException
    failed = [ask(door, data, metric) for metric in ("orders", "revenue", "orders")]
    assert failed == THREE_TIMES
    refused = door.query({"metrics": "returned_orders"}, reader=BOSS)
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.SOURCE_UNAVAILABLE
    assert refused.message.startswith("warehouse shop failed 3 times in a row, and is left alone ")

    store.skew = timedelta(seconds=61)
    assert ask(door, data, "orders") == "query_failed", "one tries"
    assert ask(door, data, "orders") == "source_unavailable"
    data.failure = None
    store.skew = timedelta(seconds=122)
    assert ask(door, data, "revenue") == "answered", "and closes it for all"
    assert ask(door, data, "returned_orders") == "answered"
    door.ledger.close()


def test_data_that_does_not_tell_its_size_is_a_refusal_on_record(
    open_door: OpenDoor, data: BrokenSnapshot
) -> None:
    door = open_door(
        policy=with_budgets("budget: scans, readers: ['*'], per: all, within: 1h, bytes: 10000000")
    )
    data.failure = duckdb.IOException
    assert ask(door, data, "orders") == "query_failed"
    [read] = find_reads(door.ledger, ReadQuestion())
    assert (read.outcome, read.reason) == ("refused", "query_failed")
    assert spent(door) == [0]


@pytest.mark.parametrize(
    "failure",
    [
        duckdb.ConversionException,
        duckdb.OutOfRangeException,
        duckdb.InterruptException,
        duckdb.OutOfMemoryException,
    ],
)
def test_what_may_be_a_querys_own_fault_is_none_of_the_warehouse(
    open_door: OpenDoor, data: BrokenSnapshot, failure: type[duckdb.Error]
) -> None:
    door = open_door(policy=BREAKER)
    data.failure = failure
    for metric in ("orders", "revenue", "returned_orders", "orders", "revenue"):
        assert ask(door, data, metric) != "source_unavailable"


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("budget: b, readers: ['*']", "a budget limits queries, rows, bytes, tokens or dollars"),
        (
            "budget: b, readers: ['*'], metrics: [orders], within: 1d, tokens: 5",
            "tokens and dollars are of chat models",
        ),
        ("budget: b, readers: ['*'], per: metric, within: 1d, dollars: 5", "of chat models"),
        ("budget: b, readers: ['*'], within: 1d, dollars: 0.0000001", "decimal places"),
        ("budget: b, readers: ['*'], queries: 1", "says within what time: `within: 1d`"),
        ("budget: b, readers: ['*'], queries: 1, within: 1w", "a window is like 30s, 5m, 2h or 1d"),
        ("budget: b, readers: ['*'], queries: 1, within: 0d", "a window is like 30s, 5m, 2h or 1d"),
        ("budget: b, readers: ['*'], queries: 1.5, within: 1d", "valid integer"),
        ("budget: b, readers: ['*'], queries: 1, money: 9, within: 1d", "money"),
        ("budget: b, readers: ['*'], queries: -1, within: 1d", "greater than or equal to 0"),
        ("budget: b, readers: [], queries: 1, within: 1d", "at least 1"),
        ("budget: b, readers: ['*'], querys: 1, within: 1d", "querys"),
        ("budget: b, readers: ['*'], per: week, queries: 1, within: 1d", "'reader', 'team', 'run'"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(budget: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parse_policy(with_budgets(budget))


def test_two_budgets_of_one_name_are_refused() -> None:
    budget = "budget: b, readers: ['*'], queries: 1, within: 1d"
    with pytest.raises(PolicyError, match="two budgets have the name 'b'"):
        parse_policy(with_budgets(budget, budget))


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("budget: b, readers: ['*'], metrics: [ordrs], queries: 1, within: 1d", "'orders'"),
        ("budget: b, readers: ['*'], per: team, queries: 1, within: 1d", "no reader has the attr"),
    ],
)
def test_a_budget_of_what_does_not_exist_is_refused(
    open_door: OpenDoor, budget: str, message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        open_door(policy=with_budgets(budget))


def test_what_is_published_is_read_back_as_it_was() -> None:
    policy: Policy = parse_policy(
        with_budgets(
            "budget: b, readers: ['*'], per: run, queries: 3, rows: 10",
            "budget: a, readers: [x], metrics: [orders], within: 90s, bytes: 5",
            "budget: c, readers: [x], within: 1d, tokens: 7, dollars: 2.5",
        )
        + "breaker: {failures: 2, seconds: 9}\n"
    )
    again = parse_policy(policy_text(policy))
    assert (again.hash, again.breaker) == (policy.hash, policy.breaker)
    assert sorted(again.budgets, key=lambda rule: rule.name) == sorted(
        policy.budgets, key=lambda rule: rule.name
    )
    assert plain_budget(policy.budgets[0])["rows"] == 10
    assert plain_budget(policy.budgets[2])["dollars"] == "2.5"
    assert policy.hash != parse_policy(POLICY).hash
