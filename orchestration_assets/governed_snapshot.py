"""`governed_snapshot`: the data that reads are served from, staged, measured and published at once."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance

from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.asset_graph import asset_graph_of
from orchestration_assets.dbt_project import DbtAssets
from orchestration_assets.errors import told_to_dagster
from orchestration_assets.model_states import governed_nodes, last_touched, read_model_states
from orchestration_assets.platform.platform_tables import read_platform_tables
from orchestration_assets.read_events import checkpoint_metadata
from orchestration_assets.triggers.watched import watches_of
from semantic.catalog import Catalog
from semantic.errors import WarehouseUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext
from semantic.measurement import measure
from semantic.platform.tables import NO_TABLES
from semantic.policy_check import check_policy, check_reach
from semantic.policy_file import policy_text
from semantic.snapshot_record import SnapshotRecord, State

SNAPSHOT_KEY = dg.AssetKey("governed_snapshot")
LOOKED_AT = "looked_at"
PUBLISHING_POOL = "governed_snapshot"


def build_governed_snapshot(
    catalog: Catalog,
    dbt: DbtAssets,
    warehouse: Callable[[], Path],
    *,
    key: dg.AssetKey = SNAPSHOT_KEY,
    group_name: str = "governed_snapshot",
    resource_key: str = "governed_metrics",
) -> dg.AssetsDefinition:
    """The snapshot asset below the dbt models that metrics are built from.

    It is in a group of its own: Dagster takes a dependency that nobody defines for an asset of the same name and group, and a metric may
    have the name of its model. `warehouse` is called when the asset runs, and names the DuckDB file that dbt built. The asset publishes
    the policy that it runs with: it belongs to those who own the policy.
    """

    @dg.asset(
        key=key,
        deps=governed_dbt_keys(catalog, dbt),
        group_name=group_name,
        kinds={"duckdb", "snapshot"},
        description="The governed relations, published under a new version with the data version of every metric "
        "and the state of its models' checks. Agents read from here, never from the warehouse.",
        required_resource_keys={resource_key},
        pool=PUBLISHING_POOL,
    )
    def governed_snapshot(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        with told_to_dagster(), resource.open(context.instance) as metrics:
            looked_at = time.time()
            record = publish_snapshot(context, metrics, dbt, warehouse(), looked_at)
            metrics.ledger.sweep()
            checkpoint = metrics.ledger.seal()
        return _result(record, looked_at, checkpoint)

    return governed_snapshot


def governed_dbt_keys(catalog: Catalog, dbt: DbtAssets) -> Sequence[dg.AssetKey]:
    """The asset keys of the dbt models that governed relations are built by."""
    models = catalog.dbt_models_of(catalog.relations())
    return sorted({dbt.keys[model] for model in models if model in dbt.keys})


def publish_snapshot(
    context: dg.AssetExecutionContext,
    metrics: GovernedMetrics,
    dbt: DbtAssets,
    warehouse: Path,
    looked_at: float,
) -> SnapshotRecord:
    """Publishes the policy and a new snapshot. Where anything fails, the last good snapshot stays current.

    Metrics whose models do not pass are published as closed, also where that is all of them: the last good data is kept
    on disk, and is not what readers get. `looked_at` is the moment from which the state of the models counts.
    """
    run_id = context.run.run_id
    check_policy(metrics.policy, metrics.catalog)
    check_reach(metrics.policy, metrics.catalog, metrics.engine)
    states = read_model_states(context.instance, metrics.catalog, dbt)
    store = metrics.snapshots
    previous = store.current() if store.current_version() else None
    tables = (
        read_platform_tables(context.instance, asset_graph_of(context), metrics)
        if metrics.catalog.platform_metrics
        else NO_TABLES
    )
    with store.stage(metrics.catalog, warehouse, tables) as staged:
        _refuse_other_data(context.instance, metrics.catalog, dbt, looked_at)
        if metrics.ledger.publish_policy(
            metrics.policy.hash, policy_text(metrics.policy), by="governed_snapshot", run_id=run_id
        ):
            context.log.info(f"Published the policy {metrics.policy.hash}")
        changed = metrics.ledger.record_definitions(
            {metric.name: metric.definition_hash for metric in metrics.catalog.metrics.values()},
            by="governed_snapshot",
            run_id=run_id,
        )
        if changed and previous is not None:
            context.log.info(f"Changed their definition: {', '.join(changed)}")
        record = measure(
            metrics,
            staged,
            states,
            previous=previous,
            watches=watches_of(metrics.ledger.registered_agents(), metrics.catalog),
            context=ReadContext(
                run_id=run_id,
                root_run_id=context.run.root_run_id or run_id,
                step_key="governed_snapshot",
            ),
            progress=context.log.info,
        )
        staged.publish(record)
    for name, item in record.metrics.items():
        if item.state is not State.PASSING:
            context.log.warning(f"'{name}' is closed: {item.why}")
    return record


def _refuse_other_data(
    instance: DagsterInstance, catalog: Catalog, dbt: DbtAssets, looked_at: float
) -> None:
    """Raises `WarehouseUnavailable` where dbt has built or tested since `looked_at`: the copy may then hold other data than
    that whose tests were looked at.
    """
    keys = [dbt.keys[node] for node in governed_nodes(catalog) if node in dbt.keys]
    checks = [test.check_key for test in dbt.tests if test.check_key]
    if last_touched(instance, keys, checks) >= looked_at:
        raise WarehouseUnavailable(
            "dbt was at work while the snapshot was taken, so the data may not be what its tests were run on",
            hint="materialize governed_snapshot again when dbt is done",
        )


def _result(
    record: SnapshotRecord, looked_at: float, checkpoint: str | None
) -> dg.MaterializeResult[None]:
    closed = {
        name: item for name, item in record.metrics.items() if item.state is not State.PASSING
    }
    return dg.MaterializeResult(
        metadata={
            "version": record.version,
            LOOKED_AT: dg.MetadataValue.timestamp(looked_at),
            **checkpoint_metadata(checkpoint),
            "metrics": len(record.metrics) - len(closed),
            "metrics_closed": len(closed),
            "dagster/row_count": sum(record.relations.values()),
            "relations": dg.MetadataValue.table(
                [
                    dg.TableRecord({"relation": name, "rows": rows})
                    for name, rows in record.relations.items()
                ]
            ),
            **(
                {
                    "closed": dg.MetadataValue.table(
                        [
                            dg.TableRecord(
                                {"metric": name, "state": item.state.value, "reason": item.why}
                            )
                            for name, item in closed.items()
                        ]
                    )
                }
                if closed
                else {}
            ),
        },
        data_version=dg.DataVersion(_version_of_all(record)),
    )


def _version_of_all(record: SnapshotRecord) -> str:
    parts = [
        f"{name} {item.data_version} {item.state}" for name, item in sorted(record.metrics.items())
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
