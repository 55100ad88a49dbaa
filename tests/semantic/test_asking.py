"""All that a query can ask beyond names and filters, against plain Python over the seed rows."""

import json
import logging
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from semantic.answer import Explanation, MetricAnswer, Reason, Refusal
from semantic.catalog import Catalog
from semantic.engine import CompileRequest
from semantic.engines.embedded import embedded_engine
from semantic.errors import MetricCompileError
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import (
    Ledger,
    ReadContext,
    ReadQuestion,
    Record,
    RecordKind,
    Terms,
    find_reads,
)
from semantic.metric import Dimension, DimensionKind, NamedDimension
from semantic.open_snapshot import Fetched
from semantic.policy import Reader
from semantic.result_cache import ResultCache
from tests.conftest import OpenDoor
from tests.semantic.door import BOSS, POLICY, WatchedSnapshot, answer, refusal, snapshot_file
from tests.semantic.shop import seed_customers, seed_orders

READER = Reader(name="ana")
PERMIT = """
rules:
  - {permit: p, readers: [ana, refresh], metrics: "*", dimensions: ["*", customer__full_name]}
"""
CALL = ReadContext(run_id="run-1", root_run_id="run-1", step_key="agent")


def kinds(answered: MetricAnswer) -> set[str]:
    return {notice.kind for notice in answered.provenance.notices}


def narrowed(open_door: OpenDoor, rule: str) -> GovernedMetrics:
    return open_door(policy=f"{PERMIT}  - {{restrict: r, readers: [ana], metrics: '*', {rule}}}\n")


# Time


def test_last_days_count_back_from_the_last_day_of_the_data(door: GovernedMetrics) -> None:
    last = max(order.ordered_on for order in seed_orders())
    for days in (1, 2, 3):
        kept = [o for o in seed_orders() if o.ordered_on > last - timedelta(days=days)]
        answered = answer(door, metrics="orders", time_range=f"last {days} days")
        assert answered.rows == ((len(kept),),)
        assert answered.provenance.metrics[0].covers_to == last


def test_a_range_that_cuts_a_month_says_so(door: GovernedMetrics) -> None:
    march = {"start": "2024-03-02", "end": "2024-03-31"}
    whole = {"start": "2024-03-01", "end": "2024-03-31"}
    assert "partial_period" in kinds(
        answer(door, metrics="orders", group_by="metric_time__month", time_range=march)
    )
    assert "partial_period" not in kinds(
        answer(door, metrics="orders", group_by="metric_time__month", time_range=whole)
    )
    assert "partial_period" not in kinds(
        answer(door, metrics="orders", group_by="metric_time__day", time_range=march)
    )


def test_a_range_beyond_the_data_says_so_at_both_ends(door: GovernedMetrics) -> None:
    def told(start: str, end: str) -> list[str]:
        found = answer(door, metrics="orders", time_range={"start": start, "end": end})
        return [item.text for item in found.provenance.notices if item.kind == "beyond_data"]

    assert told("2024-03-01", "2024-03-05") == []
    assert told("2024-02-01", "2024-03-05") == [
        "the data begins on 2024-03-01, the range on 2024-02-01"
    ]
    assert told("2024-03-05", "2024-03-06") == [
        "the data ends on 2024-03-05, the range on 2024-03-06"
    ]


def test_what_adds_up_says_which_value_of_a_period_it_gives(door: GovernedMetrics) -> None:
    by_month = answer(door, metrics="revenue_running", group_by="metric_time__month")
    assert "period_value" in kinds(by_month)
    assert "period_value" not in kinds(
        answer(door, metrics="revenue_running", group_by="metric_time__day")
    )


def test_days_of_moments_are_those_of_utc_wherever_the_process_is(
    door: GovernedMetrics,
) -> None:
    data = door.snapshots.open(door.snapshots.current())
    [(zone,)] = data.execute("SELECT current_setting('TimeZone')", {}, 1).rows
    assert zone == "UTC"


@pytest.mark.parametrize("unit", ["year", "quarter", "month", "week", "day"])
def test_a_range_that_begins_before_the_calendar_is_refused(
    door: GovernedMetrics, unit: str
) -> None:
    most = 3660 if unit in ("year", "quarter", "month") else None
    if most:
        refused = refusal(door, metrics="orders", time_range=f"last {most} {unit}s")
        assert refused.reason is Reason.INVALID_QUERY
        assert refused.message.startswith(f"time_range: the last 3,660 {unit}s before")
    else:
        assert answer(door, metrics="orders", time_range=f"last 3660 {unit}s").rows == ((9,),)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("0001-01-01T00:00:00+05:00", "is no time of the years 1 to 9999 in UTC"),
        ("9999-12-31T23:00:00-05:00", "is no time of the years 1 to 9999 in UTC"),
    ],
)
def test_a_moment_without_a_day_in_utc_is_refused(
    door: GovernedMetrics, values: str, told: str
) -> None:
    filters = {"dimension": "metric_time__day", "operator": ">", "values": values}
    assert told in refusal(door, metrics="orders", filters=filters).message


@pytest.mark.parametrize("number", ["1e1000000", "1e39", "-1e400", "1" * 39])
def test_a_number_with_too_many_digits_is_refused_at_once(
    door: GovernedMetrics, number: str
) -> None:
    filters = {"dimension": "customer", "values": number}
    assert "has more than 38 digits" in refusal(door, metrics="orders", filters=filters).message


def test_a_number_that_cannot_be_written_down_is_refused_and_on_record(
    door: GovernedMetrics, ledger: Ledger
) -> None:
    endless = {"dimension": "customer", "values": 10**5000}
    refused = refusal(door, metrics="orders", filters=endless)
    assert refused.message == "filters.0.dimension.values.0: is a number beyond 64 bits"
    [read] = find_reads(ledger, ReadQuestion())
    assert read.read_id == refused.read_id


def test_an_order_that_names_something_twice_is_refused(door: GovernedMetrics) -> None:
    refused = refusal(door, metrics="orders", order_by=["-orders", "orders"])
    assert refused.message == "order_by names something twice"


def test_a_period_before_is_that_of_the_range_and_every_other_time_stays(
    door: GovernedMetrics,
) -> None:
    """By the day on which its customer signed up, what an order's customers did before."""
    now, before = Counter[date | None](), Counter[date | None]()
    signed_up = {item.customer_id: item.signed_up_on for item in seed_customers()}
    for order in seed_orders():
        if date(2024, 3, 4) <= order.ordered_on <= date(2024, 3, 5):
            now[signed_up.get(order.customer_id)] += 1
        if date(2024, 3, 2) <= order.ordered_on <= date(2024, 3, 3):
            before[signed_up.get(order.customer_id)] += 1
    found = answer(
        door,
        metrics="orders",
        group_by="customer__signed_up_on__day",
        time_range=["2024-03-04", "2024-03-05"],
        compare_to="previous_period",
    )
    assert set(found.rows) == {(day, now[day], before.get(day)) for day in now}
    assert any(before.get(day) for day in now)


def test_a_time_under_its_own_name_is_the_time_of_the_range(door: GovernedMetrics) -> None:
    asked = {"time_range": "last 2 days", "compare_to": "previous_period", "metrics": "orders"}
    named = [
        answer(door, group_by=name, **asked).rows
        for name in ("metric_time__day", "order__ordered_on__day")
    ]
    assert named[0] == named[1]
    cut = answer(
        door,
        metrics="orders",
        group_by="order__ordered_on__month",
        time_range=["2024-03-02", "2024-03-31"],
    )
    assert "partial_period" in kinds(cut)


def test_the_time_of_some_metrics_only_has_no_period_before(door: GovernedMetrics) -> None:
    refused = refusal(
        door,
        metrics=["orders", "customers"],
        group_by="customer__signed_up_on__day",
        time_range="last 2 days",
        compare_to="previous_period",
    )
    assert "is the time of some of 'orders' and 'customers' only" in refused.message
    assert refused.hint == "group by metric_time__day instead"


# Beside, saved, listed, explained


def test_values_are_set_beside_those_of_the_days_before(door: GovernedMetrics) -> None:
    by_day = Counter(order.ordered_on for order in seed_orders())
    answered = answer(
        door,
        metrics="orders",
        group_by="metric_time__day",
        time_range={"start": "2024-03-03", "end": "2024-03-04"},
        compare_to="previous_period",
    )
    assert answered.columns == ("metric_time__day", "orders", "orders__previous")
    assert answered.rows == tuple(
        (day, by_day[day], by_day[day - timedelta(days=2)])
        for day in (date(2024, 3, 3), date(2024, 3, 4))
    )
    assert answered.provenance.metrics[0].covers_from == date(2024, 3, 1)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, "compare_to needs a time_range"),
        (
            {
                "group_by": "metric_time__month",
                "time_range": {"start": "2024-03-02", "end": "2024-03-31"},
            },
            "needs a time_range of whole months",
        ),
        (
            {"group_by": "metric_time__extract_dow", "time_range": "last 2 days"},
            "not with parts of a date",
        ),
    ],
)
def test_what_cannot_be_set_side_by_side_is_refused(
    door: GovernedMetrics, query: dict[str, Any], told: str
) -> None:
    refused = refusal(door, metrics="orders", compare_to="previous_period", **query)
    assert refused.reason is Reason.INVALID_QUERY
    assert told in refused.message


def test_the_values_of_a_dimension_are_those_that_the_reader_sees(door: GovernedMetrics) -> None:
    def values(reader: Reader, **asked: Any) -> list[Any]:
        with door.session(reader) as session:
            answered = session.dimension_values("customer", "orders", **asked)
        assert isinstance(answered, MetricAnswer), answered
        assert answered.columns == ("customer",)
        return [row[0] for row in answered.rows]

    assert values(BOSS) == [1, 2, 3, 4, None]
    assert values(Reader(name="north")) == [1, 3]
    assert values(BOSS, limit=2) == [1, 2]


def test_listing_values_is_on_record_like_any_read(door: GovernedMetrics, ledger: Ledger) -> None:
    with door.session(BOSS) as session:
        listed = session.dimension_values("order__status", "orders", contains="pai")
    assert isinstance(listed, MetricAnswer)
    assert listed.rows == (("paid",),)
    [read] = find_reads(ledger, ReadQuestion())
    assert (read.read_id, read.outcome, read.rows) == (listed.read_id, "allowed", 1)


def test_an_explanation_is_the_plan_that_would_run_and_reads_nothing(
    door: GovernedMetrics, ledger: Ledger
) -> None:
    query = {"metrics": "orders", "group_by": "customer__region", "limit": 3}
    data = WatchedSnapshot(snapshot_file(door.snapshots, door.snapshots.current()))
    with door.session(BOSS, data=data) as session:
        explained = session.explain(query)
        assert data.executed == []
        answered = session.query(query)
    assert isinstance(explained, Explanation)
    assert isinstance(answered, MetricAnswer)
    [(sql, values)] = data.executed
    assert explained.sql == sql
    assert set(explained.parameters) == set(values)
    assert explained.provenance.plan_hash == answered.provenance.plan_hash
    assert len(list(find_reads(ledger, ReadQuestion()))) == 1


def test_what_is_not_granted_is_not_explained_and_that_is_on_record(
    door: GovernedMetrics, ledger: Ledger
) -> None:
    with door.session(Reader(name="nobody")) as session:
        refused = session.explain({"metrics": "orders"})
    assert isinstance(refused, Refusal)
    [read] = find_reads(ledger, ReadQuestion())
    assert (read.read_id, read.outcome) == (refused.read_id, "refused")


def test_the_same_column_twice_is_said(door: GovernedMetrics) -> None:
    refused = refusal(door, metrics="orders", group_by=["metric_time", "metric_time__day"])
    assert "group_by names 'metric_time__day' twice" in refused.message


def test_a_metric_to_filter_by_must_be_granted_and_is_on_record(
    open_door: OpenDoor, ledger: Ledger
) -> None:
    policy = """
rules:
  - {permit: p, readers: [ana], metrics: [orders]}
  - {permit: q, readers: [bob], metrics: [orders, revenue]}
"""
    door = open_door(policy=policy)
    query = {
        "metrics": "orders",
        "filters": {"metric": "revenue", "by": "customer", "operator": ">", "values": 20},
    }
    refused = refusal(door, READER, **query)
    unknown = refusal(
        door,
        READER,
        **{**query, "filters": {**query["filters"], "metric": "no_such"}},  # type: ignore[dict-item]
    )
    assert refused.reason is unknown.reason is Reason.NOT_AVAILABLE
    assert refused.message.replace("revenue", "no_such") == unknown.message
    assert isinstance(door.query(query, reader=Reader(name="bob")), MetricAnswer)
    allowed = [r.metric for r in find_reads(ledger, ReadQuestion()) if r.outcome == "allowed"]
    assert sorted(allowed) == ["orders", "revenue"]


# What a policy narrows


def test_a_dimension_that_is_dropped_is_not_grouped_by(open_door: OpenDoor) -> None:
    door = narrowed(open_door, "masks: {region: drop}")
    answered = answer(
        door, READER, metrics="orders", group_by=["order__status", "customer__region"]
    )
    plain = answer(door, READER, metrics="orders", group_by="order__status")
    assert answered.columns == ("order__status", "orders")
    assert answered.rows == plain.rows
    assert kinds(answered) == {"masked"}
    refused = refusal(
        door, READER, metrics="orders", filters={"dimension": "customer__region", "values": "north"}
    )
    assert "is masked" in refused.message


def test_a_generalised_dimension_is_told_and_listed_by_its_coarser_value_and_not_filtered(
    open_door: OpenDoor,
) -> None:
    asked = {"metrics": "orders", "group_by": "customer__full_name"}
    whole = answer(open_door(policy=PERMIT), READER, **asked)
    door = narrowed(open_door, "masks: {full_name: {first: 1}}")
    expected: Counter[str | None] = Counter()
    for name, count in whole.rows:
        expected[name and name[0]] += count
    told = answer(door, READER, **asked)
    assert dict(told.rows) == expected
    assert [notice.text for notice in told.provenance.notices] == [
        "the values of customer__full_name are the first 1 characters"
    ]
    with door.session(READER) as session:
        listed = session.dimension_values("customer__full_name", "orders")
        assert isinstance(listed, MetricAnswer)
        assert {row[0] for row in listed.rows} == set(expected)
    filters = {"dimension": "customer__full_name", "operator": "starts_with", "values": "A"}
    assert "is masked" in refusal(door, READER, metrics="orders", filters=filters).message


def test_a_time_is_generalised_to_a_grain(open_door: OpenDoor) -> None:
    by_month = {"metrics": "orders", "group_by": "customer__signed_up_on__month"}
    whole = answer(open_door(policy=PERMIT), READER, **by_month)
    door = narrowed(open_door, "masks: {signed_up_on: {grain: month}}")
    assert answer(door, READER, **by_month).rows == whole.rows
    refused = refusal(door, READER, metrics="orders", group_by="customer__signed_up_on")
    assert refused.reason is Reason.GRAIN_TOO_FINE
    assert refused.hint == "write customer__signed_up_on__month"
    assert answer(door, READER, metrics="orders", group_by="metric_time__day").rows


@pytest.mark.parametrize(
    ("mask", "dimension"),
    [
        ("{grain: month}", "customer__region"),
        ("{first: 1}", "customer__signed_up_on"),
        ("{band: 10}", "customer"),
    ],
)
def test_what_cannot_be_generalised_in_a_way_is_dropped(
    open_door: OpenDoor, mask: str, dimension: str
) -> None:
    door = narrowed(open_door, f"masks: {{{dimension}: {mask}}}")
    assert answer(door, READER, metrics="orders", group_by=dimension).columns == ("orders",)


def test_a_text_has_no_bands_so_it_is_not_told(open_door: OpenDoor) -> None:
    door = narrowed(open_door, "masks: {region: {band: 10}}")
    found = answer(door, READER, metrics="orders", group_by="customer__region")
    assert (found.columns, found.rows) == (("orders",), ((9,),))
    [notice] = found.provenance.notices
    assert notice.text == "customer__region is not told, and the answer is not grouped by it"


def test_a_range_has_at_most_so_many_days(open_door: OpenDoor) -> None:
    door = narrowed(open_door, "max_days: 2")
    assert refusal(door, READER, metrics="orders").reason is Reason.RANGE_TOO_WIDE
    assert answer(door, READER, metrics="orders", time_range="last 2 days").rows
    refused = refusal(door, READER, metrics="orders", time_range="last 3 days")
    assert "may read 2 days at once, and this query asks for 3 days" in refused.message
    beside = {"time_range": "last 2 days", "compare_to": "previous_period"}
    refused = refusal(door, READER, metrics="orders", **beside)
    assert "asks for 4 days, with the period before" in refused.message
    with door.session(READER) as session:
        values = session.dimension_values("order__status", "orders", time_range="last 2 days")
    assert isinstance(values, MetricAnswer)
    assert values.rows


def test_a_metric_filter_is_wider_than_any_range(open_door: OpenDoor) -> None:
    door = narrowed(open_door, "max_days: 31")
    refused = refusal(
        door,
        READER,
        metrics="orders",
        time_range=["2024-03-01", "2024-03-05"],
        filters={"metric": "orders", "by": "customer", "operator": ">", "values": 1},
    )
    assert refused.reason is Reason.RANGE_TOO_WIDE
    assert "A metric filter compares over all time" in refused.message


@pytest.mark.parametrize("by", ["customer__region", ["customer", "order"], "metric_time__month"])
def test_a_metric_filter_compares_by_one_entity(open_door: OpenDoor, by: object) -> None:
    compares = {"metric": "orders", "by": by, "operator": ">", "values": 1}
    refused = refusal(open_door(), BOSS, metrics="orders", filters=compares)
    assert refused.reason is Reason.INVALID_QUERY
    assert "by one entity, and not by" in refused.message


def test_times_are_at_most_so_fine(open_door: OpenDoor) -> None:
    door = narrowed(open_door, "finest_grain: month")
    assert answer(door, READER, metrics="orders", group_by="metric_time__month").rows
    assert answer(door, READER, metrics="orders", group_by="metric_time__extract_month").rows
    for query in (
        {"group_by": "metric_time__day"},
        {"group_by": "metric_time__extract_dow"},
        {"group_by": "order__ordered_on__week"},
        {"filters": {"dimension": "metric_time__day", "values": "2024-03-01"}},
        {"time_range": "last 1 day"},
    ):
        assert refusal(door, READER, metrics="orders", **query).reason is Reason.GRAIN_TOO_FINE


def test_groups_that_nothing_counts_are_refused(open_door: OpenDoor) -> None:
    refused = refusal(narrowed(open_door, "smallest_group: 3"), READER, metrics="revenue")
    assert refused.reason is Reason.GROUPS_NOT_COUNTED
    assert "count_metric" in str(refused.hint)


@pytest.fixture
def counted(shop_catalog: Catalog) -> Catalog:
    """The shop with what counts its groups."""
    metrics = {
        name: replace(metric, count_metric="orders")
        for name, metric in shop_catalog.metrics.items()
    }
    return replace(shop_catalog, metrics=metrics)


def test_small_groups_are_not_told_nor_what_gives_them_away(
    open_door: OpenDoor, counted: Catalog
) -> None:
    policy = f"{PERMIT}  - {{restrict: r, readers: [ana], metrics: '*', smallest_group: 3}}\n"
    door = open_door(policy=policy, catalog=counted)
    sizes = Counter(order.status for order in seed_orders())
    assert sizes == {"paid": 6, "returned": 2, "open": 1}
    answered = answer(door, READER, metrics=["revenue", "orders"], group_by="order__status")
    assert answered.columns == ("order__status", "revenue", "orders")
    assert [row[0] for row in answered.rows] == ["paid"]
    [notice] = answered.provenance.notices
    assert notice.kind == "suppressed"
    assert notice.text.startswith("2 groups are not told")
    assert answer(door, READER, metrics="orders", group_by="order__status", offset=1).rows == ()
    assert answer(door, READER, metrics="orders").rows == ((9,),)


def test_where_small_groups_are_not_told_no_metric_filter_asks_for_their_values(
    open_door: OpenDoor, counted: Catalog
) -> None:
    """Which rows are left would tell the value of each single customer, in a few questions."""
    policy = f"{PERMIT}  - {{restrict: r, readers: [ana], metrics: '*', smallest_group: 3}}\n"
    asked = {"metric": "revenue", "by": "customer", "operator": ">", "values": 10}
    door = open_door(policy=policy, catalog=counted)
    refused = refusal(door, READER, metrics="orders", filters=asked)
    assert refused.reason is Reason.GROUPS_NOT_COUNTED
    assert "compares each single group" in refused.message
    assert answer(open_door(policy=PERMIT), READER, metrics="orders", filters=asked).rows


@pytest.mark.parametrize("value", ["'1'", "true", "one"])
def test_a_restriction_by_values_of_another_type_shows_nothing(
    open_door: OpenDoor, value: str
) -> None:
    refused = refusal(
        narrowed(open_door, f"rows: {{customer: [{value}]}}"), READER, metrics="orders"
    )
    assert refused.reason is Reason.ROWS_NOT_RESTRICTABLE
    assert "another type" in refused.message


def test_what_was_decided_on_a_query_holds_for_this_query_of_this_reader_alone(
    open_door: OpenDoor,
) -> None:
    """To Python 1 is True and 1.0, and a reader who asks for itself is another than one who asks for somebody."""
    door = open_door(policy=f"{PERMIT}  - {{forbid: f, readers: [ben], metrics: '*'}}\n")

    def asked(value: object, reader: Reader = READER) -> MetricAnswer | Refusal:
        filters = {"dimension": "customer", "values": value}
        return door.query({"metrics": "orders", "filters": filters}, reader=reader)

    for _ in range(2):
        assert isinstance(asked(1), MetricAnswer)
        assert isinstance(asked(True), Refusal)
        assert isinstance(asked("1"), MetricAnswer)
        assert isinstance(asked(1, Reader(name="ana", acting_for="ben")), Refusal)
        assert isinstance(asked(1, Reader(name="ana", asks=frozenset({"revenue"}))), Refusal)
        assert isinstance(asked(1, Reader(name="eve")), Refusal)


# The record and the gates


def test_two_long_questions_under_one_call_id_are_two_reads(door: GovernedMetrics) -> None:
    values = [f"status {number} {'x' * 60}" for number in range(300)]
    with door.session(BOSS, CALL) as session:
        found = {
            session.query(
                {
                    "metrics": "orders",
                    "filters": {
                        "dimension": "order__status",
                        "operator": "in",
                        "values": [*values, last],
                    },
                },
                call_id="same",
            ).read_id
            for last in ("paid", "open")
        }
    assert len(found) == 2


def test_who_is_acted_for_is_part_of_what_a_read_is(door: GovernedMetrics, ledger: Ledger) -> None:
    for reader in (BOSS, Reader(name="boss", acting_for="north")):
        with door.session(reader, CALL) as session:
            session.query({"metrics": "orders"}, call_id="same")
    assert {read.acting_for for read in find_reads(ledger, ReadQuestion())} == {None, "north"}


@pytest.mark.parametrize("field", ["name", "acting_for"])
def test_a_reader_of_any_name_is_on_record(
    door: GovernedMetrics, ledger: Ledger, field: str
) -> None:
    reader = replace(BOSS, **{field: "\ud800"})
    context = ReadContext(
        run_id="\ud800", root_run_id="\udfff", step_key="\ud800", purpose="\ud800"
    )
    with door.session(reader, context) as session:
        assert isinstance(session.query({"metrics": "orders"}, call_id="\ud800"), Refusal)
    assert len(list(find_reads(ledger, ReadQuestion()))) == 1


def test_a_policy_that_is_revoked_while_a_read_is_prepared_releases_nothing(
    open_door: OpenDoor, ledger: Ledger
) -> None:
    door = open_door()
    data = WatchedSnapshot(snapshot_file(door.snapshots, door.snapshots.current()))

    class Revoking(Ledger):
        """A ledger in which another policy is published just before what is about to be read is written."""

        def append(self, record: Record, terms: Terms | None = None) -> bool:
            if record.kind is RecordKind.INTENT:
                self.publish_policy("another", "{}", by="owner", run_id=None)
            return super().append(record, terms)

    assert ledger.path is not None
    door.ledger = Revoking.open(ledger.path)
    with door.session(BOSS, data=data) as session:
        refused = session.query({"metrics": "orders"})
    door.ledger.close()
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.POLICY_NOT_CURRENT
    assert data.executed == []
    assert [read.outcome for read in find_reads(ledger, ReadQuestion())] == ["refused"]


def test_a_dimension_that_means_something_else_since_is_not_read(
    open_door: OpenDoor, shop_catalog: Catalog
) -> None:
    customers = shop_catalog.semantic_models["customers"]
    region = replace(customers.elements["region"], expression="'north'")
    elements = {**customers.elements, "region": region}
    changed = replace(
        shop_catalog,
        semantic_models={
            **shop_catalog.semantic_models,
            "customers": replace(customers, elements=elements),
        },
    )
    door = open_door(catalog=changed)
    refused = refusal(door, metrics="orders", group_by="customer__region")
    assert refused.reason is Reason.DEFINITION_CHANGED
    assert "'region' of the semantic model 'customers'" in refused.message
    assert answer(door, metrics="orders", group_by="order__status").rows


def test_a_query_that_cannot_be_compiled_is_no_noise(
    shop_catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    engine = embedded_engine(shop_catalog)
    nowhere = Dimension(name="order__nowhere", kind=DimensionKind.CATEGORICAL)
    request = CompileRequest(metrics=("orders",), group_by=(NamedDimension(dimension=nowhere),))
    with pytest.raises(MetricCompileError, match="cannot build orders by order__nowhere"):
        engine.compile(request)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# Types


def test_an_answer_names_the_type_of_each_column_also_where_no_row_has_a_value(
    open_door: OpenDoor,
) -> None:
    door = open_door(policy=POLICY)
    by = {"group_by": ["metric_time__month", "customer__region"], "metrics": ["orders", "revenue"]}
    found = answer(door, **by)
    assert found.types[:3] == ("DATE", "VARCHAR", "HUGEINT")
    none = answer(door, **by, filters={"dimension": "customer__region", "values": "nowhere"})
    assert (none.rows, none.types) == ((), found.types)


# Rows that were read before


def test_rows_are_kept_only_for_the_same_question_of_those_who_see_the_same(
    open_door: OpenDoor, ledger: Ledger
) -> None:
    door = open_door(policy=POLICY)
    door.results = ResultCache()
    data = WatchedSnapshot(snapshot_file(door.snapshots, door.snapshots.current()))

    def rows(reader: Reader, **query: Any) -> Any:
        with door.session(reader, data=data) as session:
            answered = session.query({"metrics": "orders", **query})
        assert isinstance(answered, MetricAnswer)
        return answered.rows

    everything, own = rows(BOSS), rows(Reader(name="north"))
    assert everything != own
    assert len(data.executed) == 2
    assert (rows(BOSS), rows(Reader(name="north"))) == (everything, own)
    assert len(data.executed) == 2
    by_name = {"group_by": "customer__full_name"}
    assert rows(BOSS, **by_name) != rows(Reader(name="north"), **by_name)
    for values in (1, "1"):
        rows(BOSS, filters={"dimension": "customer", "values": values})
    outcomes = [read.outcome for read in find_reads(ledger, ReadQuestion())]
    assert outcomes == ["allowed"] * 8, "a hit is a read like any other"


def test_the_cache_forgets_the_oldest_and_takes_nothing_that_is_too_large() -> None:
    cache = ResultCache(cells=40)
    for key in ("a", "b", "c", "d", "e"):
        cache.put(key, Fetched([(1,) * 9], ("INTEGER",) * 9))
    assert cache.get("a") is None
    assert cache.get("e") == Fetched([(1,) * 9], ("INTEGER",) * 9)
    cache.put("large", Fetched([(1,)] * 20, ("INTEGER",)))
    assert cache.get("large") is None


def test_why_an_unanswered_question_was_refused_stands_in_its_body(
    open_door: OpenDoor, ledger: Ledger
) -> None:
    refused = refusal(open_door(), metrics="orders", saved_query="x")
    body = ledger.body(str(refused.read_id), RecordKind.REFUSAL)
    assert "a saved_query has its own metrics" in json.dumps(body)
