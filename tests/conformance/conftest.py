"""The year of flights behind a door, published once per test session."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration_assets.definitions import HERE
from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.engines.embedded import embedded_engine
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadContext
from semantic.measurement import measure
from semantic.policy import Policy
from semantic.policy_check import check_policy
from semantic.policy_file import load_policy, policy_text
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import ModelState, State
from tests.conformance.flights_year import build_flights_year, parquet_views
from tests.dbt_build import BuiltProject
from tests.semantic.door import PATIENT, RememberingEngine


@pytest.fixture(scope="session")
def year(shared_folder: Path) -> BuiltProject:
    return build_flights_year(shared_folder / "flights_year")


@pytest.fixture(scope="session")
def flights_catalog(year: BuiltProject) -> Catalog:
    return load_catalog(year.target)


@pytest.fixture(scope="session")
def flights_engine(flights_catalog: Catalog) -> RememberingEngine:
    return RememberingEngine(embedded_engine(flights_catalog))


@pytest.fixture(scope="session")
def flights_policy(flights_catalog: Catalog) -> Policy:
    policy = load_policy(HERE / "defs" / "policy.yaml")
    check_policy(policy, flights_catalog)
    return policy


@pytest.fixture(scope="session")
def flights_door(
    year: BuiltProject,
    flights_catalog: Catalog,
    flights_engine: RememberingEngine,
    flights_policy: Policy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GovernedMetrics]:
    door = GovernedMetrics(
        catalog=flights_catalog,
        policy=flights_policy,
        ledger=Ledger.in_memory(),
        snapshots=SnapshotStore(tmp_path_factory.mktemp("flights_published"), limits=PATIENT),
        engine=lambda _: flights_engine,
        mask_key="a key of the tests",
    )
    door.ledger.publish_policy(
        flights_policy.hash, policy_text(flights_policy), by="tests", run_id=None
    )
    publish_year(door, year.warehouse)
    yield door
    door.close()


def publish_year(door: GovernedMetrics, warehouse: Path) -> None:
    """Publishes what dbt built, with every model passing: dbt's own tests passed when it was built."""
    passing = {node: ModelState(state=State.PASSING) for node in door.catalog.dbt_nodes}
    with door.snapshots.stage(door.catalog, warehouse) as staged:
        record = measure(door, staged, passing, previous=None, context=ReadContext())
        staged.publish(record)


@pytest.fixture(scope="session")
def parquet() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = parquet_views()
    yield connection
    connection.close()
