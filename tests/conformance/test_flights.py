"""Every metric of the flights, against SQL over the Parquet files that was written by hand."""

import math
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.governed_metrics import GovernedMetrics
from semantic.policy import Reader

CASES = yaml.safe_load((Path(__file__).parent / "flights.yaml").read_text())
PLATFORM = Reader(name="platform")
DAY = "metric_time__day"


def _queries() -> Iterable[Any]:
    for case in CASES:
        forms = {
            "total": ([], case.get("total")),
            "by_day": ([DAY], case.get("by_day")),
            "by_dimension": _form([], case.get("by_dimension")),
            "by_day_and_dimension": _form([DAY], case.get("by_day_and_dimension")),
        }
        for form, (group_by, sql) in forms.items():
            if sql:
                yield pytest.param(case["metric"], group_by, sql, id=f"{case['metric']}-{form}")


def _form(prefix: list[str], case: dict[str, str] | None) -> tuple[list[str], str | None]:
    return ([*prefix, case["group_by"]], case["sql"]) if case else ([], None)


@pytest.mark.parametrize(("metric", "group_by", "sql"), list(_queries()))
def test_a_metric_is_what_sql_over_the_parquet_files_says(
    flights_door: GovernedMetrics,
    parquet: duckdb.DuckDBPyConnection,
    metric: str,
    group_by: list[str],
    sql: str,
) -> None:
    answer = flights_door.query({"metrics": metric, "group_by": group_by}, reader=PLATFORM)
    assert isinstance(answer, MetricAnswer), answer
    assert not answer.truncated
    expected = _by_group(parquet.execute(sql).fetchall())
    found = _by_group(answer.rows)
    assert found.keys() == expected.keys()
    wrong = {
        group: (found[group], value)
        for group, value in expected.items()
        if not math.isclose(found[group], value, rel_tol=1e-9, abs_tol=1e-9)
    }
    assert not wrong


def test_every_metric_has_its_cases(flights_door: GovernedMetrics) -> None:
    assert {case["metric"] for case in CASES} == set(flights_door.catalog.metrics)
    for case in CASES:
        needs_time = flights_door.catalog.metrics[case["metric"]].needs_time
        assert "by_day" in case
        assert ("by_day_and_dimension" if needs_time else "by_dimension") in case
        assert ("total" in case) is not needs_time


def test_all_five_types_of_metric_stand_in_the_project(flights_door: GovernedMetrics) -> None:
    types = {metric.type.value for metric in flights_door.catalog.metrics.values()}
    assert types == {"simple", "ratio", "derived", "cumulative", "conversion"}
    assert len(flights_door.catalog.metrics) >= 16


@pytest.mark.parametrize(
    ("day", "flights", "cancelled"), [("2013-02-08", 930, 472), ("2013-02-09", 684, 393)]
)
def test_the_blizzard_has_its_true_counts(
    flights_door: GovernedMetrics, day: str, flights: int, cancelled: int
) -> None:
    answer = flights_door.query(
        {"metrics": ["flights", "cancelled_flights"], "time_range": {"start": day, "end": day}},
        reader=Reader(name="operations_watch"),
    )
    assert isinstance(answer, MetricAnswer)
    assert answer.rows == ((flights, cancelled),)


@pytest.mark.parametrize(
    ("unmatched", "flights"),
    [
        ("weather_hour__has_precipitation", None),
        ("plane__manufacturer", 52_606),
        ("destination__airport_name", 7_602),
    ],
)
def test_flights_without_a_match_are_kept_under_no_value(
    flights_door: GovernedMetrics, unmatched: str, flights: int | None
) -> None:
    answer = flights_door.query({"metrics": "flights", "group_by": unmatched}, reader=PLATFORM)
    assert isinstance(answer, MetricAnswer)
    counted = dict(answer.rows)
    assert sum(counted.values()) == 336_776
    if flights is not None:
        assert counted[None] == flights


def test_flights_without_weather_are_counted(flights_door: GovernedMetrics) -> None:
    answer = flights_door.query(
        {
            "metrics": "flights",
            "filters": {"dimension": "weather_hour", "operator": "is_null"},
        },
        reader=PLATFORM,
    )
    assert isinstance(answer, MetricAnswer)
    assert answer.rows == ((1_556,),)


def test_a_metric_per_period_says_that_it_has_no_total(flights_door: GovernedMetrics) -> None:
    refusal = flights_door.query({"metrics": "flights_trailing_7_days"}, reader=PLATFORM)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.INVALID_QUERY
    assert refusal.hint is not None
    assert "metric_time__day" in refusal.hint


def _by_group(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], float]:
    """Values by group; a row without a value is no row."""
    return {tuple(map(_plain, row[:-1])): float(row[-1]) for row in rows if row[-1] is not None}


def _plain(cell: object) -> object:
    return cell.date() if isinstance(cell, datetime) else cell
