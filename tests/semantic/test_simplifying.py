"""SQL that scans and joins less gives the same rows."""

from collections.abc import Iterator
from itertools import combinations

import duckdb
import pytest
import sqlglot

from semantic.canonical import canonical_value
from semantic.catalog import Catalog
from semantic.engine import CompileRequest
from semantic.engines.metricflow import MetricFlowCompiler
from semantic.engines.simplifying import simplified
from semantic.metric import NamedDimension
from tests.dbt_build import BuiltProject


@pytest.fixture(scope="module")
def compiler(shop_catalog: Catalog) -> MetricFlowCompiler:
    return MetricFlowCompiler(shop_catalog)


@pytest.fixture(scope="module")
def warehouse(shop: BuiltProject) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(shop.warehouse), read_only=True) as connection:
        yield connection


def rows(warehouse: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    found = warehouse.execute(sql).fetchall()
    return sorted((tuple(map(canonical_value, row)) for row in found), key=repr)


def joins(sql: str) -> int:
    return len(list(sqlglot.parse_one(sql, dialect="duckdb").find_all(sqlglot.exp.Join)))


GROUPS = ((), ("metric_time",), ("customer__region",), ("metric_time", "customer__region"))


@pytest.mark.parametrize(
    "group_by",
    [*GROUPS[2:], *(pytest.param(names, marks=pytest.mark.soak) for names in GROUPS[:2])],
    ids=str,
)
def test_any_metrics_by_anything(
    group_by: tuple[str, ...],
    compiler: MetricFlowCompiler,
    shop_catalog: Catalog,
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    fewer = 0
    for metrics in combinations(sorted(shop_catalog.metrics), 2):
        legal = compiler.dimensions(metrics)
        needs_time = any(shop_catalog.metrics[name].needs_time for name in metrics)
        if not set(group_by) <= set(legal) or (needs_time and "metric_time" not in group_by):
            continue
        named = tuple(
            NamedDimension(dimension=legal[name], grain=legal[name].day_grain) for name in group_by
        )
        sql = compiler.compile(CompileRequest(metrics=metrics, group_by=named))
        assert rows(warehouse, simplified(sql)) == rows(warehouse, sql), sql
        fewer += joins(simplified(sql)) < joins(sql)
    assert fewer


def test_a_ratio_and_its_parts_are_one_scan(compiler: MetricFlowCompiler) -> None:
    metrics = ("orders", "return_rate", "returned_orders")
    region = NamedDimension(dimension=compiler.dimensions(metrics)["customer__region"])
    sql = compiler.compile(CompileRequest(metrics=metrics, group_by=(region,)))
    assert joins(sql) > 1
    assert joins(simplified(sql)) == 1


def test_a_window_is_joined_to_days_and_not_to_rows(compiler: MetricFlowCompiler) -> None:
    time = compiler.dimensions(["revenue_running"])["metric_time"]
    day = NamedDimension(dimension=time, grain="day")
    sql = compiler.compile(CompileRequest(metrics=("revenue_running",), group_by=(day,)))
    assert "GROUP BY\n    metric_time__day" in simplified(sql)


@pytest.mark.parametrize(
    "sql",
    [
        # Other rows on the two sides
        "SELECT COALESCE(a.k, b.k) AS k, MAX(a.x) AS x, MAX(b.y) AS y FROM (SELECT k AS k, SUM(v) AS x FROM t AS t_src_1 WHERE v > 0 GROUP BY k) AS a "
        "FULL OUTER JOIN (SELECT k AS k, SUM(v) AS y FROM t AS t_src_2 GROUP BY k) AS b ON a.k = b.k GROUP BY COALESCE(a.k, b.k)",
        # Other keys
        "SELECT COALESCE(a.k, b.k) AS k, MAX(a.x) AS x, MAX(b.y) AS y FROM (SELECT k AS k, SUM(v) AS x FROM t GROUP BY k) AS a "
        "FULL OUTER JOIN (SELECT j AS k, SUM(v) AS y FROM t GROUP BY j) AS b ON a.k = b.k GROUP BY COALESCE(a.k, b.k)",
        # Other tables, whatever they are called
        "SELECT MAX(a.x) AS x, MAX(b.y) AS y FROM (SELECT SUM(v) AS x FROM sales_src_1 AS s) AS a CROSS JOIN (SELECT SUM(v) AS y FROM sales_src_2 AS s) AS b",
        "SELECT MAX(a.x) AS x, MAX(b.y) AS y FROM (SELECT SUM(v) AS x FROM subq_1 AS s) AS a CROSS JOIN (SELECT SUM(v) AS y FROM subq_2 AS s) AS b",
        # Only groups of both
        "SELECT a.k AS k, a.x AS x, b.y AS y FROM (SELECT k AS k, SUM(v) AS x FROM t GROUP BY k) AS a "
        "JOIN (SELECT k AS k, SUM(v) AS y FROM t GROUP BY k) AS b ON a.k = b.k",
        # A count of the rows of both sides
        "SELECT COALESCE(a.k, b.k) AS k, COUNT(a.x) AS x, MAX(b.y) AS y FROM (SELECT k AS k, SUM(v) AS x FROM t GROUP BY k) AS a "
        "FULL OUTER JOIN (SELECT k AS k, SUM(v) AS y FROM t GROUP BY k) AS b ON a.k = b.k GROUP BY COALESCE(a.k, b.k)",
        # Values that cannot be put together from those of days
        "SELECT d.k AS k, COUNT(DISTINCT s.v) AS n FROM days AS d JOIN (SELECT k AS k, v AS v FROM t) AS s ON s.k <= d.k GROUP BY d.k",
        "SELECT d.k AS k, AVG(s.v) AS n FROM days AS d JOIN (SELECT k AS k, v AS v FROM t) AS s ON s.k <= d.k GROUP BY d.k",
        "SELECT d.k AS k, SUM(s.v) AS n, COUNT(*) AS c FROM days AS d JOIN (SELECT k AS k, v AS v FROM t) AS s ON s.k <= d.k GROUP BY d.k",
        "SELECT d.k AS k, SUM(s.v) AS n, MIN(s.v) AS m FROM days AS d JOIN (SELECT k AS k, v AS v FROM t) AS s ON s.k <= d.k GROUP BY d.k",
        "SELECT d.k AS k, SUM(v) AS n FROM days AS d JOIN (SELECT k AS k, v AS v FROM t) AS s ON s.k <= d.k GROUP BY d.k",
        "SELECT d.k AS k, SUM(s.v) AS n, MAX(s.V) AS m FROM days AS d JOIN (SELECT k AS k, v AS v FROM t) AS s ON s.k <= d.k GROUP BY d.k",
        "SELECT d.k AS k, SUM(s.v) AS n, ENTROPY(s.k) AS e FROM days AS d JOIN (SELECT k AS k, v AS v FROM t) AS s ON s.k <= d.k GROUP BY d.k",
        "SELECT d.k AS k, MAX(s.v, 2) AS n FROM days AS d JOIN (SELECT k AS k, v AS v FROM t) AS s ON s.k <= d.k GROUP BY d.k",
        # Other joins
        "SELECT d.k AS k, SUM(s.v) AS n FROM days AS d ASOF JOIN (SELECT k AS k, v AS v FROM t) AS s ON s.k <= d.k GROUP BY d.k",
        "SELECT d.k AS k, SUM(s.v) AS n FROM days AS d JOIN (SELECT k AS k, v AS v FROM t) AS s ON d.k < 2 GROUP BY d.k",
        "SELECT d.k AS k, SUM(s.v) AS n FROM days AS d JOIN (SELECT k AS k, v AS v, x AS x FROM t) AS s ON s.k <= d.k "
        "WHERE EXISTS(SELECT 1 FROM t WHERE t.x = s.x) GROUP BY d.k",
    ],
)  # fmt: skip
def test_what_may_be_another_answer_stays_as_it_is(sql: str) -> None:
    assert simplified(sql) == sqlglot.parse_one(sql, dialect="duckdb").sql(
        dialect="duckdb", pretty=True
    )


ROWS = """
    CREATE TABLE t AS FROM (VALUES (1, 'a', 10), (1, NULL, 20), (2, NULL, 30), (NULL, 'b', NULL)) AS t (k, v, n);
    CREATE SCHEMA other;
    CREATE TABLE other.s AS SELECT 5 AS c;
    CREATE TABLE nothing AS FROM t LIMIT 0;
    CREATE TABLE names AS FROM (VALUES (1, 'one'), (3, 'three')) AS names (k, name);
"""
ONES = "CASE WHEN NOT v IS NULL THEN 1 ELSE 0 END"
IN_ROWS = f"SELECT k AS k, {ONES} AS c, n AS n FROM"


@pytest.mark.parametrize(
    ("sql", "is_counted"),
    [
        (f"SELECT SUM({ONES}) AS c FROM t", True),
        (f"SELECT SUM({ONES}) AS c FROM nothing", True),
        (f"SELECT k, SUM({ONES}) AS c FROM t GROUP BY k", True),
        (f"SELECT k, SUM({ONES}) AS c FROM nothing GROUP BY k", True),
        (f"SELECT s.k, SUM(s.c) AS c, SUM(s.n) AS n FROM ({IN_ROWS} t) AS s GROUP BY s.k", True),
        (f"SELECT SUM(s.c) AS c, SUM(s.c) AS again FROM ({IN_ROWS} nothing) AS s", True),
        (f"SELECT names.name, SUM(s.c) AS c FROM ({IN_ROWS} t) AS s LEFT JOIN names ON s.k = names.k GROUP BY names.name", True),
        (f"WITH s AS ({IN_ROWS} t) SELECT names.name, SUM(s.c) AS c FROM s LEFT JOIN names ON s.k = names.k GROUP BY names.name", True),
        (f"WITH s AS ({IN_ROWS} t) SELECT a.c, b.c FROM (SELECT SUM(s.c) AS c FROM s) AS a CROSS JOIN (SELECT s.k AS k, SUM(s.c) AS c FROM s GROUP BY s.k) AS b", True),
        (f"SELECT k, SUM(c) AS c FROM ({IN_ROWS} t) AS s GROUP BY k", True),
        (f"SELECT k, SUM({ONES}) AS c FROM nothing GROUP BY ROLLUP (k)", True),
        (f"WITH s AS ({IN_ROWS} t) SELECT a.c, b.c FROM (SELECT SUM(s.c) AS c FROM s) AS a CROSS JOIN (SELECT SUM(s.c) AS c FROM other.s AS s) AS b", True),
        # Rows that are not there
        (f"SELECT names.name, SUM(s.c) AS c FROM names LEFT JOIN ({IN_ROWS} t) AS s ON s.k = names.k GROUP BY names.name", False),
        (f"SELECT names.name, SUM(s.c) AS c FROM ({IN_ROWS} t) AS s FULL JOIN names ON s.k = names.k GROUP BY names.name", False),
        (f"SELECT names.name, SUM(s.c) AS c FROM ({IN_ROWS} t) AS s RIGHT JOIN names ON s.k = names.k GROUP BY names.name", False),
        # Other uses
        (f"WITH s AS ({IN_ROWS} t) SELECT SUM(s.c) AS c, MAX(S.C) AS m FROM s", False),
        (f"SELECT SUM(s.c) AS c, MAX(s.c) AS m FROM ({IN_ROWS} t) AS s", False),
        (f"SELECT s.c AS k, SUM(s.c) AS c FROM ({IN_ROWS} t) AS s GROUP BY s.c", False),
        (f"SELECT SUM(s.c) AS c FROM ({IN_ROWS} t) AS s WHERE s.c = 1", False),
        (f"SELECT SUM(c) AS c FROM ({IN_ROWS} t) AS s ORDER BY c", False),
        (f"SELECT SUM(c) AS total FROM ({IN_ROWS} t) AS s CROSS JOIN names", False),
        (f"SELECT SUM(s.c) AS c FROM ({IN_ROWS} t) AS s (k, n, c)", False),
        (f"WITH s (k, n, c) AS ({IN_ROWS} t) SELECT SUM(s.c) AS c FROM s", False),
        (f"SELECT SUM(s.c) AS c FROM ({IN_ROWS} t) AS s JOIN (SELECT 1 AS c) AS one USING (c)", False),
        (f"SELECT SUM(c) AS c, MAX(COLUMNS('c')) AS m FROM ({IN_ROWS} t) AS s", False),
        (f"SELECT SUM(s.c) AS c, MAX(s) AS m FROM ({IN_ROWS} t) AS s", False),
        (f"SELECT SUM({ONES}) AS c FROM nothing GROUP BY ()", True),
        (f"SELECT SUM(DISTINCT s.c) AS c FROM ({IN_ROWS} t) AS s", False),
        (f"SELECT SUM(s.c) FILTER (WHERE s.k = 1) AS c FROM ({IN_ROWS} t) AS s", False),
        (f"SELECT s.k, SUM(s.c) OVER (PARTITION BY s.k) AS c FROM ({IN_ROWS} t) AS s", False),
        (f"WITH s AS ({IN_ROWS} t) SELECT a.c, b.c FROM (SELECT SUM(s.c) AS c FROM s) AS a CROSS JOIN (SELECT MAX(s.c) AS c FROM s) AS b", False),
        ("SELECT SUM(CASE WHEN NOT v IS NULL THEN 2 ELSE 0 END) AS c FROM t", False),
        ("SELECT SUM(CASE WHEN v IS NULL THEN 1 ELSE 0 END) AS c FROM t", False),
        ("SELECT SUM(CASE WHEN NOT v IS NULL THEN 1 END) AS c FROM t", False),
    ],
)  # fmt: skip
def test_ones_that_are_added_up_are_counted(sql: str, is_counted: bool) -> None:
    with duckdb.connect() as connection:
        connection.execute(ROWS)
        found = connection.sql(simplified(sql))
        expected = connection.sql(sql)
        assert sorted(found.fetchall(), key=repr) == sorted(expected.fetchall(), key=repr)
        assert found.types == expected.types
    assert ("COUNT(" in simplified(sql)) == is_counted


def test_what_cannot_be_parsed_is_left_to_be_refused() -> None:
    assert simplified("SELECT (") == "SELECT ("
