"""`platform_health`: what Dagster tells of itself, published as governed metrics without the data of the dbt project being touched."""

import time

import dagster as dg

from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.asset_graph import asset_graph_of
from orchestration_assets.errors import told_to_dagster
from orchestration_assets.governed_snapshot import LOOKED_AT, PUBLISHING_POOL
from orchestration_assets.other_policy import refuse_unpublished
from orchestration_assets.platform.platform_tables import read_platform_tables
from orchestration_assets.platform.run_facts import moment
from orchestration_assets.read_events import checkpoint_metadata
from orchestration_assets.triggers.watched import watches_of
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext
from semantic.measurement import measure
from semantic.platform.tables import PlatformTables
from semantic.snapshot_record import SnapshotRecord

PLATFORM_KEY = dg.AssetKey("platform_health")
# The runs that ended last are named, so that one which was written down while this looked is not taken for a known one.
NEWEST_RUNS = "newest_runs"
OVERLAP_SECONDS = 10


def build_platform_health(*, resource_key: str) -> dg.AssetsDefinition:
    """The asset above the platform's metrics. It publishes no policy: under one that is not published it fails, and says so."""

    @dg.asset(
        key=PLATFORM_KEY,
        group_name="platform",
        kinds={"dagster", "snapshot"},
        description="Runs, failures, assets and queues as Dagster's instance tells them, published as governed metrics. The data of the "
        "dbt project stays as it is.",
        required_resource_keys={resource_key},
        pool=PUBLISHING_POOL,
    )
    def platform_health(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        with told_to_dagster(), resource.open(context.instance) as metrics:
            refuse_unpublished(metrics)
            looked_at = time.time()
            tables = read_platform_tables(context.instance, asset_graph_of(context), metrics)
            record = _publish(context, metrics, tables)
            metrics.ledger.sweep()
            checkpoint = metrics.ledger.seal()
        rows = {
            name.split(".")[-1].strip('"'): record.relations[name]
            for name in metrics.catalog.platform_relations
        }
        return dg.MaterializeResult(
            metadata={
                "version": record.version,
                LOOKED_AT: dg.MetadataValue.timestamp(looked_at),
                **rows,
                NEWEST_RUNS: sorted(_ended_after(tables, looked_at - OVERLAP_SECONDS)),
                **checkpoint_metadata(checkpoint),
            }
        )

    return platform_health


def _ended_after(tables: PlatformTables, seconds: float) -> list[str]:
    """The runs in these tables that ended after a moment."""
    after = moment(seconds)
    return [run.run_id for run in tables.runs if run.ended_at >= after]


def _publish(
    context: dg.AssetExecutionContext, metrics: GovernedMetrics, tables: PlatformTables
) -> SnapshotRecord:
    catalog, store, run_id = metrics.catalog, metrics.snapshots, context.run.run_id
    with store.stage_platform(catalog, tables) as staged:
        metrics.ledger.record_definitions(
            {name: catalog.metrics[name].definition_hash for name in catalog.platform_metrics},
            by=PLATFORM_KEY.to_user_string(),
            run_id=run_id,
        )
        record = measure(
            metrics,
            staged,
            staged.before.models if staged.before else {},
            previous=staged.before,
            watches=watches_of(metrics.ledger.registered_agents(), catalog),
            context=ReadContext(
                run_id=run_id,
                root_run_id=context.run.root_run_id or run_id,
                step_key=PLATFORM_KEY.to_user_string(),
            ),
            progress=context.log.info,
        )
        staged.publish(record)
    return record
