"""When the snapshot is taken: a sensor that follows the dbt models, also after a run in which one of their tests failed.

Dagster skips what lies below a failed step in the same run. This sensor publishes what did pass in a run of its own, so that one
broken test closes the metrics of its model and no others.
"""

from collections.abc import Sequence

import dagster as dg
from dagster import DagsterInstance

from orchestration_assets.governed_snapshot import LOOKED_AT
from orchestration_assets.in_progress import assets_in_progress, unfinished_runs
from orchestration_assets.model_states import last_touched

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
    """A sensor that refreshes the snapshot and its metrics when dbt built a governed model, or tested what lies above one,
    after the last snapshot looked at them.
    """
    refreshed = [snapshot_key, *metric_keys]

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*refreshed),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description="Publishes a governed snapshot when dbt built or tested a model that metrics are made of.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        instance = context.instance
        checks = _checks_above(snapshot_key, context.repository_def)
        tested = {check.asset_key for check in checks}
        runs = unfinished_runs(instance)
        if assets_in_progress(instance, runs, [*{*dbt_keys, *tested, snapshot_key}]):
            return dg.SensorResult(skip_reason="dbt or the snapshot is at work")
        touched = last_touched(instance, dbt_keys, checks)
        if touched == 0:
            return dg.SensorResult(skip_reason="No governed dbt model has been built yet")
        if touched < _looked_at(instance, snapshot_key):
            return dg.SensorResult(
                skip_reason="The snapshot is newer than every governed dbt model and its tests"
            )
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=f"{name}-{touched:.6f}", asset_selection=refreshed)]
        )

    return sensor


def _checks_above(
    snapshot_key: dg.AssetKey, repository: dg.RepositoryDefinition | None
) -> list[dg.AssetCheckKey]:
    """The checks on everything that the snapshot is made of, as far as this code location defines it."""
    if repository is None:
        return []
    graph = repository.asset_graph
    above = graph.get_ancestor_asset_keys(snapshot_key)
    return [check for check in graph.asset_check_keys if check.asset_key in above]


def _looked_at(instance: DagsterInstance, snapshot_key: dg.AssetKey) -> float:
    """The moment from which the last snapshot knew its models, not the later one at which it was published: what dbt did
    in between is in no snapshot.
    """
    latest = instance.get_latest_materialization_event(snapshot_key)
    materialization = latest.asset_materialization if latest else None
    if materialization is None or LOOKED_AT not in materialization.metadata:
        return 0.0
    return float(str(materialization.metadata[LOOKED_AT].value))
