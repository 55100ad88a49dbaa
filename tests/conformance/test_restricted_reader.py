"""What a restricted reader sees is what anyone would see if the rows it may not see had never been there."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.catalog import Catalog
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.policy import Policy, Reader
from semantic.policy_file import parse_policy, policy_text
from semantic.snapshot import SnapshotStore
from tests.conformance.conftest import publish_year
from tests.dbt_build import BuiltProject
from tests.semantic.door import PATIENT, RememberingEngine

CARRIER = "DL"
RESTRICTED = Reader(name="delta")
WHOLE = Reader(name="everyone")
POLICY = """
readers:
  delta: {carrier: DL}
rules:
  - permit: all of it
    readers: [refresh, delta, everyone]
    metrics: ["*"]
    dimensions: ["*", plane, flight__tail_number]
  - restrict: its own carrier
    readers: [delta]
    metrics: ["*"]
    rows: {carrier: ["{carrier}"]}
"""
GROUPINGS: list[list[str]] = [
    ["metric_time__month"],
    ["metric_time__week", "carrier__airline_name"],
    ["metric_time__month", "origin"],
    ["metric_time__quarter", "plane__manufacturer"],
]


def _door(
    catalog: Catalog, engine: RememberingEngine, policy: Policy, folder: Path, warehouse: Path
) -> GovernedMetrics:
    door = GovernedMetrics(
        catalog=catalog,
        policy=policy,
        ledger=Ledger.in_memory(),
        snapshots=SnapshotStore(folder, limits=PATIENT),
        engine=lambda _: engine,
        mask_key="a key of the tests",
    )
    door.ledger.publish_policy(policy.hash, policy_text(policy), by="tests", run_id=None)
    publish_year(door, warehouse)
    return door


# That forbidden rows do not exist is shown in `make test` on the shop.
pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def doors(
    year: BuiltProject,
    flights_catalog: Catalog,
    flights_engine: RememberingEngine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[GovernedMetrics, GovernedMetrics]]:
    """A door over all flights, and one over a warehouse in which other carriers' rows were deleted."""
    folder = tmp_path_factory.mktemp("restricted")
    with year.changed_warehouse(folder / "deleted") as (deleted, connection):
        for table in ("fct_flights", "fct_plane_days", "dim_airlines"):
            connection.execute(
                f"DELETE FROM main.{table} WHERE carrier_code IS DISTINCT FROM '{CARRIER}'"
            )
    policy = parse_policy(POLICY)
    made = (
        _door(flights_catalog, flights_engine, policy, folder / "whole", year.warehouse),
        _door(flights_catalog, flights_engine, policy, folder / "without", deleted),
    )
    yield made
    for door in made:
        door.close()


def test_every_relation_with_a_carrier_is_among_those_deleted_from(
    flights_catalog: Catalog, doors: tuple[GovernedMetrics, GovernedMetrics]
) -> None:
    found = dict(doors[0].planner.rows_of_element("carrier"))
    assert {name.split(".")[-1].strip('"') for name in found} == {
        "fct_flights",
        "fct_plane_days",
        "dim_airlines",
    }


@pytest.mark.parametrize("group_by", GROUPINGS, ids="-".join)
def test_a_restricted_answer_is_that_of_a_database_without_the_other_rows(
    doors: tuple[GovernedMetrics, GovernedMetrics], group_by: list[str]
) -> None:
    restricted, without = doors
    compared = set()
    for metric in restricted.catalog.metrics.values():
        legal = restricted.engine.dimensions([metric.name])
        if any(name not in legal and name.rpartition("__")[0] not in legal for name in group_by):
            continue
        query = {"metrics": metric.name, "group_by": group_by}
        seen = restricted.query(query, reader=RESTRICTED)
        expected = without.query(query, reader=WHOLE)
        assert isinstance(expected, MetricAnswer), expected
        if "carrier" not in _elements(restricted, metric.semantic_models):
            assert isinstance(seen, Refusal)
            assert seen.reason is Reason.ROWS_NOT_RESTRICTABLE
            continue
        assert isinstance(seen, MetricAnswer), seen
        assert any(notice.kind == "filtered" for notice in seen.provenance.notices)
        _assert_same(metric.name, seen.rows, expected.rows)
        compared.add(metric.type.value)
    assert compared >= {"simple", "ratio", "derived", "cumulative"}


def test_a_conversion_metric_is_restricted_on_both_sides(
    doors: tuple[GovernedMetrics, GovernedMetrics],
) -> None:
    restricted, without = doors
    query = {"metrics": "grounded_plane_return_rate", "group_by": "metric_time__month"}
    seen, expected = restricted.query(query, reader=RESTRICTED), without.query(query, reader=WHOLE)
    whole = restricted.query(query, reader=WHOLE)
    assert isinstance(seen, MetricAnswer)
    assert isinstance(expected, MetricAnswer)
    assert isinstance(whole, MetricAnswer)
    _assert_same("grounded_plane_return_rate", seen.rows, expected.rows)
    assert seen.rows != whole.rows


def _elements(door: GovernedMetrics, models: tuple[str, ...]) -> set[str]:
    found = [set(door.catalog.semantic_models[name].elements) for name in models]
    return set.intersection(*found)


def _assert_same(metric: str, seen: Any, expected: Any) -> None:
    assert len(seen) == len(expected), metric
    for left, right in zip(seen, expected, strict=True):
        assert left[:-1] == right[:-1], metric
        if left[-1] is None or right[-1] is None:
            assert left[-1] is right[-1], metric
        else:
            assert math.isclose(float(left[-1]), float(right[-1]), rel_tol=1e-9, abs_tol=1e-12), (
                metric
            )
