"""From a query to one checked SELECT: what is in its text, what is not, and where rows are restricted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from semantic.binding import values_of
from semantic.catalog import Catalog
from semantic.engine import CompileRequest, MetricEngine
from semantic.errors import MetricCompileError
from semantic.filters import Filter, comparisons
from semantic.metric import Dimension, DimensionKind, NamedDimension
from semantic.plan import MixedRestrictions, Planner, QueryPlan, RowsNotRestrictable
from semantic.plan_request import Comparison, PlanRequest
from semantic.policy import Mask, Permit, RowRestriction
from semantic.query import MetricQuery
from tests.semantic.shop import CUSTOMERS, DAYS, ORDERS

CANARY = "a value that stands nowhere else"
NORTH = (RowRestriction(element="customer", values=(1, 3)),)


@pytest.fixture(scope="module")
def planner(shop_catalog: Catalog, engine: MetricEngine) -> Planner:
    return Planner(shop_catalog, engine)


@pytest.fixture
def request_for(engine: MetricEngine) -> Callable[..., PlanRequest]:
    """A query with its names looked up, as the door does it."""

    def request_for(
        *metrics: str,
        rows: Mapping[str, Sequence[RowRestriction]] | Sequence[RowRestriction] = (),
        masks: Mapping[str, Mask] | None = None,
        **query: Any,
    ) -> PlanRequest:
        asked = MetricQuery.model_validate({"metrics": list(metrics), **query})
        legal = engine.dimensions(asked.metrics)
        visible = rows if isinstance(rows, Mapping) else dict.fromkeys(metrics, rows)
        return PlanRequest(
            metrics=asked.metrics,
            group_by=tuple(named(name, legal) for name in asked.group_by),
            conditions=tuple(
                Comparison(
                    operand=named(item.dimension, legal), operator=item.operator, values=item.values
                )
                for item in comparisons(asked.filters)
                if isinstance(item, Filter)
            ),
            time=named("metric_time__day", legal),
            span=asked.time_range.span(date(2024, 3, 31)) if asked.time_range else None,
            order_by=tuple((item.by, item.descending) for item in asked.order_by),
            permits=tuple(
                Permit(
                    metric=name,
                    rows=tuple(visible.get(name, ())),
                    masks=masks or {},
                    max_rows=100,
                    max_age=None,
                    rules=(),
                )
                for name in metrics
            ),
        )

    return request_for


def named(name: str, legal: Mapping[str, Dimension]) -> NamedDimension:
    if name in legal:
        return NamedDimension(dimension=legal[name], grain=None)
    base, _, grain = name.rpartition("__")
    return NamedDimension(dimension=legal[base], grain=grain)


def statement(plan: QueryPlan) -> exp.Expression:
    [found] = sqlglot.parse(plan.sql, dialect="duckdb")
    assert found is not None
    return found


def scans(tree: exp.Expression) -> list[exp.Table]:
    """The scans of relations, which have a schema. What has none is a name of a subquery."""
    return [table for table in tree.find_all(exp.Table) if table.db]


def test_values_are_in_the_parameters_and_not_in_the_text(
    planner: Planner, request_for: Callable[..., PlanRequest]
) -> None:
    request = request_for(
        "orders",
        group_by=["customer__full_name"],
        filters=[
            {"dimension": "order__status", "operator": "in", "values": [CANARY, f"{CANARY} too"]},
            {"dimension": "customer__region", "operator": "contains", "values": CANARY},
            {"dimension": "metric_time__day", "operator": ">=", "values": "2024-03-02"},
        ],
        time_range={"start": "2024-03-01", "end": "2024-03-31"},
        rows=[RowRestriction(element="customer", values=(CANARY, 77_777))],
        masks={"customer__full_name": Mask.HASH},
        limit=55_555,
    )
    plan = planner.plan(request)
    values = values_of(
        request, plan.prefix, plan.parameters, limit=55_556, mask_key="the key of masks"
    )

    for text in (CANARY, "2024-03", "77777", "5555", "the key of masks"):
        assert text not in plan.sql
    assert set(values) == plan.parameters
    assert {str(value) for value in values.values()} == {
        CANARY,
        f"{CANARY} too",
        "77777",
        "2024-03-01",
        "2024-03-02",
        "2024-03-31",
        "55556",
        "0",
        "the key of masks",
    }


SHAPE: dict[str, Any] = {
    "group_by": ["order__status"],
    "filters": [{"dimension": "customer__region", "operator": "=", "values": "north"}],
    "time_range": {"start": "2024-03-01", "end": "2024-03-02"},
    "rows": NORTH,
}


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"filters": [{"dimension": "customer__region", "operator": "=", "values": "south"}]},
        {"filters": [{"dimension": "customer__region", "operator": "=", "values": 7}]},
        {"time_range": {"start": "2020-01-01", "end": "2024-12-31"}},
        {"limit": 5},
        {"rows": [RowRestriction(element="customer", values=(2, 4))]},
    ],
    ids=str,
)
def test_the_same_shape_with_other_values_is_the_same_plan(
    planner: Planner, request_for: Callable[..., PlanRequest], other: dict[str, Any]
) -> None:
    assert planner.plan(request_for("orders", **SHAPE)) is planner.plan(
        request_for("orders", **SHAPE | other)
    )


@pytest.mark.parametrize(
    "other",
    [
        {"group_by": ["customer__region"]},
        {"group_by": []},
        {"filters": [{"dimension": "customer__region", "operator": "!=", "values": "north"}]},
        {"filters": [{"dimension": "order__status", "operator": "=", "values": "north"}]},
        {"filters": [{"dimension": "customer__region", "operator": "in", "values": ["a", "b"]}]},
        {"time_range": None},
        {"order_by": "orders"},
        {"order_by": "-orders"},
        {"rows": ()},
        {"rows": [RowRestriction(element="customer", values=(1,))]},
        {"rows": [RowRestriction(element="customer", values=())]},
        {"rows": [RowRestriction(element="order", values=(1, 3))]},
        {"masks": {"order__status": Mask.HASH}},
    ],
    ids=str,
)
def test_another_shape_is_another_plan(
    planner: Planner, request_for: Callable[..., PlanRequest], other: dict[str, Any]
) -> None:
    one, two = (planner.plan(request_for("orders", **SHAPE | more)) for more in ({}, other))
    assert one.hash != two.hash
    assert one.parameters != two.parameters, "no value of one can be bound to the other"


def test_rising_and_falling_are_two_plans(
    planner: Planner, request_for: Callable[..., PlanRequest]
) -> None:
    rising, falling = (
        planner.plan(request_for("orders", order_by=order)) for order in ("orders", "-orders")
    )
    assert "ORDER BY 1 ASC" in rising.sql
    assert "ORDER BY 1 DESC" in falling.sql


def test_lists_of_nearly_the_same_length_share_a_plan(
    planner: Planner, request_for: Callable[..., PlanRequest]
) -> None:
    def plan(count: int) -> QueryPlan:
        values = [f"status {number}" for number in range(count)]
        item = {"dimension": "order__status", "operator": "not_in", "values": values}
        return planner.plan(request_for("orders", filters=item))

    assert plan(5) is plan(6) is plan(8)
    assert plan(4) is not plan(5)


@pytest.mark.parametrize(
    "every", [pytest.param(4), pytest.param(1, marks=pytest.mark.soak)], ids="every {}".format
)
def test_every_metric_by_every_legal_dimension_is_one_select_over_governed_relations(
    planner: Planner,
    request_for: Callable[..., PlanRequest],
    shop_catalog: Catalog,
    engine: MetricEngine,
    every: int,
) -> None:
    asked = [
        (metric, dimension, column)
        for metric in shop_catalog.metrics.values()
        for dimension in engine.dimensions([metric.name]).values()
        for column in columns(dimension)
    ]
    assert len(asked) > 80
    for metric, dimension, column in asked[::every]:
        value = "2024-03-01" if dimension.kind is DimensionKind.TIME else "x"
        by_time = ["metric_time__day"] if metric.needs_time else []
        request = request_for(
            metric.name,
            group_by=list(dict.fromkeys([*by_time, column])),
            filters=[{"dimension": column, "operator": "in", "values": [value] * 3}],
            time_range={"start": "2024-03-01", "end": "2024-03-31"},
            order_by=[f"-{metric.name}"],
        )
        plan = planner.plan(request)
        tree = statement(plan)

        assert isinstance(tree, exp.Select)
        assert plan.columns == (*(item.column for item in request.group_by), metric.name)
        assert set(map(relation, scans(tree))) == set(plan.relations)
        owned = {shop_catalog.semantic_models[model].relation for model in metric.semantic_models}
        assert owned <= set(plan.relations) <= {ORDERS, CUSTOMERS, DAYS}
        assert placeholders(tree) == plan.parameters
        assert {parameter.removeprefix(plan.prefix) for parameter in plan.parameters} == {
            "limit",
            "offset",
            "from",
            "to",
            *(f"f0_{position}" for position in range(4)),
        }


def columns(dimension: Dimension) -> list[str]:
    """The group-by names of a dimension: of a time, with its finest and its coarsest grain."""
    return [f"{dimension.name}__{grain}" for grain in dimension.grains[::4]] or [dimension.name]


def relation(table: exp.Table) -> str:
    bare = table.copy()
    bare.set("alias", None)
    return str(bare.sql("duckdb", identify=True))


def placeholders(tree: exp.Expression) -> set[str]:
    return {node.name for node in tree.find_all(exp.Placeholder, exp.Parameter)}


def unrestricted_scans(plan: QueryPlan, relations: Sequence[str]) -> list[str]:
    """The scans of these relations that do not stand directly under a WHERE with row parameters."""
    found = []
    for table in scans(statement(plan)):
        where = table.parent_select.args.get("where") if table.parent_select else None
        names = placeholders(where) if where else set()
        is_restricted = any(name.startswith(f"{plan.prefix}r_customer") for name in names)
        if relation(table) in relations and not is_restricted:
            found.append(relation(table))
    return found


@pytest.mark.parametrize(
    ("metric", "group_by", "expected_scans"),
    [
        ("orders", ["order__status"], 1),
        ("orders", ["customer__region"], 2),
        ("return_rate", ["customer__region"], 2),
        ("average_order", ["customer__region"], 2),
        ("revenue_running", ["metric_time__day"], 1),
        ("revenue_running", ["metric_time__day", "customer__region"], 2),
        ("customers", ["customer__region"], 1),
        ("first_order_rate", [], 2),
        ("first_order_rate", ["customer__region", "metric_time__month"], 2),
    ],
)
def test_rows_are_restricted_at_every_scan_both_sides_of_a_conversion_too(
    planner: Planner,
    request_for: Callable[..., PlanRequest],
    metric: str,
    group_by: list[str],
    expected_scans: int,
) -> None:
    whole = planner.plan(request_for(metric, group_by=group_by))
    restricted = planner.plan(request_for(metric, group_by=group_by, rows=NORTH))
    bearing = [ORDERS, CUSTOMERS]

    assert len(unrestricted_scans(whole, bearing)) >= expected_scans
    assert unrestricted_scans(restricted, bearing) == []
    assert len(scans(statement(restricted))) == len(scans(statement(whole)))
    assert restricted.restricted == (CUSTOMERS, ORDERS)
    assert restricted.relations == whole.relations


def test_where_nothing_is_visible_nothing_is_scanned_for(
    planner: Planner, request_for: Callable[..., PlanRequest]
) -> None:
    nothing = [RowRestriction(element="customer", values=())]
    plan = planner.plan(request_for("orders", rows=nothing))
    [scan] = scans(statement(plan))
    assert scan.parent_select is not None
    assert scan.parent_select.args["where"].this == exp.false()


def test_metrics_that_see_different_rows_are_not_answered_together(
    planner: Planner, request_for: Callable[..., PlanRequest]
) -> None:
    others = [RowRestriction(element="customer", values=(2,))]
    with pytest.raises(MixedRestrictions):
        planner.plan(request_for("orders", "revenue", rows={"orders": NORTH, "revenue": others}))
    with pytest.raises(MixedRestrictions):
        planner.plan(request_for("orders", "revenue", rows={"orders": NORTH}))
    with pytest.raises(MixedRestrictions):
        planner.plan(request_for("orders", "customers", rows={"orders": NORTH}))
    assert planner.plan(request_for("orders", "customers", rows=NORTH)).restricted


def test_metrics_of_other_relations_need_no_restriction(
    planner: Planner, request_for: Callable[..., PlanRequest]
) -> None:
    own_orders = [RowRestriction(element="order", values=(1,))]
    plan = planner.plan(request_for("orders", "customers", rows={"orders": own_orders}))
    assert plan.restricted == (ORDERS,)


@pytest.mark.parametrize(
    ("metric", "element"),
    [("customers", "order"), ("orders", "region"), ("first_order_rate", "status"), ("orders", "x")],
)
def test_a_metric_that_lacks_the_element_is_not_restrictable(
    planner: Planner, request_for: Callable[..., PlanRequest], metric: str, element: str
) -> None:
    rows = [RowRestriction(element=element, values=(1,))]
    with pytest.raises(RowsNotRestrictable) as caught:
        planner.plan(request_for(metric, rows=rows))
    assert (caught.value.metric, caught.value.element) == (metric, element)


def test_one_element_that_means_two_things_on_a_relation_is_refused(
    shop_catalog: Catalog, engine: MetricEngine, request_for: Callable[..., PlanRequest]
) -> None:
    orders = shop_catalog.semantic_models["orders"]
    customer = replace(orders.elements["customer"], expression="order_id")
    again = replace(orders, name="again", elements={**orders.elements, "customer": customer})
    catalog = replace(
        shop_catalog, semantic_models={**shop_catalog.semantic_models, "again": again}
    )
    with pytest.raises(MetricCompileError, match="'customer' stands for customer_id and order_id"):
        Planner(catalog, engine).plan(request_for("orders", rows=NORTH))


def test_masks_stand_where_the_column_leaves(
    planner: Planner, request_for: Callable[..., PlanRequest]
) -> None:
    masked = planner.plan(
        request_for(
            "orders",
            group_by=["customer__full_name", "order__status"],
            masks={"customer__*": Mask.HASH},
        )
    )
    first, second, third = statement(masked).expressions
    assert first.find(exp.Literal).name == "masked-"
    assert first.alias == "customer__full_name"
    assert (second.name, third.name) == ("order__status", "orders")


class Dictated:
    """A `MetricEngine` that compiles to whatever it was told, as a careless or hostile definition could."""

    def __init__(self, engine: MetricEngine, sql: str) -> None:
        self._engine = engine
        self._sql = sql

    def dimensions(self, metrics: Sequence[str]) -> Mapping[str, Dimension]:
        return self._engine.dimensions(metrics)

    def compile(self, request: CompileRequest) -> str:
        return self._sql


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (f"SELECT 1 AS orders FROM {ORDERS}; DROP TABLE {ORDERS}", "is not one SELECT"),
        (f"DELETE FROM {ORDERS}", "is not one SELECT"),
        ("COPY (SELECT 1) TO 'out.csv'", "is not one SELECT"),
        ("", "is not one SELECT"),
        ("SELECT FROM WHERE", "analysed|not one SELECT"),
        ('SELECT 1 AS orders FROM "shop"."till_landing"."raw_orders"', "no governed relation"),
        ("SELECT 1 AS orders FROM till_analytics.orders", "no governed relation"),
        ('SELECT 1 AS orders FROM "other"."till_analytics"."orders"', "no governed relation"),
        (f"SELECT (SELECT max(x) FROM secrets) AS orders FROM {ORDERS}", "no governed relation"),
        (
            f"WITH a AS (SELECT * FROM b) SELECT 1 AS orders FROM a, {ORDERS}",
            "no governed relation",
        ),
        ("SELECT 1 AS orders FROM 'file.csv'", "no governed relation"),
        ("SELECT 1 AS orders FROM information_schema.tables", "no governed relation"),
        ("SELECT 1 AS orders FROM read_csv('/etc/passwd')", "calls a table function"),
        ("SELECT 1 AS orders FROM read_text('/etc/passwd')", "calls a table function"),
        ("SELECT 1 AS orders FROM query('SELECT 1')", "calls a table function"),
        ("SELECT 1 AS orders FROM duckdb_settings()", "calls a table function"),
        (f"SELECT 1 AS orders FROM {ORDERS} WHERE status = $secret", "other parameters"),
        (f"SELECT 1 AS orders FROM {ORDERS} WHERE status = ?", "other parameters"),
    ],
)
def test_sql_that_does_more_than_read_governed_relations_is_refused(
    shop_catalog: Catalog,
    engine: MetricEngine,
    request_for: Callable[..., PlanRequest],
    sql: str,
    told: str,
) -> None:
    with pytest.raises(MetricCompileError, match=told):
        Planner(shop_catalog, Dictated(engine, sql)).plan(request_for("orders"))


def test_sql_that_reads_governed_relations_through_its_own_names_is_taken(
    shop_catalog: Catalog, engine: MetricEngine, request_for: Callable[..., PlanRequest]
) -> None:
    sql = f"WITH mine AS (SELECT * FROM {ORDERS}) SELECT count(*) AS orders FROM mine"
    plan = Planner(shop_catalog, Dictated(engine, sql)).plan(request_for("orders", rows=NORTH))
    assert plan.relations == (ORDERS,)
    assert unrestricted_scans(plan, [ORDERS]) == []
