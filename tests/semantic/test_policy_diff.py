"""What another policy would decide on the queries that were really asked."""

from datetime import UTC, datetime, timedelta

import pytest

from semantic.budget_diff import limit_changes
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import AskedQuery, Ledger, asked_queries
from semantic.policy import Reader
from semantic.policy_diff import Judge, PolicyChange, policy_changes
from semantic.policy_file import parse_policy
from semantic.query import MetricQuery
from tests.conftest import OpenDoor
from tests.semantic.door import POLICY

LATELY = datetime.now(UTC) - timedelta(days=1)
NO_MONEY = POLICY + "  - {forbid: no money, readers: ['analyst_*'], metrics: [revenue]}\n"
QUERIES = (
    ("analyst_mo", {"metrics": "orders"}),
    ("analyst_mo", {"metrics": ["orders", "revenue"], "group_by": "order__status"}),
    ("analyst_mo", {"metrics": ["orders", "revenue"], "group_by": "order__status"}),
    ("analyst_mo", {"metrics": "customers"}),
    ("north", {"metrics": "orders", "filters": {"dimension": "customer", "values": 1.5}}),
    ("north", {"metrics": "orders", "time_range": "last 2 days", "order_by": "-orders"}),
    (
        "north",
        {
            "metrics": "orders",
            "time_range": {"start": "2024-03-01", "end": "2024-03-02"},
            "limit": 3,
        },
    ),
    (
        "boss",
        {
            "metrics": "orders",
            "filters": {
                "any_of": [
                    {"dimension": "order__status", "values": "paid"},
                    {"metric": "orders", "by": "customer", "operator": ">", "values": 1},
                ]
            },
        },
    ),
)


@pytest.fixture
def door(open_door: OpenDoor) -> GovernedMetrics:
    return open_door()


@pytest.fixture
def asked(door: GovernedMetrics, ledger: Ledger) -> list[AskedQuery]:
    for reader, query in QUERIES:
        door.query(query, reader=Reader(name=reader))
    door.query({"metrics": "orders", "sql": "1"}, reader=Reader(name="boss"))
    return asked_queries(ledger, since=LATELY, without_reader="refresh")


def changes(door: GovernedMetrics, text: str, asked: list[AskedQuery]) -> list[PolicyChange]:
    before, after = (
        Judge(
            policy=parse_policy(policy),
            catalog=door.catalog,
            engine=door.engine,
            published=door.snapshots.current(),
        )
        for policy in (POLICY, text)
    )
    return list(policy_changes(before, after, asked, lambda item: Reader(name=item.reader)))


def test_every_query_is_asked_again_as_it_was(asked: list[AskedQuery]) -> None:
    found = {(item.reader, item.query.digest()): item.times for item in asked}
    expected = {
        (reader, MetricQuery.model_validate(query).digest()): QUERIES.count((reader, query))
        for reader, query in QUERIES
    }
    assert len(found) == len(expected)
    assert sorted(found.values()) == sorted(expected.values())
    assert asked[0].times == 2
    assert {reader for reader, _ in found} == {"analyst_mo", "north", "boss"}


def test_the_same_policy_decides_nothing_in_another_way(
    door: GovernedMetrics, asked: list[AskedQuery]
) -> None:
    assert changes(door, POLICY, asked) == []
    assert changes(door, POLICY + "  - {permit: new, readers: [new], metrics: '*'}\n", asked) == []


def test_what_would_newly_be_refused_and_by_which_rule(
    door: GovernedMetrics, asked: list[AskedQuery]
) -> None:
    [change] = changes(door, NO_MONEY, asked)
    assert change.asked.query.metrics == ("orders", "revenue")
    assert change.asked.times == 2
    assert str(change.before) == "allowed"
    assert "'revenue' is not available to 'analyst_mo'" in change.after.why
    assert "rules: no money" in change.after.why


def test_what_would_newly_be_allowed_or_narrowed(
    door: GovernedMetrics, asked: list[AskedQuery]
) -> None:
    wider = POLICY + "  - {permit: customers too, readers: ['analyst_*'], metrics: [customers]}\n"
    [change] = changes(door, wider, asked)
    assert (change.before.is_allowed, change.after.is_allowed) == (False, True)
    assert change.after.rules == ("customers too",)

    narrower = POLICY + "  - {restrict: few, readers: [north], metrics: '*', max_rows: 7}\n"
    found = changes(door, narrower, asked)
    assert {item.asked.reader for item in found} == {"north"}
    assert all("at most 7 rows" in item.after.narrowing for item in found)


def test_budgets_that_were_changed_added_or_removed_are_told_and_the_breaker() -> None:
    budgets = """
budgets:
  - {budget: a day, readers: ['*'], within: 1d, queries: 500}
  - {budget: same, readers: [boss], within: 1h, rows: 7}
"""
    other = """
budgets:
  - {budget: same, readers: [boss], within: 1h, rows: 7}
  - {budget: a day, readers: ['*'], within: 12h, queries: 1500, rows: 10}
  - {budget: dear, readers: [boss], metrics: [orders], per: all, within: 1h, bytes: 1}
  - {budget: models, readers: [boss], within: 30d, tokens: 2000, dollars: 0.25}
breaker: {failures: 3}
"""
    before, after = parse_policy(POLICY + budgets), parse_policy(POLICY + other)
    told = [(item.limit, item.before, item.after) for item in limit_changes(before, after)]
    assert told == [
        (
            "budget 'a day'",
            "500 queries within 1d per reader, readers *",
            "1,500 queries, 10 rows within 12h per reader, readers *",
        ),
        (
            "budget 'dear'",
            None,
            "1 bytes within 1h for all together, readers boss, metrics orders",
        ),
        ("budget 'models'", None, "0.25 dollars, 2,000 tokens within 30d per reader, readers boss"),
        ("breaker", "5 failures, 60 seconds", "3 failures, 60 seconds"),
    ]
    removed = list(limit_changes(after, parse_policy(POLICY)))
    assert {item.limit for item in removed if item.after is None} == {
        "budget 'a day'",
        "budget 'dear'",
        "budget 'models'",
        "budget 'same'",
    }
    assert not list(limit_changes(after, after))


def test_nothing_is_read_and_nothing_recorded(
    door: GovernedMetrics, asked: list[AskedQuery], ledger: Ledger
) -> None:
    changes(door, NO_MONEY, asked)
    assert asked_queries(ledger, since=LATELY, without_reader="refresh") == asked


def test_the_rules_that_speak_of_a_reader_are_named(door: GovernedMetrics) -> None:
    judge = Judge(
        policy=door.policy,
        catalog=door.catalog,
        engine=door.engine,
        published=door.snapshots.current(),
    )
    assert list(judge.speaking_of(Reader(name="north"), "orders")) == [
        ("permit", "north reads everything"),
        ("restrict", "north sees its own customers, and no name"),
    ]
