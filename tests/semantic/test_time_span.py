"""A time range where MetricFlow puts it gives what it gives as a filter, for every metric, grain and range."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
import pytest

from semantic.catalog import Catalog
from semantic.engine import CompileRequest, SpanCondition
from semantic.engines.metricflow import MetricFlowCompiler
from semantic.engines.time_span import SPANS, with_span_parameters
from semantic.metric import NamedDimension
from semantic.time_range import DaySpan
from tests.dbt_build import BuiltProject

RANGES = {
    "day": [("2024-03-01", "2024-03-02"), ("2024-02-29", "2024-03-05"), ("2023-12-30", "2024-01-02")],
    "week": [("2024-02-26", "2024-03-03"), ("2024-02-05", "2024-03-10")],
    "month": [("2024-03-01", "2024-03-31"), ("2024-02-01", "2024-03-31"), ("2023-12-01", "2024-02-29")],
    "quarter": [("2024-01-01", "2024-03-31"), ("2023-10-01", "2024-06-30")],
    "year": [("2024-01-01", "2024-12-31"), ("2023-01-01", "2025-12-31")],
}  # fmt: skip
WINDOWED = {
    "month_window": {"window": {"count": 1, "granularity": "month"}},
    "quarter_window": {"window": {"count": 1, "granularity": "quarter"}},
    "year_window": {"window": {"count": 1, "granularity": "year"}},
    "week_window": {"window": {"count": 2, "granularity": "week"}},
    "month_to_date": {"grain_to_date": "month"},
    "week_to_date": {"grain_to_date": "week"},
    "year_to_date": {"grain_to_date": "year"},
    "ever": {},
}
OFFSETS = {"day_before": (1, "day"), "month_before": (1, "month"), "year_before": (1, "year")}


@pytest.fixture(scope="module")
def compiler(shop_catalog: Catalog) -> MetricFlowCompiler:
    """The shop with windows and offsets of every kind."""
    manifest = json.loads(shop_catalog.semantic_manifest)
    by_name = {metric["name"]: metric for metric in manifest["metrics"]}
    for name, window in WINDOWED.items():
        metric = json.loads(json.dumps(by_name["revenue_running"]))
        params = metric["type_params"]["cumulative_type_params"]
        params |= {"window": None, "grain_to_date": None, **window}
        for older in ("window", "grain_to_date"):
            metric["type_params"][older] = None
        manifest["metrics"].append(metric | {"name": name})
    for name, (count, grain) in OFFSETS.items():
        metric = json.loads(json.dumps(by_name["average_order"]))
        then = dict(metric["type_params"]["metrics"][0], name="orders", alias="before")
        then["offset_window"] = {"count": count, "granularity": grain}
        metric["type_params"] |= {
            "expr": "orders - before",
            "metrics": [dict(then, alias=None, offset_window=None), then],
        }
        manifest["metrics"].append(metric | {"name": name})
    return MetricFlowCompiler(replace(shop_catalog, semantic_manifest=json.dumps(manifest)))


@pytest.fixture(scope="module")
def warehouse(shop: BuiltProject) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(shop.warehouse), read_only=True) as connection:
        yield connection


def requests(metric: str, compiler: MetricFlowCompiler) -> Iterator[tuple[CompileRequest, str]]:
    """Queries of a metric with a range each, and the grain to which that is aligned."""
    legal = compiler.dimensions([metric])
    time = legal["metric_time"]
    region = NamedDimension(dimension=legal["customer__region"])
    needs_time = metric in {"revenue_running", *WINDOWED, *OFFSETS}
    for grain in RANGES:
        by_grain = NamedDimension(dimension=time, grain=grain)
        forms: list[tuple[NamedDimension, ...]] = [(by_grain,), (by_grain, region)]
        if not needs_time and grain == "day":
            forms += [(), (region,)]
        for group_by in forms:
            span = SpanCondition(
                time=NamedDimension(dimension=time, grain="day"),
                start="$start",
                end="$end",
                aligned_to=grain,
            )
            yield CompileRequest(metrics=(metric,), group_by=group_by, span=span), grain


# A sum and a window; the others wait for the soak.
SOON = ("orders", "month_window")
SUMS = {"revenue", "revenue_running", "average_order", "return_rate", "customers"}
LATER = sorted({"first_order_rate", "ever", *SUMS, *WINDOWED, *OFFSETS}.difference(SOON))


@pytest.mark.parametrize(
    "metric", [*SOON, *(pytest.param(name, marks=pytest.mark.soak) for name in LATER)]
)
def test_it_gives_what_a_filter_gives(
    metric: str, compiler: MetricFlowCompiler, warehouse: duckdb.DuckDBPyConnection
) -> None:
    for request, grain in requests(metric, compiler):
        assert request.span is not None
        native = compiler.compile(request)
        filtered = compiler.compile(replace(request, span=replace(request.span, aligned_to=None)))
        for start, end in RANGES[grain]:
            ends = {"start": date.fromisoformat(start), "end": date.fromisoformat(end)}
            found, expected = (
                sorted(warehouse.execute(sql, ends).fetchall(), key=repr)
                for sql in (native, filtered)
            )
            assert found == expected, (metric, [item.column for item in request.group_by], ends)


def test_the_range_stands_before_the_join_of_a_window(compiler: MetricFlowCompiler) -> None:
    [request, *_] = (found for found, _ in requests("revenue_running", compiler))
    assert "CAST($start AS DATE) + INTERVAL (-3) DAY" in compiler.compile(request)
    [request, *_] = (found for found, _ in requests("month_window", compiler))
    assert "INTERVAL (-" not in compiler.compile(request)


def days(span: DaySpan, before: int) -> str:
    return f"x BETWEEN '{date.fromordinal(span.start.toordinal() - before)}' AND '{span.end}' AND y > '2020-02-02'"


@pytest.mark.parametrize("grain", SPANS)
def test_only_days_that_are_the_same_in_all_ranges_become_parameters(grain: str) -> None:
    def months_before(span: DaySpan) -> str:
        start: Any = span.start
        earlier = start.replace(month=start.month - 1) if start.month > 1 else start.replace(year=start.year - 1, month=12)  # fmt: skip
        return f"x >= '{earlier}' AND x <= '{span.end}'"

    def year_before(span: DaySpan) -> str:
        return f"x >= '{span.start.replace(year=span.start.year - 1)}' AND x <= '{span.end}'"

    assert with_span_parameters(lambda span: days(span, 3), grain, "$a", "$b") == (
        "x BETWEEN (CAST($a AS DATE) + INTERVAL (-3) DAY) AND CAST($b AS DATE) AND y > '2020-02-02'"
    )
    if grain != "year":
        assert with_span_parameters(months_before, grain, "$a", "$b") is None
    assert with_span_parameters(year_before, grain, "$a", "$b") is None
    assert with_span_parameters(lambda span: f"x >= '{span.start}'", grain, "$a", "$b") is None
    assert all(span.is_aligned(grain) for span in SPANS[grain])
