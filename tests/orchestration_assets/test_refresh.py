"""When a snapshot is taken, and that it never holds other data than that whose tests were looked at."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.governed_snapshot import LOOKED_AT
from orchestration_assets.metrics_project import build_metrics_definitions
from semantic.catalog import Catalog
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.open_snapshot import OpenSnapshot
from semantic.platform.tables import NO_TABLES, PlatformTables
from semantic.snapshot import SnapshotStore, StagedSnapshot
from semantic.snapshot_record import State
from tests.orchestration_assets.corner_shop import (
    CORNER,
    build_definitions,
    load_shop,
    project_of,
)
from tests.orchestration_assets.location import (
    REFRESH_SENSOR,
    SNAPSHOT,
    Location,
    going_on,
    metric_key,
    names_of,
)

MODEL = dg.AssetKey(["analytics", "orders"])
NEWER = "The snapshot is newer than every governed dbt model and its tests"
while_copied: list[Callable[[], None]] = []
while_measured: list[Callable[[], None]] = []


@pytest.fixture(autouse=True)
def _nothing_happens_meanwhile() -> Iterator[None]:
    yield
    while_copied.clear()
    while_measured.clear()


@pytest.mark.soak
def test_it_is_taken_when_a_model_was_built_and_not_again(shop: Location) -> None:
    assert shop.tick(REFRESH_SENSOR).skipped == NEWER
    assert shop.run(shop.dbt_keys).success
    [request] = shop.tick(REFRESH_SENSOR).requests
    assert set(request.asset_selection or ()) == {SNAPSHOT, *shop.metric_keys}
    assert shop.tick(REFRESH_SENSOR).requests == (request,)
    assert shop.run_requested(request).success
    assert shop.tick(REFRESH_SENSOR).skipped == NEWER


def test_it_is_taken_when_a_test_gave_another_result(shop: Location) -> None:
    """`dbt test` alone builds nothing, and closes and opens metrics all the same."""
    assert shop.tick(REFRESH_SENSOR).skipped == NEWER
    shop.change("INSERT INTO till_analytics.orders SELECT * FROM till_analytics.orders LIMIT 1")
    assert not shop.check([MODEL])
    [request] = shop.tick(REFRESH_SENSOR).requests
    ran = shop.run_requested(request)
    assert ran.success, ran.failures
    assert names_of(ran.materialized) == {"governed_snapshot", "customers"}
    assert shop.current.metrics["orders"].state is State.FAILING
    assert "unique_orders_order_id on orders failed" in shop.current.metrics["orders"].reason
    assert shop.current.metrics["customers"].state is State.PASSING
    assert shop.tick(REFRESH_SENSOR).skipped == NEWER


def test_where_nothing_passes_everything_is_closed_and_the_last_good_data_is_kept(
    shop: Location,
) -> None:
    good = shop.current
    for key in shop.dbt_keys:
        shop.instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=key))
    [request] = shop.tick(REFRESH_SENSOR).requests
    ran = shop.run_requested(request)
    assert names_of(ran.materialized) == {"governed_snapshot"}
    assert (
        "has not run since orders was built; use `dbt build`" in (ran.failures["governed_metrics"])
    )
    assert {item.state for item in shop.current.metrics.values()} == {State.UNKNOWN}
    assert good.version in shop.store.versions()
    agent = shop.run([dg.AssetKey(["agents", "greeter"])])
    assert "'customers' may not be read" in agent.failures["agents__greeter"]


@pytest.mark.soak
def test_it_waits_while_dbt_or_the_snapshot_is_at_work(shop: Location) -> None:
    built_again(shop)
    for keys in ([MODEL], [SNAPSHOT], None):
        with going_on(shop, keys):
            assert shop.tick(REFRESH_SENSOR).skipped == "dbt or the snapshot is at work"
    assert len(shop.tick(REFRESH_SENSOR).requests) == 1


@pytest.mark.soak
def test_what_dbt_builds_while_a_snapshot_is_measured_is_in_the_next_one(shop: Location) -> None:
    eventful = with_events(shop)
    with eventful:
        while_measured.append(lambda: built_again(shop))
        assert eventful.run([SNAPSHOT]).success
        assert not while_measured
        [request] = eventful.tick(REFRESH_SENSOR).requests
    assert request.run_key


def test_what_dbt_builds_while_the_data_is_copied_publishes_nothing(shop: Location) -> None:
    before = shop.current
    with with_events(shop) as eventful:
        while_copied.append(lambda: built_again(shop))
        ran = eventful.run([SNAPSHOT])
        assert not while_copied
    assert "dbt was at work while the snapshot was taken" in ran.failures["governed_snapshot"]
    assert shop.current == before
    assert len(shop.tick(REFRESH_SENSOR).requests) == 1


def test_a_snapshot_that_cannot_be_taken_leaves_the_last_one(shop: Location) -> None:
    before = shop.current
    shop.warehouse.rename(shop.warehouse.with_name("elsewhere.duckdb"))
    ran = shop.run([SNAPSHOT, *shop.metric_keys])
    assert "There is no DuckDB warehouse at" in ran.failures["governed_snapshot"]
    assert "build the dbt project first" in ran.hints["governed_snapshot"]
    assert ran.materialized == frozenset()
    assert shop.current == before
    assert shop.run(shop.metric_keys).success


@pytest.mark.soak
def test_a_snapshot_that_cannot_be_taken_publishes_no_policy(shop: Location) -> None:
    other = shop.folder / "other_policy.yaml"
    rule = "rules:\n  - {forbid: strangers, readers: [stranger], metrics: [orders]}"
    other.write_text((CORNER / "policy.yaml").read_text().replace("rules:", rule, 1))
    metrics = load_shop(shop.folder, policy=other)
    before = published_policy(shop)
    away = shop.warehouse.rename(shop.warehouse.with_name("elsewhere.duckdb"))
    with Location(shop.folder, build_definitions(shop.folder, metrics), shop.warehouse) as changed:
        assert changed.run([SNAPSHOT]).failures
        assert published_policy(shop) == before
        away.rename(shop.warehouse)
        assert changed.run([SNAPSHOT]).success
        assert published_policy(shop) == metrics.policy.hash != before


@pytest.mark.soak
def test_what_dbt_built_in_a_shell_is_closed_until_dagster_builds_it(shop: Location) -> None:
    results = project_of(shop.folder) / "target" / "run_results.json"
    written = {
        "metadata": {"generated_at": datetime.now(UTC).isoformat()},
        "args": {"which": "build"},
        "results": [{"unique_id": "model.corner_shop.orders", "status": "success"}],
    }
    try:
        results.write_text(json.dumps(written))
        assert shop.run([SNAPSHOT]).success
        assert shop.current.metrics["orders"].state is State.UNKNOWN
        assert "was built by dbt outside Dagster" in shop.current.metrics["orders"].reason
        assert shop.current.metrics["customers"].state is State.PASSING
        results.write_text(json.dumps(written | {"args": {"which": "compile"}}))
        assert shop.run([SNAPSHOT]).success
        assert shop.current.metrics["orders"].state is State.PASSING
    finally:
        results.unlink()


@pytest.mark.soak
def test_metrics_load_where_nobody_defines_the_dbt_models(shop: Location) -> None:
    """A metric has the name of its model, and Dagster looks for what is not defined among the names of a group."""
    running = dg.DefaultSensorStatus.RUNNING
    alone = build_metrics_definitions(load_shop(shop.folder), default_sensor_status=running)
    dg.Definitions.validate_loadable(alone)


def test_a_check_can_be_run_by_itself_and_a_metric_without_the_others(shop: Location) -> None:
    assert names_of(shop.run([metric_key("orders")]).materialized) == {"orders"}
    before = shop.metadata(metric_key("orders"))
    assert shop.check([metric_key("orders")])
    assert shop.metadata(metric_key("orders")) == before


def test_it_says_when_it_looked_and_what_it_closed(shop: Location) -> None:
    metadata = shop.metadata(SNAPSHOT)
    assert metadata["version"] == shop.current.version
    assert metadata["metrics"] == len(shop.metric_keys)
    assert metadata["metrics_closed"] == 0
    assert metadata[LOOKED_AT] < shop.current.published_at.timestamp()


class Eventful(StagedSnapshot):
    """A staged snapshot beside which something happens as soon as it is measured."""

    def open(self) -> OpenSnapshot:
        while while_measured:
            while_measured.pop()()
        return super().open()


class EventfulStore(SnapshotStore):
    """Versions beside whose copying something happens."""

    @contextmanager
    def stage(
        self, catalog: Catalog, warehouse: Path, platform: PlatformTables = NO_TABLES
    ) -> Iterator[StagedSnapshot]:
        with super().stage(catalog, warehouse, platform) as staged:
            while while_copied:
                while_copied.pop()()
            staged.__class__ = Eventful
            yield staged


class EventfulMetrics(GovernedMetricsResource):
    """The door, over versions beside whose making something happens."""

    def open(self, instance: dg.DagsterInstance) -> GovernedMetrics:
        metrics = super().open(instance)
        metrics.snapshots = EventfulStore(metrics.snapshots.root)
        return metrics


def with_events(shop: Location) -> Location:
    """The same shop, read through `EventfulMetrics`."""
    metrics = load_shop(shop.folder, resource=EventfulMetrics)
    return Location(shop.folder, build_definitions(shop.folder, metrics), shop.warehouse)


def published_policy(shop: Location) -> str | None:
    ledger = Ledger.open(shop.home / "governed_agents" / "ledger.db")
    try:
        return ledger.current_policy_hash()
    finally:
        ledger.close()


def built_again(shop: Location) -> None:
    """What Dagster is told when dbt has built a model."""
    shop.instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=MODEL))


def test_a_value_that_stands_says_who_was_given_it(settled: Location) -> None:
    """As the rows of the record say; who reads to measure is no reader."""
    assert settled.run([*settled.metric_keys]).success
    reads = [it for it in settled.all_reads() if it.outcome == "allowed" and it.agent != "refresh"]
    for key in settled.metric_keys:
        version = settled.tags(key)["dagster/data_version"]
        expected = Counter(
            it.agent for it in reads if (it.metric, it.data_version) == (key.path[-1], version)
        )
        table = settled.latest(key).metadata["read_at_this_version_by"]
        assert isinstance(table, dg.TableMetadataValue)
        rows = [row.data for row in table.records]
        assert {row["reader"]: row["reads"] for row in rows} == expected
        assert settled.metadata(key)["readers_of_this_version"] == len(expected)
    assert {it.agent for it in reads} >= {"boss", "north"}
