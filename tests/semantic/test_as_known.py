"""A snapshot as of a day: whatever is asked of it, nothing of later days is told."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import duckdb
import pytest

from semantic.answer import MetricAnswer, Refusal
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import RecordKind
from semantic.policy import Reader
from semantic.read_session import ReadSession
from tests.conftest import OpenDoor
from tests.dbt_build import BuiltProject

DAY = date(2024, 3, 3)
TOTAL = "SELECT count(*), sum(amount) FILTER (status = 'paid') FROM till_analytics.orders WHERE ordered_on <= DATE '2024-03-03'"


@pytest.fixture
def played(open_door: OpenDoor) -> Iterator[tuple[GovernedMetrics, ReadSession]]:
    door = open_door()
    with door.session(Reader(name="boss"), snapshot=door.snapshots.current().until(DAY)) as session:
        yield door, session


def answered(session: ReadSession, **asked: Any) -> MetricAnswer:
    found = session.query(asked)
    assert isinstance(found, MetricAnswer), found
    return found


def truth(shop: BuiltProject, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(shop.warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_a_total_is_of_the_days_until_then(
    played: tuple[GovernedMetrics, ReadSession], shop: BuiltProject
) -> None:
    found = answered(played[1], metrics=["orders", "revenue"])
    assert [tuple(map(float, row)) for row in found.rows] == [
        tuple(map(float, row)) for row in truth(shop, TOTAL)
    ]
    assert found.provenance.as_of == DAY
    assert {item.covers_to for item in found.provenance.metrics} == {DAY}


@pytest.mark.parametrize(
    "asked",
    [
        {"metrics": "orders", "group_by": "metric_time__day"},
        {"metrics": "orders", "group_by": "metric_time__day", "time_range": "last 2 days"},
        {
            "metrics": "orders",
            "group_by": "metric_time__day",
            "time_range": {"start": "2024-03-01", "end": "2024-12-31"},
        },
        {"metrics": "revenue_running", "group_by": "metric_time__day"},
        {"metrics": ["orders", "revenue"], "group_by": ["metric_time__day", "customer__region"]},
    ],
)
def test_no_day_after_it_is_told(
    played: tuple[GovernedMetrics, ReadSession], asked: Mapping[str, Any]
) -> None:
    found = answered(played[1], **asked)
    days = [row[0] for row in found.rows]
    assert days
    assert max(day.date() if hasattr(day, "date") else day for day in days) <= DAY


def test_the_last_days_count_back_from_it(played: tuple[GovernedMetrics, ReadSession]) -> None:
    found = answered(
        played[1], metrics="orders", group_by="metric_time__day", time_range="last 2 days"
    )
    assert [str(row[0])[:10] for row in found.rows] == ["2024-03-02", "2024-03-03"]


def test_values_of_dimensions_are_those_of_its_days(
    played: tuple[GovernedMetrics, ReadSession],
) -> None:
    found = played[1].dimension_values("order__status", "orders")
    assert isinstance(found, MetricAnswer)
    assert [row[0] for row in found.rows] == ["paid", "returned"], "nothing was open by then"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"metrics": "first_order_rate"}, "the value of 'first_order_rate' on a day is made of"),
        (
            {
                "metrics": "orders",
                "filters": {
                    "metric": "orders",
                    "by": "customer",
                    "operator": ">",
                    "values": 1,
                },
            },
            "a metric as a filter is one of all days",
        ),
        (
            {"metrics": "orders", "time_range": {"start": "2024-03-04", "end": "2024-03-05"}},
            "time_range begins on 2024-03-04, and this is the data as it was known on 2024-03-03",
        ),
    ],
)
def test_what_would_tell_of_later_days_is_refused_and_on_record(
    played: tuple[GovernedMetrics, ReadSession], asked: dict[str, Any], says: str
) -> None:
    door, session = played
    found = session.query(asked)
    assert isinstance(found, Refusal)
    assert says in found.message
    assert door.ledger.body(found.read_id or "", RecordKind.REFUSAL) is not None


def test_the_record_says_as_of_which_day_it_was_read(
    played: tuple[GovernedMetrics, ReadSession],
) -> None:
    door, session = played
    found = answered(session, metrics="orders")
    body = door.ledger.body(found.read_id, RecordKind.INTENT)
    assert body is not None
    assert body["details"]["covering"] == "2024-03-03"
    whole = door.query({"metrics": "orders"}, reader=Reader(name="boss"))
    assert isinstance(whole, MetricAnswer)
    assert whole.rows != found.rows, "what is cached of the one is not told of the other"
