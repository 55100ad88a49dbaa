"""A reader whose rows are restricted gets, of every metric, what anyone would get if the other rows had been deleted.

Every metric of the shop, and some more of the kinds that dbt knows, meets every grouping, every filter and every kind of
restriction; each restriction meets a sixth of the pairs of metric and grouping, the first one all of them.
"""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.catalog import Catalog
from semantic.dbt_manifest import build_catalog
from semantic.engines.embedded import embedded_engine
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.policy import Reader
from semantic.snapshot import SnapshotStore
from tests.dbt_build import BuiltProject
from tests.semantic.door import (
    BOSS,
    PATIENT,
    RememberingEngine,
    build_door,
    publish_unmeasured,
)
from tests.semantic.shop import CUSTOMERS, ORDERS

Json = dict[str, Any]
Rows = dict[str, list[object]]
# By the element that rows are restricted by: the relations whose rows belong to one of its values, and the column there.
DELETED_BY = {
    "customer": {ORDERS: "customer_id", CUSTOMERS: "customer_id"},
    "order": {ORDERS: "order_id"},
    "status": {ORDERS: "status"},
    "region": {CUSTOMERS: "region"},
    "ordered_on": {ORDERS: "ordered_on"},
}

RESTRICTIONS: list[Rows] = [
    {"customer": [1, 3, 5, 7, 11, 13]},
    {"customer": [2]},
    {"customer": []},
    {"customer": list(range(1, 31))},
    {"status": ["paid", "it's {{ odd }}"]},
    {"order": list(range(1, 200, 3))},
    {"region": ["north"]},
    {"ordered_on": ["2024-03-02", "2024-03-03", "2024-03-20"]},
    {"customer": list(range(1, 20)), "status": ["paid"]},
]

# What `make test` asks: a sixth of the questions under every fourth restriction.
SOON = {(turn, 6) for turn in range(0, len(RESTRICTIONS), 4)}

GROUPINGS: list[list[str]] = [
    [],
    ["customer__region"],
    ["metric_time__day"],
    ["metric_time__month", "customer__region"],
    ["customer__full_name", "metric_time__week"],
    ["customer__signed_up_on__month"],
    ["order__status", "customer__region", "metric_time__week"],
]

FILTERS: list[list[Json]] = [
    [],
    [{"dimension": "customer__region", "operator": "is_null"}],
    [{"dimension": "customer", "operator": "not_in", "values": [1, 2]}],
    [{"dimension": "metric_time__day", "operator": ">", "values": "2024-03-04"}],
]

TOGETHER = [
    ["orders", "revenue", "return_rate"],
    ["orders", "customers"],
    ["first_order_rate", "customers"],
    ["average_order", "customers"],
]


@pytest.fixture(scope="module")
def catalog(shop_catalog: Catalog) -> Catalog:
    """The shop's catalogue with a metric more of each kind that could look past a restriction."""
    semantic = json.loads(shop_catalog.semantic_manifest)
    by_name = {metric["name"]: metric for metric in semantic["metrics"]}

    def add(like: str, name: str, **params: Any) -> None:
        metric = deepcopy(by_name[like]) | {"name": name}
        metric["type_params"] |= params
        semantic["metrics"].append(metric)

    before = {
        "name": "revenue",
        "alias": "before",
        "offset_window": {"count": 1, "granularity": "day"},
    }
    month_start = {"name": "revenue", "alias": "start", "offset_to_grain": "month"}
    inputs = by_name["average_order"]["type_params"]["metrics"]
    add("average_order", "growth", expr="revenue - before", metrics=[inputs[0], inputs[0] | before])
    add(
        "average_order",
        "since",
        expr="revenue - start",
        metrics=[inputs[0], inputs[0] | month_start],
    )
    window = by_name["revenue_running"]["type_params"]["cumulative_type_params"]
    add("revenue_running", "all_time", cumulative_type_params=window | {"window": None})
    to_date = window | {"window": None, "grain_to_date": "month"}
    add("revenue_running", "month_to_date", cumulative_type_params=to_date)
    conversion = by_name["first_order_rate"]["type_params"]["conversion_type_params"]
    endless = conversion | {"calculation": "conversions", "window": None}
    add("first_order_rate", "conversions_ever", conversion_type_params=endless)
    filled = {"join_to_timespine": True, "fill_nulls_with": 0}
    measure = by_name["orders"]["type_params"]["measure"] | filled
    add("orders", "orders_filled", measure=measure, input_measures=[measure])
    buyers = by_name["orders"]["type_params"]["measure"] | {"name": "buyers"}
    add("orders", "buyers", measure=buyers, input_measures=[buyers])
    orders_model = next(item for item in semantic["semantic_models"] if item["name"] == "orders")
    [counting, *_] = orders_model["measures"]
    orders_model["measures"].append(
        counting | {"name": "buyers", "agg": "count_distinct", "expr": "customer_id"}
    )
    add("orders", "loyal_orders")
    loyal = {"where_sql_template": "{{ Metric('orders', group_by=['customer']) }} > 6"}
    semantic["metrics"][-1]["filter"] = {"where_filters": [loyal]}
    return build_catalog(json.dumps(semantic), json.loads(shop_catalog.manifest_subset))


@pytest.fixture(scope="module")
def engine(catalog: Catalog) -> RememberingEngine:
    return RememberingEngine(embedded_engine(catalog))


@pytest.fixture(scope="module")
def crowded(shop: BuiltProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with thirty customers and four hundred orders, some of nobody, made by chance that is always the same."""
    chance = random.Random(7)
    statuses = ["paid", "paid", "returned", "open", "it's {{ odd }}"]
    customers = [
        (
            number,
            f"Customer {number % 20}",
            f"{number}@example.com",
            chance.choice(["north", "south", "east", None]),
            date(2024, 1, 20) + timedelta(days=chance.randrange(60)),
        )
        for number in range(1, 31)
    ]
    orders = [
        (
            number,
            chance.choice([None, *range(1, 33), *range(1, 10)]),
            date(2024, 2, 20) + timedelta(days=chance.randrange(45)),
            chance.choice(statuses),
            chance.randrange(100_000) / 100,
        )
        for number in range(1, 401)
    ]
    with shop.changed_warehouse(tmp_path_factory.mktemp("crowded")) as (path, connection):
        connection.execute(f"DELETE FROM {ORDERS}")
        connection.execute(f"DELETE FROM {CUSTOMERS}")
        connection.executemany(f"INSERT INTO {CUSTOMERS} VALUES (?, ?, ?, ?, ?)", customers)
        connection.executemany(f"INSERT INTO {ORDERS} VALUES (?, ?, ?, ?, ?)", orders)
    return path


@pytest.fixture(scope="module")
def door(
    catalog: Catalog, engine: RememberingEngine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GovernedMetrics]:
    """A door with a boss who sees all rows, a reader per restriction, and two who see some rows in common."""
    store = SnapshotStore(tmp_path_factory.mktemp("snapshots"), keep=100, limits=PATIENT)
    readers = {f"reader_{turn}": rows for turn, rows in enumerate(RESTRICTIONS)}
    readers |= {"one": {"customer": [1, 2, 3, 4, 5]}, "two": {"customer": [4, 5, 6, 7]}}
    everybody = ["boss", *readers]
    permit = {
        "permit": "everything",
        "readers": everybody,
        "metrics": "*",
        "dimensions": ["*", "customer__full_name", "customer__email"],
    }
    restricts = [
        {"restrict": name, "readers": [name], "metrics": "*", "rows": rows}
        for name, rows in readers.items()
    ]
    policy = json.dumps({"rules": [permit, *restricts]})
    ledger = Ledger.in_memory()
    yield build_door(catalog, engine, store, ledger, policy=policy)
    ledger.close()


class Version:
    """A version of the data, held open, and the door to ask of it."""

    def __init__(self, door: GovernedMetrics, warehouse: Path) -> None:
        self._door = door
        self._record = publish_unmeasured(door.snapshots, door.catalog, warehouse)
        self._data = door.snapshots.open(self._record)

    def ask(self, reader: Reader, query: Json) -> MetricAnswer | Refusal:
        with self._door.session(reader, snapshot=self._record, data=self._data) as session:
            return session.query(query)

    def rows(self, reader: Reader, query: Json) -> tuple[tuple[Any, ...], ...]:
        answered = self.ask(reader, query)
        assert isinstance(answered, MetricAnswer), (query, answered)
        return answered.rows

    def close(self) -> None:
        self._data.close()


@pytest.fixture(scope="module")
def whole(door: GovernedMetrics, crowded: Path) -> Iterator[Version]:
    version = Version(door, crowded)
    yield version
    version.close()


@pytest.fixture
def version_of(door: GovernedMetrics) -> Iterator[Callable[[Path], Version]]:
    opened: list[Version] = []

    def version_of(warehouse: Path) -> Version:
        opened.append(Version(door, warehouse))
        return opened[-1]

    yield version_of
    for version in opened:
        version.close()


def without(warehouse: Path, rows: Rows, to: Path) -> Path:
    """A copy of the warehouse from which all rows that are not visible are deleted."""
    path = to / warehouse.name
    shutil.copy(warehouse, path)
    with duckdb.connect(str(path)) as connection:
        for element, values in rows.items():
            for relation, column in DELETED_BY[element].items():
                connection.execute(
                    f"DELETE FROM {relation} WHERE NOT "
                    f"coalesce(list_contains($1, CAST({column} AS VARCHAR)), false)",
                    [[str(value) for value in values]],
                )
    return path


def questions(catalog: Catalog, engine: RememberingEngine, turn: int, every: int) -> Iterator[Json]:
    """The questions that are asked in this turn: so many of the pairs of metrics and grouping, each with one of the filters."""
    pairs = product([*([name] for name in catalog.metrics), *TOGETHER], GROUPINGS)
    for position, (metrics, group_by) in enumerate(pairs):
        legal = engine.dimensions(metrics)
        needs_time = any(catalog.metrics[name].needs_time for name in metrics)
        bases = {name if name in legal else name.rpartition("__")[0] for name in group_by}
        if not bases <= set(legal) or (needs_time and "metric_time" not in bases):
            continue
        if (position + turn) % every == 0:
            filters = FILTERS[position % len(FILTERS)]
            yield {"metrics": metrics, "group_by": group_by, "filters": filters}


def is_restrictable(catalog: Catalog, query: Json, rows: Rows) -> bool:
    """Whether every model that the metrics of a query count has every element that rows are restricted by."""
    models = [
        catalog.semantic_models[model]
        for name in query["metrics"]
        for model in catalog.metrics[name].semantic_models
    ]
    return all(element in model.elements for model in models for element in rows)


@pytest.mark.parametrize(
    ("turn", "every"),
    [
        pytest.param(turn, every, marks=[] if (turn, every) in SOON else pytest.mark.soak)
        for turn in range(len(RESTRICTIONS))
        for every in (6, 1)
    ],
)
def test_an_answer_is_the_one_without_the_forbidden_rows(
    turn: int,
    every: int,
    catalog: Catalog,
    engine: RememberingEngine,
    crowded: Path,
    whole: Version,
    version_of: Callable[[Path], Version],
    tmp_path: Path,
) -> None:
    rows, reader = RESTRICTIONS[turn], Reader(name=f"reader_{turn}")
    rest = version_of(without(crowded, rows, tmp_path))
    compared = differing = 0
    for query in questions(catalog, engine, turn, every):
        if not is_restrictable(catalog, query, rows):
            refused = whole.ask(reader, query)
            assert isinstance(refused, Refusal), query
            assert refused.reason is Reason.ROWS_NOT_RESTRICTABLE
            continue
        seen = whole.rows(reader, query)
        assert seen == rest.rows(BOSS, query), query
        compared += 1
        differing += seen != whole.rows(BOSS, query)
    assert compared
    assert differing > compared / 2, "a restriction that hides nothing would prove nothing"


def test_one_who_acts_for_another_sees_what_is_visible_to_both(
    catalog: Catalog,
    engine: RememberingEngine,
    crowded: Path,
    whole: Version,
    version_of: Callable[[Path], Version],
    tmp_path: Path,
) -> None:
    rest = version_of(without(crowded, {"customer": [4, 5]}, tmp_path))
    for query in questions(catalog, engine, turn=1, every=6):
        for reader in (Reader(name="one", acting_for="two"), Reader(name="two", acting_for="one")):
            assert whole.rows(reader, query) == rest.rows(BOSS, query), query


@pytest.mark.parametrize("dimension", ["order__status", "customer__region", "customer"])
def test_not_even_an_error_tells_of_a_forbidden_row(
    dimension: str,
    shop: BuiltProject,
    crowded: Path,
    version_of: Callable[[Path], Version],
    tmp_path: Path,
) -> None:
    """Whether a text can be cast to a number depends on its row. All visible ones can, most of the others cannot."""
    numbers = tmp_path / "numbers" / crowded.name
    numbers.parent.mkdir()
    shutil.copy(crowded, numbers)
    with duckdb.connect(str(numbers)) as connection:
        connection.execute(f"UPDATE {ORDERS} SET status = '1' WHERE customer_id = 2")
        connection.execute(f"UPDATE {CUSTOMERS} SET region = '1' WHERE customer_id = 2")
    [turn] = (turn for turn, rows in enumerate(RESTRICTIONS) if rows == {"customer": [2]})
    whole, rest = version_of(numbers), version_of(without(numbers, RESTRICTIONS[turn], tmp_path))
    reader = Reader(name=f"reader_{turn}")

    for value, group_by in product([1, True, "x", 1.5, "2024-03-01"], ([], ["customer__region"])):
        filters = {"dimension": dimension, "values": value}
        query = {"metrics": "orders", "group_by": group_by, "filters": filters}
        seen, expected = whole.ask(reader, query), rest.ask(BOSS, query)
        if isinstance(expected, Refusal):
            assert isinstance(seen, Refusal), query
            assert (seen.reason, seen.message) == (expected.reason, expected.message)
        else:
            assert whole.rows(reader, query) == expected.rows, query
