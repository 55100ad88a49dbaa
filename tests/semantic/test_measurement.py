"""What a snapshot says of its metrics: versions that change when their rows do, and for whom."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.catalog import Catalog
from semantic.dbt_manifest import build_catalog
from semantic.errors import LedgerUnavailable, PolicyError
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadContext, ReadQuestion, find_reads
from semantic.measured_state import Measured
from semantic.measurement import measure
from semantic.policy import Reader
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import ModelState, SnapshotRecord, State
from tests.conftest import OpenDoor
from tests.dbt_build import BuiltProject
from tests.semantic.door import BOSS, NORTH, POLICY, publish
from tests.semantic.shop import CUSTOMERS, ORDERS, paid, seed_orders

Remeasure = Callable[..., SnapshotRecord]
REFRESHES_EVERYTHING = 'readers: [refresh]\n    metrics: "*"'


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    """A store in which nothing has been published."""
    return SnapshotStore(tmp_path / "snapshots")


@pytest.fixture
def door(open_door: OpenDoor, published: SnapshotStore, tmp_path: Path) -> GovernedMetrics:
    """A door over a copy of the published snapshot, beside which others can be published."""
    shutil.copytree(published.root, tmp_path / "published")
    return open_door(snapshots=SnapshotStore(tmp_path / "published"))


@pytest.fixture
def first(door: GovernedMetrics) -> SnapshotRecord:
    return door.snapshots.current()


@pytest.fixture
def after(
    door: GovernedMetrics, first: SnapshotRecord, shop: BuiltProject, tmp_path: Path
) -> Remeasure:
    """The record of the next snapshot, after a change to the warehouse."""

    def after(*changes: str) -> SnapshotRecord:
        with shop.changed_warehouse(tmp_path / "changed") as (warehouse, connection):
            for change in changes:
                connection.execute(change)
        return publish(door, warehouse)

    return after


def changed(before: SnapshotRecord, now: SnapshotRecord) -> set[str]:
    """The metrics whose data version is another one, after a look that `since` says the same."""
    versions = {name: metric.data_version for name, metric in now.metrics.items()}
    found = {name for name in versions if versions[name] != before.metrics[name].data_version}
    for name, metric in now.metrics.items():
        assert metric.since == (now.version if name in found else before.metrics[name].since)
    return found


def changed_as_read(before: SnapshotRecord, now: SnapshotRecord) -> set[str]:
    """The metrics whose version for the one restricted reader is another one."""
    [then], [seen] = before.as_read.values(), now.as_read.values()
    return {name for name in seen if seen[name].data_version != then[name].data_version}


def test_figures_are_the_ones_that_somebody_else_counts(first: SnapshotRecord) -> None:
    days = sorted({order.ordered_on for order in seed_orders()})
    by_day = {day: [order for order in seed_orders() if order.ordered_on == day] for day in days}
    orders, revenue = first.metrics["orders"], first.metrics["revenue"]

    assert (orders.value, orders.value_last_day) == ("9", "3")
    assert orders.series == tuple((str(day), str(len(by_day[day]))) for day in days[-3:])
    assert revenue.value == str(float(paid(seed_orders()) or 0))
    assert revenue.series == tuple(
        (str(day), f"{paid(found):f}".rstrip("0").rstrip(".")) for day, found in by_day.items()
    )
    assert (orders.first_day, orders.last_day) == (days[0], days[-1])


def test_a_window_has_the_value_of_its_last_day(first: SnapshotRecord) -> None:
    running = first.metrics["revenue_running"]
    assert running.value == running.value_last_day == "112.6"


def test_a_metric_of_two_models_knows_where_each_of_them_ends(first: SnapshotRecord) -> None:
    rate = first.metrics["first_order_rate"]
    assert rate.first_day == date(2024, 2, 20)
    assert rate.last_day == date(2024, 3, 1), "sign-ups end here, so the rate is not known later"
    assert rate.until_day == date(2024, 3, 5), "orders, which are part of it, go on"


def test_the_same_data_has_the_same_versions_since_the_first(
    first: SnapshotRecord, after: Remeasure
) -> None:
    second = after()
    assert second.version != first.version
    assert changed(first, second) == set()
    assert second.as_read == first.as_read
    assert {metric.since for metric in second.metrics.values()} == {first.version}


def test_a_version_does_not_depend_on_the_order_of_rows(
    first: SnapshotRecord, after: Remeasure
) -> None:
    shuffled = after(
        f"CREATE TABLE shuffled AS FROM {ORDERS} ORDER BY order_id DESC",
        f"DELETE FROM {ORDERS}",
        f"INSERT INTO {ORDERS} FROM shuffled",
    )
    assert changed(first, shuffled) == set()


def test_a_changed_amount_changes_the_metrics_of_money_only(
    first: SnapshotRecord, after: Remeasure
) -> None:
    second = after(f"UPDATE {ORDERS} SET amount = amount + 1 WHERE order_id = 5")
    assert changed(first, second) == {"revenue", "average_order", "revenue_running"}


@pytest.mark.soak
def test_orders_that_move_to_another_region_change_the_metric_that_declares_regions(
    first: SnapshotRecord, after: Remeasure
) -> None:
    """Totals and days stay. Only `orders` counts by region what is its value."""
    second = after(
        f"UPDATE {CUSTOMERS} SET region = CASE region WHEN 'north' THEN 'south' ELSE 'north' END "
        "WHERE region IS NOT NULL"
    )
    assert second.metrics["orders"].value == first.metrics["orders"].value
    assert second.metrics["orders"].series == first.metrics["orders"].series
    assert changed(first, second) == {"orders"}


def test_a_correction_before_the_days_of_a_scope_changes_the_total(
    first: SnapshotRecord, after: Remeasure
) -> None:
    """`orders` declares three days, to 5 March. What is lost on the first is in its total alone."""
    second = after(f"DELETE FROM {ORDERS} WHERE order_id = 1")
    assert second.metrics["orders"].series == first.metrics["orders"].series
    assert "orders" in changed(first, second)


@pytest.mark.soak
def test_a_correction_before_the_days_of_a_metric_without_total_is_not_its_value(
    open_door: OpenDoor,
    shop_catalog: Catalog,
    store: SnapshotStore,
    shop: BuiltProject,
    tmp_path: Path,
) -> None:
    """Of its last day, a window of three days knows the two before, and no more."""
    catalog = with_scope(shop_catalog, "revenue_running", days=1)
    door = open_door(catalog=catalog, snapshots=store)
    first = publish(door, shop.warehouse)
    found = []
    for order_id in (1, 4):
        with shop.changed_warehouse(tmp_path / str(order_id)) as (warehouse, connection):
            connection.execute(f"DELETE FROM {ORDERS} WHERE order_id = {order_id}")
        found.append("revenue_running" in changed(first, publish(door, warehouse)))
    assert found == [False, True]


@pytest.mark.parametrize(
    "day",
    [
        "infinity",
        *(
            pytest.param(day, marks=pytest.mark.soak)
            for day in ("9999-12-31", "-infinity", "12024-01-05")
        ),
    ],
)
def test_a_day_that_stands_for_none_is_not_the_last_day_of_the_data(
    door: GovernedMetrics, first: SnapshotRecord, after: Remeasure, day: str
) -> None:
    record = after(f"UPDATE {ORDERS} SET ordered_on = DATE '{day}' WHERE order_id = 1")
    assert set(states(record)) == {State.PASSING}
    assert record.metrics["orders"].last_day == first.metrics["orders"].last_day
    with door.session(BOSS) as session:
        assert isinstance(
            session.query({"metrics": "orders", "time_range": "last 2 days"}), MetricAnswer
        )
        assert isinstance(
            session.query({"metrics": "orders", "group_by": "metric_time__day"}), MetricAnswer
        )


@pytest.mark.soak
def test_a_version_goes_back_with_its_data_and_starts_anew(
    door: GovernedMetrics, first: SnapshotRecord, after: Remeasure, shop: BuiltProject
) -> None:
    after(f"DELETE FROM {ORDERS} WHERE order_id = 1")
    third = publish(door, shop.warehouse)
    assert third.metrics["orders"].data_version == first.metrics["orders"].data_version
    assert third.metrics["orders"].since == third.version


def test_a_day_without_a_value_is_not_a_row() -> None:
    """Which metrics are asked together decides whether there is an empty row. It is no part of the value."""
    rows = (("total", "9"), ("by_day", "2024-03-01", "1"))
    assert Measured(rows=rows).data_version == Measured(rows=rows[::-1]).data_version
    assert Measured(rows=rows).part("by_day") == [("2024-03-01", "1")]


@pytest.mark.soak
def test_a_version_does_not_depend_on_which_metrics_are_measured_together(
    open_door: OpenDoor, after: Remeasure, shop: BuiltProject, tmp_path: Path
) -> None:
    """Without a paid order on 3 March, that day is a row of `paid_orders` only where it is asked with others."""
    unpaid = f"UPDATE {ORDERS} SET status = 'open' WHERE order_id = 4"
    together = after(unpaid).metrics["paid_orders"]

    only = REFRESHES_EVERYTHING.replace('"*"', "[paid_orders]")
    door = open_door(policy=POLICY.replace(REFRESHES_EVERYTHING, only))
    door.snapshots = SnapshotStore(tmp_path / "alone")
    with shop.changed_warehouse(tmp_path / "unpaid") as (warehouse, connection):
        connection.execute(unpaid)
    alone = publish(door, warehouse).metrics["paid_orders"]

    assert alone.data_version == together.data_version
    assert alone.series == together.series
    assert [day for day, _ in alone.series] == [
        "2024-03-01",
        "2024-03-02",
        "2024-03-04",
        "2024-03-05",
    ]


# Readers who see some of the rows


def test_a_restricted_reader_has_versions_of_its_own_that_the_answers_carry(
    door: GovernedMetrics, first: SnapshotRecord
) -> None:
    [as_read] = first.as_read.values()
    answered = door.query({"metrics": ["orders", "revenue"]}, reader=NORTH)
    assert isinstance(answered, MetricAnswer)
    for version in answered.provenance.metrics:
        assert version.version_as_read == as_read[version.name].data_version
        assert version.data_version == first.metrics[version.name].data_version
        assert version.version_as_read != version.data_version


def test_a_restricted_version_changes_only_with_the_rows_that_are_visible(
    first: SnapshotRecord, after: Remeasure
) -> None:
    """North sees the customers 1 and 3. Order 5 is of customer 2, order 4 of customer 3."""
    hidden = after(f"UPDATE {ORDERS} SET amount = 1 WHERE order_id = 5")
    visible = after(f"UPDATE {ORDERS} SET amount = 1 WHERE order_id = 4")

    assert changed(first, hidden) == {"revenue", "average_order", "revenue_running"}
    assert changed_as_read(first, hidden) == set()
    assert changed_as_read(first, visible) == {"revenue", "average_order", "revenue_running"}


@pytest.mark.soak
def test_a_reader_who_is_named_by_a_pattern_only_is_measured_when_it_is_told(
    open_door: OpenDoor, store: SnapshotStore, shop: BuiltProject
) -> None:
    policy = POLICY.replace('{customer: "{customer}"}', "{customer: [2]}").replace(
        "readers: [north]", 'readers: ["nor*"]'
    )
    door = open_door(policy=policy.replace("north: {customer: [1, 3]}", "south: {customer: 1}"))
    reader = Reader(name="norman")
    unmeasured, measured = SnapshotStore(store.root / "a"), SnapshotStore(store.root / "b")
    found = []
    for snapshots, readers in ((unmeasured, ()), (measured, ("norman",))):
        door.snapshots = snapshots
        publish(door, shop.warehouse, readers=readers)
        answered = door.query({"metrics": "orders"}, reader=reader)
        assert isinstance(answered, MetricAnswer)
        assert answered.rows == ((2,),)
        found.append(answered.provenance.metrics[0].version_as_read is not None)
    assert found == [False, True]


TWO_WHO_SEE_THE_SAME_ROWS = """
rules:
  - permit: the refresh
    readers: [refresh]
    metrics: "*"
  - permit: one reads orders
    readers: [one]
    metrics: [orders, customers]
  - permit: two reads money
    readers: [two]
    metrics: [revenue, customers]
  - restrict: both see the same rows
    readers: [one, two]
    metrics: "*"
    rows: {customer: [1, 3]}
"""


@pytest.mark.soak
def test_two_readers_of_the_same_rows_have_versions_of_all_that_either_reads(
    open_door: OpenDoor, store: SnapshotStore, shop: BuiltProject
) -> None:
    door = open_door(policy=TWO_WHO_SEE_THE_SAME_ROWS, snapshots=store)
    record = publish(door, shop.warehouse, readers=("one", "two"))

    [as_read] = record.as_read.values()
    assert set(as_read) == {"orders", "revenue", "customers"}
    for name, metric in (("one", "orders"), ("two", "revenue")):
        answered = door.query({"metrics": metric}, reader=Reader(name=name))
        assert isinstance(answered, MetricAnswer)
        assert answered.provenance.metrics[0].version_as_read == as_read[metric].data_version


def test_the_refresh_of_a_restricted_policy_publishes_no_value(
    open_door: OpenDoor, store: SnapshotStore, shop: BuiltProject
) -> None:
    """Everyone who sees the asset sees the value, so none is shown that was counted over some rows only."""
    everybody = (
        "\n  - restrict: all\n    readers: ['*']\n    metrics: '*'\n    rows: {customer: [1]}\n"
    )
    door = open_door(policy=POLICY + everybody, snapshots=store)
    record = publish(door, shop.warehouse)
    assert {(m.state, m.value, m.series) for m in record.metrics.values()} == {
        (State.PASSING, None, ())
    }
    assert all(metric.data_version for metric in record.metrics.values())


# What cannot be measured


def with_scope(catalog: Catalog, name: str, **scope: object) -> Catalog:
    semantic = json.loads(catalog.semantic_manifest)
    metric = next(item for item in semantic["metrics"] if item["name"] == name)
    metric["config"] = {"meta": {"scope": scope}}
    return build_catalog(json.dumps(semantic), json.loads(catalog.manifest_subset))


def states(record: SnapshotRecord) -> dict[State, set[str]]:
    found: dict[State, set[str]] = {}
    for name, metric in record.metrics.items():
        found.setdefault(metric.state, set()).add(name)
    return found


@pytest.mark.soak
def test_a_metric_with_a_scope_that_does_not_exist_fails_alone(
    open_door: OpenDoor, shop_catalog: Catalog, store: SnapshotStore, shop: BuiltProject
) -> None:
    catalog = with_scope(shop_catalog, "revenue", dimensions=["customer__continent"])
    record = publish(open_door(catalog=catalog, snapshots=store), shop.warehouse)

    assert states(record)[State.FAILING] == {"revenue"}
    revenue = record.metrics["revenue"]
    assert revenue.reason == "its values by a dimension of its scope cannot be measured", "no name"
    assert "by customer__continent: Dimension 'customer__continent' is not" in revenue.why
    assert "no such dimension" in revenue.why
    assert len(states(record)[State.PASSING]) == len(record.metrics) - 1


@pytest.mark.soak
def test_a_metric_that_does_not_compile_fails_alone(
    open_door: OpenDoor, shop_catalog: Catalog, store: SnapshotStore, shop: BuiltProject
) -> None:
    """A metric that the compiler has never heard of stands for one that it cannot make sense of."""
    stranger = replace(shop_catalog.metrics["revenue"], name="stranger")
    catalog = replace(shop_catalog, metrics={**shop_catalog.metrics, "stranger": stranger})
    record = publish(open_door(catalog=catalog, snapshots=store), shop.warehouse)

    assert states(record)[State.FAILING] == {"stranger"}
    stranger_state = record.metrics["stranger"]
    assert stranger_state.reason == "its definition cannot be compiled"
    assert "MetricFlow cannot resolve stranger" in stranger_state.why


@pytest.mark.soak
def test_a_metric_that_the_warehouse_cannot_answer_fails_with_those_that_need_it(
    door: GovernedMetrics, after: Remeasure
) -> None:
    record = after(f"ALTER TABLE {ORDERS} DROP amount")

    assert states(record)[State.FAILING] == {"revenue", "average_order", "revenue_running"}
    assert record.metrics["revenue"].reason == "The query failed"
    assert "amount" in record.metrics["revenue"].why
    refused = door.query({"metrics": "revenue"}, reader=Reader(name="boss"))
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.CHECKS_NOT_PASSING


def test_a_failing_metric_keeps_the_version_that_it_last_had(
    first: SnapshotRecord, after: Remeasure
) -> None:
    record = after(f"ALTER TABLE {ORDERS} DROP amount")
    assert record.metrics["revenue"].data_version == first.metrics["revenue"].data_version
    assert record.metrics["revenue"].since == first.version
    assert record.metrics["revenue"].value is None


def test_a_model_that_is_not_passing_is_not_read_at_all(
    door: GovernedMetrics, shop: BuiltProject, ledger: Ledger
) -> None:
    failed = ModelState(state=State.FAILING, reason="unique_order_id has failed")
    record = publish(door, shop.warehouse, models={"model.corner_shop.orders": failed})

    assert states(record)[State.PASSING] == {"customers"}
    assert record.metrics["orders"].reason == "unique_order_id has failed"
    assert {read.metric for read in find_reads(ledger, ReadQuestion())} == {"customers"}


def test_a_model_of_which_nothing_is_known_closes_its_metrics(
    door: GovernedMetrics, shop: BuiltProject
) -> None:
    with door.snapshots.stage(door.catalog, shop.warehouse) as staged:
        record = measure(door, staged, {}, previous=None, context=ReadContext())
    assert {item.state for item in record.metrics.values()} == {State.UNKNOWN}
    assert "nothing is known of the checks of" in record.metrics["orders"].reason


def test_why_a_metric_failed_names_no_other_metric(
    open_door: OpenDoor, store: SnapshotStore, shop: BuiltProject
) -> None:
    """The reason is told to every reader of the metric, who may not know of the others."""
    partly = POLICY.replace(
        'readers: [refresh]\n    metrics: "*"', "readers: [refresh]\n    metrics: [orders]"
    )
    record = publish(open_door(policy=partly, snapshots=store), shop.warehouse)
    assert record.metrics["revenue"].state is State.FAILING
    assert record.metrics["revenue"].reason == "Metric 'revenue' is not available to 'refresh'"


def test_a_policy_that_grants_the_refresh_nothing_is_an_error(
    open_door: OpenDoor, store: SnapshotStore, shop: BuiltProject
) -> None:
    door = open_door(policy=POLICY.replace("[refresh]", "[somebody]"), snapshots=store)
    with pytest.raises(PolicyError, match="grants the reader 'refresh' nothing") as caught:
        publish(door, shop.warehouse)
    assert "readers: [refresh]" in str(caught.value.hint)
    assert store.current_version() is None


def test_a_ledger_that_cannot_be_written_stops_the_refresh(
    door: GovernedMetrics, first: SnapshotRecord, shop: BuiltProject
) -> None:
    with door.ledger.reading() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(LedgerUnavailable):
        publish(door, shop.warehouse)
    assert door.snapshots.current() == first


def test_the_refresh_is_on_record_like_any_reader(
    door: GovernedMetrics, shop: BuiltProject, shop_catalog: Catalog, ledger: Ledger
) -> None:
    publish(door, shop.warehouse, run_id="run-7")
    reads = list(find_reads(ledger, ReadQuestion(run="run-7")))

    assert {read.metric for read in reads} == set(shop_catalog.metrics)
    assert {(read.agent, read.purpose, read.outcome) for read in reads} == {
        ("refresh", "measure", "allowed")
    }
    assert {read.acting_for for read in reads} == {None, "north"}


def test_an_empty_table_is_measured_as_nothing(after: Remeasure) -> None:
    record = after(f"DELETE FROM {ORDERS}")
    orders = record.metrics["orders"]
    assert (orders.state, orders.value, orders.series, orders.last_day) == (
        State.PASSING,
        None,
        (),
        None,
    )


@pytest.mark.soak
def test_what_dbt_left_in_the_warehouse_beside_is_not_measured(
    first: SnapshotRecord, after: Remeasure
) -> None:
    assert changed(first, after("UPDATE till_landing.raw_orders SET amount_cents = 0")) == set()
