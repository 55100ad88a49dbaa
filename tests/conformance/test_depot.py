"""The same question to the door and to SQL that somebody else wrote: over all metric types, joins, grains, filters and year ends."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.canonical import canonical_value
from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.engines.embedded import embedded_engine
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.policy import Reader
from semantic.snapshot import SnapshotStore
from tests.conformance.depot import build_depot
from tests.dbt_build import BuiltProject
from tests.semantic.door import PATIENT, RememberingEngine, all_passing, build_door, publish

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "depot.yaml").read_text())
GENERALISED: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "generalised.yaml").read_text()
)
ANYBODY = Reader(name="anybody")
POLICY = """
rules:
  - permit: everything
    readers: [anybody, refresh, narrow]
    metrics: "*"
    dimensions: ["*", vehicle__driver__driver_name]
"""
MASKS = "{driver_name: {first: 1}, kind: {first: 2}, tier: {first: 1}, condition: {first: 1}, delivery__delay: {band: 10}}"
# By element: what is visible, and how a database is made in which there is nothing else.
VISIBLE: dict[str, tuple[list[int], list[str]]] = {
    "depot": ([1], ["deliveries where depot_id", "depot_history where depot_id"]),
    "vehicle": (
        [10, 12, 13],
        [
            "deliveries where vehicle_id",
            "vehicles where vehicle_id",
            "vehicle_days where vehicle_id",
        ],
    ),
    "customer": ([501, 503, 505], ["deliveries where customer_id", "complaints where customer_id"]),
    "driver": ([1, 3], ["vehicles where driver_id", "drivers where driver_id"]),
}


@pytest.fixture(scope="module")
def depot(shared_folder: Path) -> BuiltProject:
    return build_depot(shared_folder / "depot")


@pytest.fixture(scope="module")
def catalog(depot: BuiltProject) -> Catalog:
    return load_catalog(depot.target)


@pytest.fixture(scope="module")
def engine(catalog: Catalog) -> RememberingEngine:
    return RememberingEngine(embedded_engine(catalog))


@pytest.fixture(scope="module")
def store(
    depot: BuiltProject,
    catalog: Catalog,
    engine: RememberingEngine,
    tmp_path_factory: pytest.TempPathFactory,
) -> SnapshotStore:
    store = SnapshotStore(tmp_path_factory.mktemp("depot"), limits=PATIENT)
    with build_door(catalog, engine, store, Ledger.in_memory(), policy=POLICY) as door:
        publish(door, depot.warehouse)
    return store


@pytest.fixture(scope="module")
def door(
    catalog: Catalog, engine: RememberingEngine, store: SnapshotStore
) -> Iterator[GovernedMetrics]:
    with build_door(catalog, engine, store, Ledger.in_memory(), policy=POLICY) as opened:
        yield opened


def test_every_metric_of_the_depot_can_be_measured(store: SnapshotStore) -> None:
    closed = {name: item.why for name, item in store.current().metrics.items() if item.why}
    assert closed == {}


def test_there_are_cases_of_every_kind(catalog: Catalog) -> None:
    asked = {name for case in CASES for name in _listed(case["query"].get("metrics", ()))}
    assert len(CASES) >= 80
    assert {catalog.metrics[name].type for name in asked} == {
        metric.type for metric in catalog.metrics.values()
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["query"])[:120])
def test_an_answer_is_what_sql_by_hand_says(
    door: GovernedMetrics, depot: BuiltProject, case: dict[str, Any]
) -> None:
    answered = door.query(case["query"], reader=ANYBODY)
    assert isinstance(answered, MetricAnswer), answered
    with duckdb.connect(str(depot.warehouse), read_only=True) as warehouse:
        expected = warehouse.execute(case["sql"]).fetchall()
    found, wanted = _comparable(answered.rows), _comparable(expected)
    if not case.get("ordered"):
        found, wanted = sorted(found, key=repr), sorted(wanted, key=repr)
    assert found == wanted


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"metrics": "parcels_so_far", "time_range": "last 3 days"}, "a value at each moment"),
        (
            {
                "metrics": "parcels_so_far",
                "group_by": "depot",
                "filters": {"dimension": "metric_time", "operator": "<", "values": "2024-01-03"},
            },
            "a value at each moment",
        ),
        ({"metrics": "parcels_two_days"}, "a value per period and no total"),
        (
            {
                "metrics": "planned_parcels",
                "time_range": {"start": "2024-01-01", "end": "2024-01-30"},
            },
            "a value per month, so a time_range holds whole months",
        ),
        (
            {
                "metrics": ["deliveries", "planned_parcels"],
                "time_range": {"start": "2024-01-01", "end": "2024-01-02"},
            },
            "a value per month, so a time_range holds whole months",
        ),
    ],
    ids=str,
)
def test_what_would_be_a_wrong_figure_is_refused(
    door: GovernedMetrics, query: dict[str, Any], told: str
) -> None:
    refused = door.query(query, reader=ANYBODY)
    assert isinstance(refused, Refusal), refused
    assert told in refused.message


def test_a_saved_query_that_names_what_a_reader_may_not_use_does_not_exist_for_it(
    catalog: Catalog, engine: RememberingEngine, store: SnapshotStore
) -> None:
    rules = """
    rules:
      - {permit: p, readers: [ana, whole, refresh], metrics: "*"}
      - {forbid: f, readers: [ana], metrics: "*", dimensions: [status]}
    """
    names = ["by_status", "heavy_by_kind", "lost"]
    with build_door(catalog, engine, store, Ledger.in_memory(), policy=rules) as door:
        whole, ana = Reader(name="whole"), Reader(name="ana")
        assert [item.name for item in door.saved_queries(whole)] == names
        assert [item.name for item in door.saved_queries(ana)] == ["heavy_by_kind"]
        for name in names:
            assert isinstance(door.query({"saved_query": name}, reader=whole), MetricAnswer)
            told = door.query({"saved_query": name}, reader=ana)
            assert isinstance(told, MetricAnswer if name == "heavy_by_kind" else Refusal)
            if isinstance(told, Refusal):
                assert told.message == f"Saved query '{name}' is not available to 'ana'"
                assert told.hint == "available: heavy_by_kind"


@pytest.mark.parametrize("metric", ["parcels_so_far", "parcels_two_days", "deliveries_change"])
def test_what_adds_up_is_not_told_where_small_groups_are_not(
    catalog: Catalog, engine: RememberingEngine, store: SnapshotStore, metric: str
) -> None:
    """A day that is not told would be the difference of those beside it."""
    counted = replace(catalog.metrics[metric], count_metric="deliveries")
    small = replace(catalog, metrics={**catalog.metrics, metric: counted})
    policy = """
    rules:
      - {permit: p, readers: [ana], metrics: "*"}
      - {restrict: r, readers: [ana], metrics: "*", smallest_group: 3}
    """
    with build_door(small, engine, store, Ledger.in_memory(), policy=policy) as door:
        refused = door.query(
            {"metrics": metric, "group_by": "metric_time__day"}, reader=Reader(name="ana")
        )
    assert isinstance(refused, Refusal)
    assert refused.reason is Reason.GROUPS_NOT_COUNTED


@pytest.mark.soak
@pytest.mark.parametrize("element", VISIBLE)
def test_a_restricted_answer_is_that_of_a_database_without_the_other_rows(
    depot: BuiltProject,
    catalog: Catalog,
    engine: RememberingEngine,
    store: SnapshotStore,
    element: str,
    tmp_path: Path,
) -> None:
    """Of slowly changing and partitioned joins, metric filters, windows and conversions too."""
    visible, tables = VISIBLE[element]
    rule = f"  - {{restrict: narrow, readers: [narrow], metrics: '*', rows: {{{element}: {visible}}}}}\n"
    kept = tmp_path / "depot.duckdb"
    kept.write_bytes(depot.warehouse.read_bytes())
    with duckdb.connect(str(kept)) as warehouse:
        for table in tables:
            values = ", ".join(map(str, visible))
            column = table.rpartition(" ")[2]
            warehouse.execute(f"DELETE FROM {table} NOT IN ({values}) OR {column} IS NULL")
    others = SnapshotStore(tmp_path / "snapshots", limits=PATIENT)
    with build_door(catalog, engine, others, Ledger.in_memory(), policy=POLICY) as without:
        with others.stage(catalog, kept) as staged:
            states = store.current().metrics
            staged.publish(staged.unmeasured(all_passing(catalog), states, None))
        with build_door(
            catalog, engine, store, Ledger.in_memory(), policy=POLICY + rule
        ) as restricted:
            compared = refused = 0
            for case in CASES:
                narrow = restricted.query(case["query"], reader=Reader(name="narrow"))
                if isinstance(narrow, Refusal):
                    assert narrow.reason == "rows_not_restrictable", (case["query"], narrow)
                    refused += 1
                    continue
                whole = without.query(case["query"], reader=ANYBODY)
                assert isinstance(whole, MetricAnswer), (case["query"], whole)
                assert _comparable(narrow.rows) == _comparable(whole.rows), case["query"]
                compared += 1
    assert compared + refused == len(CASES)
    assert compared > 60 or element == "driver"


@pytest.mark.parametrize("case", GENERALISED, ids=lambda case: str(case["query"])[:120])
def test_a_generalised_answer_groups_by_the_coarser_value(
    depot: BuiltProject,
    catalog: Catalog,
    engine: RememberingEngine,
    store: SnapshotStore,
    case: dict[str, Any],
    tmp_path: Path,
) -> None:
    """As SQL by hand does, or as an unmasked answer over a database that holds nothing finer."""
    policy = f"{POLICY}  - {{restrict: coarse, readers: [narrow], metrics: '*', masks: {MASKS}}}\n"
    with build_door(catalog, engine, store, Ledger.in_memory(), policy=policy) as door:
        answered = door.query(case["query"], reader=Reader(name="narrow"))
    assert isinstance(answered, MetricAnswer), answered
    assert "masked" in {notice.kind for notice in answered.provenance.notices}
    kept = tmp_path / "depot.duckdb"
    kept.write_bytes(depot.warehouse.read_bytes())
    with duckdb.connect(str(kept)) as warehouse:
        expected = warehouse.execute(case["sql"] if "sql" in case else case["updated"]).fetchall()
    if "updated" in case:
        others = SnapshotStore(tmp_path / "snapshots", limits=PATIENT)
        with build_door(catalog, engine, others, Ledger.in_memory(), policy=POLICY) as coarse:
            with others.stage(catalog, kept) as staged:
                staged.publish(
                    staged.unmeasured(all_passing(catalog), store.current().metrics, None)
                )
            whole = coarse.query(case["query"], reader=ANYBODY)
        assert isinstance(whole, MetricAnswer), whole
        assert answered.columns == whole.columns
        expected = list(whole.rows)
    found, wanted = _comparable(answered.rows), _comparable(expected)
    if not case.get("ordered"):
        found, wanted = sorted(found, key=repr), sorted(wanted, key=repr)
    assert found == wanted


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def _comparable(rows: Any) -> list[tuple[object, ...]]:
    """Rows with whole numbers as such, and others to nine digits."""
    return [tuple(_number(canonical_value(cell)) for cell in row) for row in rows]


def _number(value: object) -> object:
    if isinstance(value, str):
        try:
            return round(float(value), 9)
        except ValueError:
            return value
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
