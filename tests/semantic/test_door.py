"""Reading through the door: what is answered, what is refused, and that both are on record."""

import hashlib
import json
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.catalog import Catalog
from semantic.dbt_manifest import build_catalog
from semantic.engine import CompileRequest, MetricEngine
from semantic.governed_metrics import GovernedMetrics
from semantic.keys import mask_key_id
from semantic.ledger import (
    Ledger,
    ReadContext,
    ReadQuestion,
    Record,
    RecordKind,
    Terms,
    asked_queries,
    find_reads,
)
from semantic.ledger.chain import content_of
from semantic.ledger.sqlite_store import SqliteStore
from semantic.metric import Dimension
from semantic.open_snapshot import Fetched, OpenSnapshot, QueryLimits
from semantic.policy import Reader
from semantic.query import MetricQuery
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import ModelState, State
from tests.conftest import OpenDoor
from tests.dbt_build import BuiltProject
from tests.semantic.door import (
    ANALYST,
    BOSS,
    NOBODY,
    NORTH,
    PATIENT,
    POLICY,
    RememberingEngine,
    WatchedSnapshot,
    answer,
    build_door,
    publish,
    refusal,
    snapshot_file,
)
from tests.semantic.shop import ORDERS, Order, paid, seed_customers, seed_orders

HOUR = timedelta(hours=1)


def notices(answered: MetricAnswer) -> list[tuple[str, str]]:
    return [(notice.kind, notice.text) for notice in answered.provenance.notices]


def bodies(ledger: Ledger) -> list[dict[str, Any]]:
    """All records as they stand in the file, read by somebody else's code."""
    with sqlite3.connect(str(ledger.path)) as reader:
        found = reader.execute("SELECT body FROM records ORDER BY seq").fetchall()
    reader.close()
    return [content_of(body) for (body,) in found]


# Answers


def test_an_answer_is_what_somebody_else_counts(door: GovernedMetrics) -> None:
    counted: dict[str | None, int] = defaultdict(int)
    for order in seed_orders():
        counted[order.region] += 1

    answered = answer(door, metrics="orders", group_by="customer__region")

    assert answered.columns == ("customer__region", "orders")
    assert dict(answered.rows) == counted
    assert next(answered.records()) == {"customer__region": "north", "orders": 4}


def test_an_answer_carries_what_it_is_made_of(
    door: GovernedMetrics, shop_catalog: Catalog, published: SnapshotStore
) -> None:
    made_of = answer(door, metrics=["orders", "revenue"], group_by="order__status").provenance
    snapshot = published.current()
    [orders, revenue] = made_of.metrics

    assert made_of.reader == "boss"
    assert made_of.snapshot == snapshot.version
    assert made_of.published_at == snapshot.published_at
    assert timedelta(0) < made_of.age < HOUR
    assert made_of.as_of == date(2024, 3, 5)
    assert made_of.relations == (ORDERS,)
    assert made_of.dbt_models == ("model.corner_shop.orders",)
    assert made_of.policy_hash == door.policy.hash
    assert made_of.rules == ("the boss reads everything, names and addresses too",)
    assert made_of.notices == ()
    assert orders.definition_hash == shop_catalog.metrics["orders"].definition_hash
    assert orders.data_version == snapshot.metrics["orders"].data_version
    assert orders.version_as_read == orders.data_version
    assert (revenue.name, revenue.unit) == ("revenue", "EUR")
    assert (orders.covers_from, orders.covers_to) == (date(2024, 3, 1), date(2024, 3, 5))


def test_a_dimension_of_another_model_is_in_the_lineage(door: GovernedMetrics) -> None:
    made_of = answer(door, metrics="orders", group_by="customer__region").provenance
    assert made_of.dbt_models == ("model.corner_shop.customers", "model.corner_shop.orders")


def test_the_days_that_an_answer_rests_on_reach_as_far_as_its_metrics_do(
    door: GovernedMetrics,
) -> None:
    march = {"start": "2024-03-03", "end": "2024-03-04"}
    by_day = {"group_by": "metric_time__day", "time_range": march}
    running = answer(door, metrics="revenue_running", **by_day).provenance.metrics[0]
    rate = answer(
        door,
        metrics="first_order_rate",
        time_range={"start": "2024-02-20", "end": "2024-02-21"},
    ).provenance.metrics[0]

    assert (running.covers_from, running.covers_to) == (date(2024, 3, 1), date(2024, 3, 4))
    assert rate.covers_from == date(2024, 2, 20)
    assert rate.covers_to == date(2024, 3, 5), "the orders after the sign-ups are part of it"


def day(number: int) -> date:
    return date(2024, 3, number)


Predicate = Callable[[Order], bool]
FILTERS: list[tuple[str, str, object, Predicate]] = [
    ("order__status", "=", "paid", lambda o: o.status == "paid"),
    ("order__status", "!=", "paid", lambda o: o.status != "paid"),
    ("order__status", "<", "paid", lambda o: o.status < "paid"),
    ("order__status", "<=", "paid", lambda o: o.status <= "paid"),
    ("order__status", ">", "paid", lambda o: o.status > "paid"),
    ("order__status", ">=", "paid", lambda o: o.status >= "paid"),
    ("order__status", "in", ["paid", "open", "x"], lambda o: o.status in ("paid", "open")),
    ("order__status", "not_in", ["paid", "x", "y"], lambda o: o.status != "paid"),
    ("order__status", "starts_with", "re", lambda o: o.status.startswith("re")),
    ("order__status", "contains", "e", lambda o: "e" in o.status),
    ("order__status", "contains", "%", lambda o: False),
    ("order__status", "between", ["open", "paid"], lambda o: "open" <= o.status <= "paid"),
    ("order__status", "is_null", [], lambda o: False),
    ("order__status", "is_not_null", [], lambda o: True),
    ("customer__region", "=", "north", lambda o: o.region == "north"),
    ("customer__region", "is_null", [], lambda o: o.region is None),
    ("customer__region", "is_not_null", [], lambda o: o.region is not None),
    ("customer__region", "!=", "north", lambda o: o.region not in (None, "north")),
    ("customer__region", "not_in", ["north"], lambda o: o.region not in (None, "north")),
    ("customer__full_name", "=", "Dan O'Neil", lambda o: o.customer_id == 4),
    ("customer", "=", 3, lambda o: o.customer_id == 3),
    ("customer", "in", [1, 4], lambda o: o.customer_id in (1, 4)),
    ("customer", ">", 2, lambda o: o.customer_id is not None and o.customer_id > 2),
    ("customer", "is_null", [], lambda o: o.customer_id is None),
    ("customer", "between", [2, 3], lambda o: o.customer_id in (2, 3)),
    ("order", "between", [3, 5], lambda o: 3 <= o.order_id <= 5),
    ("metric_time__day", "=", "2024-03-02", lambda o: o.ordered_on == day(2)),
    ("metric_time__day", "!=", "2024-03-02", lambda o: o.ordered_on != day(2)),
    ("metric_time__day", ">=", day(4), lambda o: o.ordered_on >= day(4)),
    ("metric_time__day", "<", "2024-03-04", lambda o: o.ordered_on < day(4)),
    ("metric_time__day", "in", ["2024-03-01", day(5)], lambda o: o.ordered_on in (day(1), day(5))),
    ("metric_time__day", "between", [day(2), day(3)], lambda o: day(2) <= o.ordered_on <= day(3)),
    ("metric_time", "=", "2024-03-02", lambda o: o.ordered_on == day(2)),
    ("metric_time__week", "=", "2024-02-26", lambda o: o.ordered_on <= day(3)),
    ("metric_time__month", ">", "2024-02-01", lambda o: True),
    ("order__ordered_on__day", ">", "2024-03-04", lambda o: o.ordered_on > day(4)),
    ("metric_time__day", ">", "2024-03-04T00:00:00", lambda o: o.ordered_on > day(4)),
    ("metric_time__extract_dow", "=", 6, lambda o: o.ordered_on.isoweekday() == 6),
    ("metric_time__extract_day", "in", [1, "3"], lambda o: o.ordered_on.day in (1, 3)),
    ("customer", "=", "3", lambda o: o.customer_id == 3),
    ("customer", "=", 2.5, lambda o: False),
    ("customer", "<", "2.5", lambda o: o.customer_id is not None and o.customer_id <= 2),
]


@pytest.mark.parametrize(
    ("dimension", "operator", "values", "kept"),
    FILTERS,
    ids=[f"{dimension} {operator} {values}" for dimension, operator, values, _ in FILTERS],
)
def test_a_filter_keeps_the_rows_that_plain_python_keeps(
    door: GovernedMetrics, dimension: str, operator: str, values: object, kept: Predicate
) -> None:
    expected: dict[str, list[Order]] = defaultdict(list)
    for order in filter(kept, seed_orders()):
        expected[order.status].append(order)

    answered = answer(
        door,
        metrics=["orders", "revenue"],
        group_by="order__status",
        filters={"dimension": dimension, "operator": operator, "values": values},
    )

    assert {row[0]: row[1:] for row in answered.rows} == {
        status: (len(orders), paid(orders)) for status, orders in expected.items()
    }


def test_all_filters_hold_at_once(door: GovernedMetrics) -> None:
    filters = [
        {"dimension": "order__status", "operator": "in", "values": ["paid", "returned"]},
        {"dimension": "customer__region", "values": "north"},
        {"dimension": "metric_time__day", "operator": ">", "values": "2024-03-01"},
    ]
    kept = [
        order
        for order in seed_orders()
        if order.status in ("paid", "returned")
        and order.region == "north"
        and order.ordered_on > day(1)
    ]
    assert answer(door, metrics="orders", filters=filters).rows == ((len(kept),),)


def test_a_time_range_takes_in_both_its_ends(door: GovernedMetrics) -> None:
    ranged = answer(
        door,
        metrics="orders",
        group_by="metric_time__day",
        time_range={"start": "2024-03-02", "end": "2024-03-04"},
    )
    assert ranged.rows == ((day(2), 2), (day(3), 1), (day(4), 2))


def test_a_running_total_counts_the_days_before_its_range(door: GovernedMetrics) -> None:
    def window(last: date) -> Decimal | None:
        return paid(o for o in seed_orders() if last - timedelta(days=3) < o.ordered_on <= last)

    ranged = answer(
        door,
        metrics="revenue_running",
        group_by="metric_time__day",
        time_range={"start": "2024-03-04", "end": "2024-03-05"},
    )
    assert ranged.rows == ((day(4), window(day(4))), (day(5), window(day(5))))


def test_ratios_and_derived_metrics_are_made_of_their_inputs(door: GovernedMetrics) -> None:
    orders = seed_orders()
    returned = sum(order.status == "returned" for order in orders)
    paid_orders = sum(order.status == "paid" for order in orders)

    [(rate, average)] = answer(door, metrics=["return_rate", "average_order"]).rows

    assert rate == pytest.approx(returned / len(orders))
    assert float(average) == pytest.approx(float(paid(orders) or 0) / paid_orders)


def test_a_conversion_counts_orders_within_its_days_after_each_sign_up(
    door: GovernedMetrics,
) -> None:
    def converted(customer_id: int, signed_up_on: date) -> int:
        until = signed_up_on + timedelta(days=14)
        return sum(
            o.customer_id == customer_id and signed_up_on <= o.ordered_on < until
            for o in seed_orders()
        )

    customers = seed_customers()
    expected = sum(converted(c.customer_id, c.signed_up_on) for c in customers) / len(customers)

    assert answer(door, metrics="first_order_rate").rows == ((pytest.approx(expected),),)


def test_rows_come_in_the_order_asked_with_what_has_no_value_last(door: GovernedMetrics) -> None:
    by_region = {"metrics": ["orders", "revenue"], "group_by": "customer__region"}

    falling = answer(door, **by_region, order_by="-orders").rows
    rising = answer(door, **by_region, order_by=["orders"]).rows
    by_name = answer(door, **by_region, order_by="-customer__region").rows

    assert [row[:2] for row in falling] == [("north", 4), (None, 3), ("south", 2)]
    assert [row[:2] for row in rising] == [("south", 2), (None, 3), ("north", 4)]
    assert [row[0] for row in by_name] == ["south", "north", None]


def test_without_an_order_rows_come_by_their_groups(door: GovernedMetrics) -> None:
    rows = answer(door, metrics="orders", group_by=["order__status", "customer__region"]).rows
    assert list(rows) == sorted(rows, key=lambda row: (row[0], row[1] is None, row[1] or ""))


def test_a_time_without_a_grain_is_its_days(door: GovernedMetrics) -> None:
    bare = answer(door, metrics="orders", group_by="metric_time", order_by="-metric_time")
    full = answer(door, metrics="orders", group_by="metric_time__day", order_by="-metric_time__day")
    assert bare.columns == full.columns == ("metric_time__day", "orders")
    assert bare.rows == full.rows


# What is withheld


@pytest.mark.parametrize("name", ["orders", "customers", "no_such_metric"])
def test_nothing_is_granted_to_a_reader_that_no_rule_names(
    door: GovernedMetrics, name: str
) -> None:
    refused = refusal(door, NOBODY, metrics=name)
    assert refused.reason is Reason.NOT_AVAILABLE
    assert str(refused) == f"Metric '{name}' is not available to 'nobody' (nothing is granted)"


BARS_A_DIMENSION = (
    POLICY
    + """
  - forbid: the region is nobody's business
    readers: ["*"]
    metrics: "*"
    dimensions: [customer__region, customer__signed_up_on]
"""
)


class Without:
    """A `MetricEngine` that does not know some dimensions that another knows."""

    def __init__(self, engine: MetricEngine, *names: str) -> None:
        self._engine = engine
        self._names = names

    def dimensions(self, metrics: Sequence[str]) -> Mapping[str, Dimension]:
        found = self._engine.dimensions(metrics)
        return {name: item for name, item in found.items() if name not in self._names}

    def compile(self, request: CompileRequest) -> str:
        return self._engine.compile(request)


@pytest.mark.parametrize(
    "query",
    [
        {"metrics": "customers"},
        {"metrics": "first_order_rate", "group_by": "customer__region"},
        {"metrics": ["orders", "paid_orders"]},
        {"metrics": "orders", "group_by": "customer__email"},
        {"metrics": "orders", "group_by": ["order__status", "customer__full_name"]},
        {"metrics": "orders", "group_by": "customer__region"},
        {"metrics": "orders", "group_by": "customer__signed_up_on__day"},
        {"metrics": "orders", "group_by": "customer__signed_up_on"},
        {"metrics": "orders", "filters": {"dimension": "customer__email", "values": "x"}},
        {
            "metrics": ["orders", "revenue"],
            "filters": {"dimension": "customer__signed_up_on__month", "values": "2024-02-01"},
        },
    ],
    ids=str,
)
def test_what_is_not_granted_is_refused_in_the_words_for_what_does_not_exist(
    open_door: OpenDoor,
    shop_catalog: Catalog,
    published: SnapshotStore,
    engine: RememberingEngine,
    tmp_path: Path,
    query: dict[str, Any],
) -> None:
    """To the letter, hint and all, what is said where neither the metrics nor the dimensions are there at all."""
    hidden = {"customers", "first_order_rate", "paid_orders", "return_rate", "returned_orders"}
    left = {name: item for name, item in shop_catalog.metrics.items() if name not in hidden}
    barred = ("email", "full_name", "region", "signed_up_on")
    poorer = build_door(
        replace(shop_catalog, metrics=left),
        Without(engine, *(f"customer__{name}" for name in barred)),
        published,
        Ledger.in_memory(),
    )

    here = refusal(open_door(policy=BARS_A_DIMENSION), ANALYST, **query)
    there = refusal(poorer, ANALYST, **query)

    assert here.reason is there.reason is Reason.NOT_AVAILABLE
    assert (here.message, here.hint) == (there.message, there.hint)
    poorer.ledger.close()


@pytest.mark.parametrize(
    "asked", [{"group_by": "order"}, {"filters": {"dimension": "order", "values": 3}}]
)
def test_a_dimension_that_is_offered_can_be_used_even_if_it_is_a_word_of_sql(
    door: GovernedMetrics, asked: dict[str, Any]
) -> None:
    described = door.describe(BOSS, "orders")
    assert described is not None
    assert "order" in {item.name for item in described.dimensions}
    assert answer(door, metrics="orders", **asked).rows


def test_a_hint_names_only_what_the_reader_may_have(
    open_door: OpenDoor, shop_catalog: Catalog
) -> None:
    door = open_door(policy=BARS_A_DIMENSION)
    metrics = {metric.name for metric in door.readable_metrics(ANALYST)}
    asked = [{"metrics": name} for name in ("ordrs", "custmers", "zzzz")]
    asked += [{"metrics": "orders", "group_by": n} for n in ("customer__emai", "regio", "zzzz")]

    told = " ".join(str(refusal(door, ANALYST, **query).hint) for query in asked)

    assert "'orders'" in told
    for name in set(shop_catalog.metrics) - metrics | {"customer__email", "customer__region"}:
        assert f"'{name}'" not in told
        assert f" {name}," not in told


def test_the_nearest_name_is_offered(door: GovernedMetrics) -> None:
    assert refusal(door, metrics="revenu").hint == "did you mean 'revenue'?"
    misspelt = refusal(door, metrics="orders", group_by="customer__regoin")
    assert "did you mean 'customer__region'" in str(misspelt.hint)


def test_a_metric_is_described_with_the_dimensions_that_its_reader_may_use(
    door: GovernedMetrics,
) -> None:
    for_boss, for_analyst = door.describe(BOSS, "orders"), door.describe(ANALYST, "orders")
    assert for_boss is not None
    assert for_analyst is not None
    names = {item.name for item in for_boss.dimensions}

    assert {item.name for item in for_analyst.dimensions} == names - {
        "customer__email",
        "customer__full_name",
    }
    assert [metric.name for metric in door.readable_metrics(ANALYST)] == [
        "average_order",
        "orders",
        "revenue",
        "revenue_running",
    ]
    assert door.describe(ANALYST, "customers") is door.describe(ANALYST, "no_such_metric") is None
    assert door.readable_metrics(NOBODY) == ()


def test_an_agent_gets_no_more_than_it_asks_for(door: GovernedMetrics) -> None:
    modest = Reader(name="boss", asks=frozenset({"orders"}))
    assert answer(door, modest, metrics="orders").rows == ((9,),)
    assert refusal(door, modest, metrics="revenue").reason is Reason.NOT_AVAILABLE


def test_a_restricted_reader_sees_its_own_rows_and_is_told_so(door: GovernedMetrics) -> None:
    own = [order for order in seed_orders() if order.customer_id in (1, 3)]

    answered = answer(door, NORTH, metrics=["orders", "revenue"])

    assert answered.rows == ((len(own), paid(own)),)
    assert notices(answered) == [("filtered", "only rows whose customer is 1, 3")]


def test_one_who_acts_for_a_restricted_reader_is_restricted_too(door: GovernedMetrics) -> None:
    nobodys = door.query({"metrics": "orders"}, reader=Reader(name="boss", acting_for=""))
    assert isinstance(nobodys, Refusal), "the empty name is a reader who is granted nothing"
    deputy = Reader(name="boss", acting_for="north")
    assert answer(door, deputy, metrics="orders").rows == answer(door, NORTH, metrics="orders").rows
    assert refusal(door, deputy, metrics="orders", group_by="customer__email").reason is (
        Reason.NOT_AVAILABLE
    )


def test_a_metric_whose_rows_cannot_be_restricted_is_refused(open_door: OpenDoor) -> None:
    door = open_door(policy=POLICY.replace("rows: {customer", "rows: {order"))
    assert answer(door, NORTH, metrics="orders").rows == ((2,),), "orders 1 and 3"

    refused = refusal(door, NORTH, metrics="customers")
    assert refused.reason is Reason.ROWS_NOT_RESTRICTABLE
    assert "'customers' has no order" in refused.message


def test_an_exempt_metric_is_read_whole(open_door: OpenDoor) -> None:
    restricted = POLICY.replace("rows: {customer", "exempt: [customers]\n    rows: {order")
    door = open_door(policy=restricted)
    assert answer(door, NORTH, metrics="customers").rows == ((4,),)
    assert notices(answer(door, NORTH, metrics="customers")) == []


def test_masked_values_are_pseudonyms_that_keep_groups_apart(door: GovernedMetrics) -> None:
    query = {"metrics": "orders", "group_by": "customer__full_name"}
    masked, again = answer(door, NORTH, **query), answer(door, NORTH, **query)
    names = {c.full_name for c in seed_customers() if c.customer_id in (1, 3)}

    assert [count for _, count in masked.rows] == [2, 2]
    assert len({name for name, _ in masked.rows}) == 2
    assert masked.rows == again.rows
    assert ("masked", "the values of customer__full_name are pseudonyms") in notices(masked)
    for pseudonym, _ in masked.rows:
        assert pseudonym.startswith("masked-")
        digest = pseudonym.removeprefix("masked-")
        assert not any(
            hashlib.sha256(name.encode()).hexdigest().startswith(digest) for name in names
        )


def test_which_key_made_pseudonyms_is_on_record_before_they_are(
    door: GovernedMetrics,
) -> None:
    def told() -> list[tuple[str, object, object]]:
        with door.ledger.reading() as connection:
            rows = connection.exec_driver_sql(
                "SELECT body FROM records WHERE reason = 'masking_key' ORDER BY seq"
            ).scalars()
            said = [content_of(body) for body in rows]
        return [
            (it["reader"], it["details"]["before"], it["details"]["masking_key"]) for it in said
        ]

    query = {"metrics": "orders", "group_by": "customer__full_name"}
    answer(door, BOSS, **query)
    assert told() == [], "no pseudonym was made"
    answer(door, NORTH, **query)
    answer(door, NORTH, **query)
    first = mask_key_id(door.mask_key)
    assert told() == [(NORTH.name, None, first)]
    door.mask_key = "another key"
    answer(door, NORTH, **query)
    second = mask_key_id("another key")
    assert told() == [(NORTH.name, None, first), (NORTH.name, first, second)]
    assert len(first) == 16
    assert door.ledger.verify().is_whole


def test_another_key_gives_other_pseudonyms(door: GovernedMetrics, open_door: OpenDoor) -> None:
    query = {"metrics": "orders", "group_by": "customer__full_name"}
    other = open_door()
    other.mask_key = "another key"
    ours, theirs = (
        {name for name, _ in answer(each, NORTH, **query).rows} for each in (door, other)
    )
    assert not ours & theirs


@pytest.mark.parametrize(
    "filter_",
    [
        {"operator": "=", "values": "Ada Lovelace"},
        {"operator": "starts_with", "values": "A"},
        {"operator": "is_null", "values": []},
    ],
)
def test_a_masked_dimension_cannot_be_probed_with_a_filter(
    door: GovernedMetrics, filter_: dict[str, object]
) -> None:
    refused = refusal(
        door, NORTH, metrics="orders", filters={"dimension": "customer__full_name", **filter_}
    )
    assert refused.reason is Reason.NOT_AVAILABLE
    assert "is masked" in refused.message


def test_masked_groups_are_ordered_by_their_pseudonyms(door: GovernedMetrics) -> None:
    """Else the order of the rows would tell the order of the names."""
    by_name = {"metrics": "orders", "group_by": "customer__full_name"}
    rising = answer(door, NORTH, **by_name, order_by="customer__full_name").rows
    falling = answer(door, NORTH, **by_name, order_by="-customer__full_name").rows
    assert list(rising) == sorted(rising)
    assert list(falling) == sorted(rising, reverse=True)


TIMELESS = (
    POLICY
    + """
  - forbid: analysts see no time
    readers: ["analyst_*"]
    metrics: "*"
    dimensions: [metric_time]
  - restrict: north sees time as pseudonyms
    readers: [north]
    metrics: "*"
    masks: {metric_time: hash}
"""
)


@pytest.mark.parametrize("reader", [ANALYST, NORTH])
def test_a_time_range_is_a_filter_on_time_and_is_barred_like_one(
    open_door: OpenDoor, reader: Reader
) -> None:
    door = open_door(policy=TIMELESS)
    one_day = {"start": "2024-03-01", "end": "2024-03-01"}
    by_filter = {"dimension": "metric_time__day", "values": "2024-03-01"}

    assert refusal(door, reader, metrics="orders", filters=by_filter).reason is Reason.NOT_AVAILABLE
    assert (
        refusal(door, reader, metrics="orders", time_range=one_day).reason is Reason.NOT_AVAILABLE
    )
    assert answer(door, reader, metrics="orders").rows


def test_an_answer_cut_by_its_own_limit_says_so(door: GovernedMetrics) -> None:
    cut = answer(door, metrics="orders", group_by="order__status", limit=2)
    whole = answer(door, metrics="orders", group_by="order__status", limit=3)

    assert len(cut.rows) == 2
    assert cut.truncated
    assert notices(cut) == [("cut", "there are more rows than the 2 asked for")]
    assert len(whole.rows) == 3
    assert not whole.truncated


def test_an_answer_cut_by_the_policy_says_whose_limit_it_was(open_door: OpenDoor) -> None:
    capped = "\n  - restrict: few rows\n    readers: [boss]\n    metrics: '*'\n    max_rows: 2\n"
    door = open_door(policy=POLICY + capped)
    by_status = {"metrics": "orders", "group_by": "order__status"}

    for cut in (answer(door, **by_status), answer(door, **by_status, limit=50)):
        assert len(cut.rows) == 2
        assert notices(cut) == [("cut", "there are more rows than the 2 that 'boss' may have")]
    assert answer(door, **by_status, limit=1).truncated
    assert not answer(door, metrics="orders").truncated


def test_a_range_that_ends_after_the_data_says_so(door: GovernedMetrics) -> None:
    beyond = answer(door, metrics="orders", time_range={"start": "2024-03-05", "end": "2024-03-09"})
    within = answer(door, metrics="orders", time_range={"start": "2024-03-05", "end": "2024-03-05"})

    assert notices(beyond) == [
        ("beyond_data", "the data ends on 2024-03-05, the range on 2024-03-09")
    ]
    assert notices(within) == []


# Gates


def test_data_that_is_older_than_the_reader_may_have_is_refused(
    open_door: OpenDoor, published: SnapshotStore
) -> None:
    fresh = "\n  - restrict: fresh\n    readers: [boss]\n    metrics: '*'\n    max_age_hours: 3\n"
    at = published.current().published_at
    early = open_door(policy=POLICY + fresh, now=lambda: at + 3 * HOUR)
    late = open_door(policy=POLICY + fresh, now=lambda: at + 3 * HOUR + timedelta(seconds=1))

    assert answer(early, metrics="orders").rows == ((9,),)
    refused = refusal(late, metrics="orders")
    assert refused.reason is Reason.STALE
    assert "3 hours old" in refused.message
    assert answer(late, ANALYST, metrics="orders").rows == ((9,),)


def with_meta(catalog: Catalog, metric: str, **meta: object) -> Catalog:
    semantic = json.loads(catalog.semantic_manifest)
    found = next(item for item in semantic["metrics"] if item["name"] == metric)
    found["config"] = {"meta": (found.get("config") or {}).get("meta", {}) | meta}
    return build_catalog(json.dumps(semantic), json.loads(catalog.manifest_subset))


def test_an_answer_that_is_no_longer_fresh_says_so(
    open_door: OpenDoor, shop_catalog: Catalog, published: SnapshotStore
) -> None:
    catalog = with_meta(shop_catalog, "orders", fresh_within_hours=6)
    at = published.current().published_at
    door = open_door(catalog=catalog, now=lambda: at + 7 * HOUR)

    assert notices(answer(door, metrics="orders")) == [
        ("stale", "orders is 7 hours old and counts as fresh for 6 hours")
    ]
    assert notices(answer(door, metrics="revenue")) == []
    assert answer(door, metrics="orders").provenance.age == 7 * HOUR


@pytest.fixture
def half_broken(
    open_door: OpenDoor, shop: BuiltProject, tmp_path: Path
) -> Callable[[str, State], GovernedMetrics]:
    """A door over data of which one model's checks do not pass."""

    def half_broken(model: str, state: State) -> GovernedMetrics:
        door = open_door(snapshots=SnapshotStore(tmp_path / "snapshots"))
        reason = f"a test of {model} has failed"
        models = {f"model.corner_shop.{model}": ModelState(state=state, reason=reason)}
        publish(door, shop.warehouse, models=models)
        return door

    return half_broken


@pytest.mark.parametrize("state", [State.FAILING, State.UNKNOWN])
def test_metrics_of_a_model_that_is_not_passing_are_refused_and_others_go_on(
    half_broken: Callable[[str, State], GovernedMetrics], state: State
) -> None:
    door = half_broken("orders", state)

    refused = refusal(door, metrics="orders")
    assert refused.reason is Reason.CHECKS_NOT_PASSING
    assert refused.message == "'orders' may not be read: a test of orders has failed"
    assert refusal(door, metrics="first_order_rate").reason is Reason.CHECKS_NOT_PASSING
    assert answer(door, metrics="customers").rows == ((4,),)


def test_a_dimension_of_a_model_that_is_not_passing_cannot_be_used(
    half_broken: Callable[[str, State], GovernedMetrics],
) -> None:
    door = half_broken("customers", State.FAILING)

    assert answer(door, metrics="revenue", group_by="order__status").rows
    refused = refusal(door, metrics="revenue", group_by="customer__region")
    assert refused.reason is Reason.CHECKS_NOT_PASSING
    assert refused.message.endswith("a test of customers has failed")


def test_a_metric_whose_definition_has_changed_waits_for_new_data(
    open_door: OpenDoor, shop_catalog: Catalog
) -> None:
    semantic = shop_catalog.semantic_manifest.replace(
        "case when status = 'paid' then amount end", "amount"
    )
    changed = build_catalog(semantic, json.loads(shop_catalog.manifest_subset))
    door = open_door(catalog=changed)

    refused = refusal(door, metrics="revenue")
    assert refused.reason is Reason.DEFINITION_CHANGED
    assert refused.hint == "materialize governed_snapshot"
    assert answer(door, metrics="orders").rows == ((9,),)


def test_a_metric_that_the_snapshot_does_not_know_is_refused(
    open_door: OpenDoor, shop: BuiltProject, shop_catalog: Catalog, tmp_path: Path
) -> None:
    store = SnapshotStore(tmp_path / "snapshots")
    with store.stage(shop_catalog, shop.warehouse) as staged:
        staged.publish(staged.unmeasured({}, {}, None))
    assert refusal(open_door(snapshots=store), metrics="orders").reason is Reason.DEFINITION_CHANGED


def test_a_process_with_an_old_policy_reads_nothing(door: GovernedMetrics) -> None:
    assert answer(door, metrics="orders").rows
    door.ledger.publish_policy("another", "text", by="the owner", run_id=None)

    refused = refusal(door, metrics="orders")
    assert refused.reason is Reason.POLICY_NOT_CURRENT
    assert "another" not in str(refused)


def test_before_anything_is_published_there_is_nothing_to_read(
    open_door: OpenDoor, tmp_path: Path
) -> None:
    door = open_door(snapshots=SnapshotStore(tmp_path / "empty"))
    refused = refusal(door, metrics="orders")
    assert refused.reason is Reason.NOTHING_PUBLISHED
    assert refused.hint == "materialize governed_snapshot"
    assert refusal(door, metrics="secret").reason is Reason.NOT_AVAILABLE


class Overburdened(OpenSnapshot):
    """The published data in a file of its own, since DuckDB opens one file in one way only. Every query is `sql`."""

    def __init__(self, path: Path, sql: str, limits: QueryLimits) -> None:
        super().__init__(path, limits=limits)
        self._sql = sql

    def execute(self, sql: str, parameters: Mapping[str, Any], limit: int) -> Fetched:
        return super().execute(self._sql, {}, limit)


ENDLESS = "SELECT count(*) FROM range(1_000_000) a, range(1_000_000) b WHERE a <> b"
LARGE = "SELECT count(*) FROM (SELECT DISTINCT md5(range::VARCHAR) FROM range(3_000_000))"


@pytest.fixture
def overburdened(
    published: SnapshotStore, tmp_path: Path
) -> Iterator[Callable[[str, QueryLimits], Overburdened]]:
    with ExitStack() as stack:

        def opened(sql: str, limits: QueryLimits) -> Overburdened:
            path = tmp_path / "apart.duckdb"
            shutil.copy(snapshot_file(published, published.current()), path)
            data = Overburdened(path, sql, limits)
            stack.callback(data.close)
            return data

        yield opened


@pytest.fixture
def slow(overburdened: Callable[[str, QueryLimits], Overburdened]) -> Overburdened:
    return overburdened(ENDLESS, QueryLimits(seconds=0.05))


@pytest.mark.parametrize(
    ("sql", "limits", "reason"),
    [
        (ENDLESS, QueryLimits(seconds=0.05), Reason.TIMED_OUT),
        (LARGE, QueryLimits(memory_mb=64), Reason.OUT_OF_MEMORY),
    ],
)
def test_a_query_that_needs_more_than_it_may_is_cancelled_refused_and_on_record(
    door: GovernedMetrics,
    overburdened: Callable[[str, QueryLimits], Overburdened],
    ledger: Ledger,
    tmp_path: Path,
    sql: str,
    limits: QueryLimits,
    reason: Reason,
) -> None:
    with door.session(BOSS, data=overburdened(sql, limits)) as session:
        refused = session.query({"metrics": "orders"})

    assert isinstance(refused, Refusal)
    assert refused.reason is reason
    [read] = find_reads(ledger, ReadQuestion())
    assert (read.read_id, read.outcome, read.reason) == (refused.read_id, "refused", reason.value)
    assert [path.name for path in tmp_path.glob("apart*")] == ["apart.duckdb"], "nothing is spilled"


@pytest.mark.parametrize(
    ("filter_", "told"),
    [
        ({"dimension": "order__status", "values": 1}, "1 is no text; write '1'"),
        ({"dimension": "order__status", "values": True}, "True is no text; write 'True'"),
        ({"dimension": "customer", "values": "Ada"}, "'Ada' is no number"),
        ({"dimension": "customer", "values": "1_0"}, "'1_0' is no number"),
        ({"dimension": "customer", "values": "nan"}, "'nan' is no number"),
        ({"dimension": "customer", "values": False}, "False is no number"),
        (
            {"dimension": "customer", "operator": "contains", "values": "1"},
            "is a number, and 'contains' needs a text",
        ),
        ({"dimension": "metric_time__extract_dow", "values": "2.5"}, "a dow is a whole number"),
        (
            {"dimension": "metric_time__month", "values": "2024-03-15"},
            "no month begins with 2024-03-15; write 2024-03-01",
        ),
        (
            {"dimension": "metric_time__day", "values": "2024-03-04T12:00:00"},
            "no day begins with 2024-03-04 12:00:00; write 2024-03-04",
        ),
        ({"dimension": "metric_time__day", "values": "soon"}, "'soon' is not a date"),
        ({"dimension": "metric_time__day", "values": 20240301}, "20240301 is not a date"),
    ],
)
def test_a_value_of_another_type_is_the_readers_to_mend(
    door: GovernedMetrics, filter_: dict[str, object], told: str
) -> None:
    refused = refusal(door, metrics="orders", filters=filter_)
    assert refused.reason is Reason.INVALID_QUERY
    assert told in refused.message


def test_a_metric_of_a_window_needs_its_time(door: GovernedMetrics) -> None:
    refused = refusal(door, metrics="revenue_running")
    assert refused.reason is Reason.INVALID_QUERY
    assert refused.hint == "add 'metric_time__day' (or another grain) to group_by"


# The record


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    "asked",
    [
        None,
        7,
        "orders",
        ["orders"],
        {},
        {"metrics": None},
        {"metrics": {"sql": "1 = 1"}},
        {"metrics": "orders", "where": "1 = 1"},
        {"metrics": "orders", "x" * 1_000_000: 1},
        {"metrics": "orders", "\ud800": 1},
        {"metrics": ["\ud800"]},
        {"metrics": nested(100_000)},
        {"metrics": "orders", "filters": nested(100_000)},
        {"metrics": ["x" * 100_000] * 50},
    ],
    ids=lambda asked: repr(asked)[:30] if not isinstance(asked, dict) else "-".join(asked)[:30],
)
def test_a_request_of_any_shape_is_refused_and_on_record(
    door: GovernedMetrics, ledger: Ledger, asked: Any
) -> None:
    refused = door.query(asked, reader=BOSS)

    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.INVALID_QUERY
    assert len(str(refused)) < 2_000
    assert {read.read_id for read in find_reads(ledger, ReadQuestion())} == {refused.read_id}
    assert len(json.dumps(bodies(ledger)[-1])) < 50_000


class WatchedLedger(Ledger):
    """A ledger that notes what it has written, among other events."""

    def __init__(self, path: Path, events: list[str]) -> None:
        self._events = events
        super().__init__(SqliteStore(path))

    def append(self, record: Record, terms: Terms | None = None) -> bool:
        is_new = super().append(record, terms)
        self._events.append(record.kind.value)
        return is_new


class RecordedFirst(WatchedSnapshot):
    """A snapshot that looks into the ledger's file, as another program would, before it runs a query."""

    def __init__(self, path: Path, ledger: Ledger, events: list[str]) -> None:
        super().__init__(path)
        self._ledger = ledger
        self._events = events

    def execute(self, sql: str, parameters: Mapping[str, Any], limit: int) -> Fetched:
        kinds = [body["kind"] for body in bodies(self._ledger) if "kind" in body]
        self._events.append(f"run after {kinds[-1] if kinds else 'nothing'}")
        return super().execute(sql, parameters, limit)


def test_the_intent_is_on_record_before_the_query_and_the_outcome_before_the_answer(
    open_door: OpenDoor, published: SnapshotStore, tmp_path: Path
) -> None:
    events: list[str] = []
    ledger = WatchedLedger(tmp_path / "watched" / "ledger.db", events)
    door = open_door(ledger=ledger)
    data = RecordedFirst(snapshot_file(published, published.current()), ledger, events)

    with door.session(BOSS, data=data) as session:
        assert isinstance(session.query({"metrics": "orders"}), MetricAnswer)
        events.append("answered")
        assert isinstance(session.query({"metrics": "secret"}), Refusal)
        events.append("refused")

    assert events == ["intent", "run after intent", "outcome", "answered", "refusal", "refused"]
    data.close()
    ledger.close()


def test_a_read_is_on_record_with_its_question_its_versions_and_its_result(
    door: GovernedMetrics, ledger: Ledger
) -> None:
    asked = {"metrics": ["orders", "revenue"], "group_by": "order__status"}
    context = ReadContext(run_id="run-1", step_key="step", purpose="a story")
    answered = door.query(asked, reader=NORTH, context=context)
    assert isinstance(answered, MetricAnswer)
    [_, intent, outcome] = bodies(ledger)
    made_of = answered.provenance

    assert intent["id"] == outcome["id"] == answered.read_id
    assert (intent["reader"], intent["run_id"], intent["purpose"]) == ("north", "run-1", "a story")
    assert intent["details"]["query"] == MetricQuery.model_validate(asked).canonical()
    assert intent["details"]["rows"] == [["customer", [1, 3]]]
    assert intent["details"]["snapshot"] == made_of.snapshot
    assert intent["touches"]["relation"] == list(made_of.relations)
    assert intent["details"]["policy_hash"] == door.policy.hash
    assert [item["data_version"] for item in intent["metrics"]] == [
        item.data_version for item in made_of.metrics
    ]
    assert intent["details"]["versions_as_read"] == {
        item.name: item.version_as_read for item in made_of.metrics
    }
    assert outcome["details"]["rows"] == len(answered.rows)
    plain = [list(answered.columns), [["paid", 3, "25"], ["returned", 1, None]]]
    canonical = json.dumps(plain, separators=(",", ":")).encode()
    assert outcome["details"]["result_digest"] == hashlib.sha256(canonical).hexdigest()


def test_why_a_name_was_refused_is_in_the_record_and_not_in_the_refusal(
    door: GovernedMetrics, ledger: Ledger
) -> None:
    refused = refusal(door, ANALYST, metrics="customers")
    record = ledger.body(str(refused.read_id), RecordKind.REFUSAL)

    assert record is not None
    assert record["reason"] == "not_available"
    assert record["metrics"][0]["metric"] == "customers"
    assert record["details"]["detail"] == "no rule permits it; rules: none"
    assert record["details"]["rules"] == []
    assert "permits" not in str(refused)


def test_the_rule_that_refused_a_read_is_on_record(open_door: OpenDoor, ledger: Ledger) -> None:
    """Also where the text of the refusal was erased."""
    barred = POLICY + "  - {forbid: no orders for mo, readers: analyst_mo, metrics: orders}\n"
    refused = refusal(open_door(policy=barred, ledger=ledger), ANALYST, metrics="orders")
    record = ledger.body(str(refused.read_id), RecordKind.REFUSAL)
    assert record is not None
    assert record["details"]["rules"] == ["no orders for mo"]
    assert "no orders for mo" not in str(refused)


def test_a_session_reads_one_snapshot_to_its_end(
    open_door: OpenDoor, shop: BuiltProject, tmp_path: Path
) -> None:
    door = open_door(snapshots=SnapshotStore(tmp_path / "snapshots"))
    publish(door, shop.warehouse)
    with shop.changed_warehouse(tmp_path) as (warehouse, connection):
        connection.execute(f"DELETE FROM {ORDERS} WHERE order_id > 3")

    with door.session(BOSS) as session:
        before = session.query({"metrics": "orders"})
        publish(door, warehouse)
        after = session.query({"metrics": "orders", "group_by": "order__status"})

    assert isinstance(before, MetricAnswer)
    assert isinstance(after, MetricAnswer)
    assert sum(row[1] for row in after.rows) == before.rows[0][0] == 9
    assert before.provenance.snapshot == after.provenance.snapshot
    assert answer(door, metrics="orders").rows == ((3,),)


CALL = ReadContext(run_id="run-1", root_run_id="run-1", step_key="agent")


def test_a_call_that_is_tried_again_is_the_same_read(door: GovernedMetrics, ledger: Ledger) -> None:
    with door.session(BOSS, CALL) as session:
        first = session.query({"metrics": "orders"}, call_id="turn-1")
        again = session.query({"metrics": "orders"}, call_id="turn-1")
        other = session.query({"metrics": "orders"}, call_id="turn-2")

    assert isinstance(first, MetricAnswer)
    assert isinstance(again, MetricAnswer)
    assert isinstance(other, MetricAnswer)
    assert first.read_id == again.read_id != other.read_id
    assert len(list(find_reads(ledger, ReadQuestion()))) == 2


def test_a_call_that_is_tried_again_on_newer_data_is_another_read(
    open_door: OpenDoor, shop: BuiltProject, ledger: Ledger, tmp_path: Path
) -> None:
    door = open_door(snapshots=SnapshotStore(tmp_path / "snapshots"))
    found = []
    for _ in range(2):
        publish(door, shop.warehouse)
        with door.session(BOSS, CALL) as session:
            answered = session.query({"metrics": "orders"}, call_id="turn-1")
        assert isinstance(answered, MetricAnswer)
        found.append((answered.read_id, answered.provenance.snapshot))

    on_record = [
        (read.read_id, read.snapshot) for read in find_reads(ledger, ReadQuestion(reader="boss"))
    ]
    assert on_record == found[::-1]


def test_a_call_that_timed_out_and_then_was_answered_is_on_record_as_answered(
    door: GovernedMetrics, slow: Overburdened, ledger: Ledger
) -> None:
    with door.session(BOSS, CALL, data=slow) as session:
        assert isinstance(session.query({"metrics": "orders"}, call_id="turn-1"), Refusal)
    with door.session(BOSS, CALL) as session:
        answered = session.query({"metrics": "orders"}, call_id="turn-1")

    assert isinstance(answered, MetricAnswer)
    told = {(read.read_id, read.outcome) for read in find_reads(ledger, ReadQuestion())}
    assert (answered.read_id, "allowed") in told


def test_of_two_tries_at_once_only_what_is_on_record_is_released(
    door: GovernedMetrics, slow: Overburdened, ledger: Ledger
) -> None:
    """While the first try runs, the second times out and is on record; then the first has its rows."""

    class Overtaken(OpenSnapshot):
        def execute(self, *asked: Any) -> Fetched:
            with door.session(BOSS, CALL, data=slow) as other:
                assert isinstance(other.query({"metrics": "orders"}, call_id="turn-1"), Refusal)
            return super().execute(*asked)

    file = snapshot_file(door.snapshots, door.snapshots.current())
    overtaken = Overtaken(file, limits=PATIENT)
    with door.session(BOSS, CALL, data=overtaken) as session:
        refused = session.query({"metrics": "orders"}, call_id="turn-1")

    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.QUERY_FAILED
    assert {(read.outcome, read.reason) for read in find_reads(ledger, ReadQuestion())} == {
        ("refused", "timed_out"),
        ("refused", "query_failed"),
    }


def test_a_model_of_which_nothing_is_known_is_not_read(door: GovernedMetrics) -> None:
    forgotten = replace(door.snapshots.current(), models={})
    with door.session(BOSS, snapshot=forgotten) as session:
        refused = session.query({"metrics": "orders"})

    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.CHECKS_NOT_PASSING
    assert "nothing is known of the checks of model.corner_shop.orders" in refused.message


def test_many_threads_read_through_one_door(door: GovernedMetrics, ledger: Ledger) -> None:
    by_status = {
        status: len([order for order in seed_orders() if order.status == status])
        for status in ("paid", "open", "returned")
    }

    def ask(status: str) -> list[tuple[Any, ...]]:
        filters = {"dimension": "order__status", "values": status}
        return [answer(door, metrics="orders", filters=filters).rows[0] for _ in range(10)]

    with ThreadPoolExecutor(6) as pool:
        found = list(zip([*by_status] * 2, pool.map(ask, [*by_status] * 2), strict=True))

    assert found == [(status, [(by_status[status],)] * 10) for status in [*by_status] * 2]
    assert len(list(find_reads(ledger, ReadQuestion()))) == 60


def test_what_a_personal_dimension_was_compared_with_can_be_erased(
    door: GovernedMetrics, ledger: Ledger
) -> None:
    """Also the texts of a refusal, in which whatever was asked can stand."""
    asked = {"dimension": "customer__full_name", "operator": "=", "values": "Jane Doe"}
    told = answer(door, metrics="orders", filters=[asked])
    refused = refusal(door, metrics="orders", filters=[asked | {"dimension": "no_such"}])
    assert not [body for body in bodies(ledger) if "Jane Doe" in json.dumps(body)]

    def said(read_id: str | None, kind: RecordKind) -> dict[str, Any]:
        body = ledger.body(str(read_id), kind)
        assert body is not None
        return dict(body["details"])

    query = said(told.provenance.read_id, RecordKind.INTENT)["query"]
    assert query["filters"][0]["values"] == ["Jane Doe"]
    assert "Jane Doe" in said(refused.read_id, RecordKind.REFUSAL)["request"]

    assert ledger.erase("Jane Doe", by="owner", reason="asked")[1] == 2
    query = said(told.provenance.read_id, RecordKind.INTENT)["query"]
    assert query["filters"][0]["values"] == "erased"
    assert said(refused.read_id, RecordKind.REFUSAL)["request"] == "erased"
    assert asked_queries(ledger, since=datetime(2020, 1, 1, tzinfo=UTC), without_reader="x") == []
    assert ledger.verify().is_whole
