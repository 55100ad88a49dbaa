"""When the snapshot is taken: a sensor that follows the dbt models, also after a run in which one of their tests failed.

Dagster skips what lies below a failed step in the same run. This sensor publishes what did pass in a run of its own, so that one
broken test closes the metrics of its model and no others.
"""

import hashlib
from collections.abc import Sequence

import dagster as dg

from orchestration_assets.sensors import assets_in_progress

DEFAULT_INTERVAL_SECONDS = 30


def build_refresh_sensor(
    dbt_keys: Sequence[dg.AssetKey],
    snapshot_key: dg.AssetKey,
    metric_keys: Sequence[dg.AssetKey],
    *,
    name: str = "governed_snapshot_on_built_models",
    minimum_interval_seconds: int = DEFAULT_INTERVAL_SECONDS,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """A sensor that refreshes the snapshot and its metrics when a governed dbt model was built after the last one."""
    refreshed = [snapshot_key, *metric_keys]

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*refreshed),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description="Publishes a governed snapshot when dbt built a model that metrics are made of.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        instance = context.instance
        records = {
            record.asset_entry.asset_key: record.asset_entry.last_materialization_record
            for record in instance.get_asset_records([*dbt_keys, snapshot_key])
        }
        built = {key: found.storage_id for key in dbt_keys if (found := records.get(key))}
        if not built:
            return dg.SensorResult(skip_reason="No governed dbt model has been built yet")
        if assets_in_progress(instance) & {*dbt_keys, snapshot_key}:
            return dg.SensorResult(skip_reason="dbt or the snapshot is at work")
        snapshot = records.get(snapshot_key)
        if snapshot is not None and snapshot.storage_id > max(built.values()):
            return dg.SensorResult(
                skip_reason="The snapshot is newer than every governed dbt model"
            )
        standing = sorted((key.to_user_string(), storage_id) for key, storage_id in built.items())
        run_key = hashlib.sha256(repr(standing).encode()).hexdigest()[:24]
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=f"{name}-{run_key}", asset_selection=refreshed)]
        )

    return sensor
