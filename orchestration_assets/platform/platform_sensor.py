"""When what Dagster tells of itself is published: at once when a run failed, soon after one ended, and from time to time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterInstance

from orchestration_assets.governed_snapshot import LOOKED_AT
from orchestration_assets.in_progress import assets_in_progress, unfinished_runs
from orchestration_assets.platform.platform_health import (
    NEWEST_RUNS,
    OVERLAP_SECONDS,
    PLATFORM_KEY,
)
from orchestration_assets.platform.run_facts import REFRESH_TAG
from orchestration_assets.platform.settings import PlatformSettings

_ENDED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
_LOOKED_AT_RUNS = 50


def build_platform_sensor(
    metric_keys: Sequence[dg.AssetKey],
    settings: PlatformSettings,
    *,
    publishing: Sequence[dg.AssetKey],
    name: str = "platform_health_on_ended_runs",
    minimum_interval_seconds: int = 30,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """A sensor that publishes the platform's metrics. It waits while one of the assets of `publishing` is being made: they publish these too."""
    refreshed = [PLATFORM_KEY, *metric_keys]

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*refreshed),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description="Publishes the metrics of Dagster itself when runs have ended, and from time to time.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        instance = context.instance
        if assets_in_progress(instance, unfinished_runs(instance), [PLATFORM_KEY, *publishing]):
            return dg.SensorResult(skip_reason="A snapshot is being published")
        return due(instance, settings, refreshed, name=name, now=datetime.now(UTC))

    return sensor


def due(
    instance: DagsterInstance,
    settings: PlatformSettings,
    refreshed: Sequence[dg.AssetKey],
    *,
    name: str,
    now: datetime,
) -> dg.SensorResult:
    """One tick: the run to ask for, or why none is."""
    looked_at, known = _looked_at(instance)
    ended = [
        it
        for it in _ended_since(instance, looked_at)
        if it.dagster_run.run_id not in known and REFRESH_TAG not in it.dagster_run.tags
    ]
    newest = max((it.update_timestamp for it in ended), default=None)
    has_failed = any(it.dagster_run.status is dg.DagsterRunStatus.FAILURE for it in ended)
    waited = None if looked_at is None else now - looked_at
    is_due = (
        waited is None
        or has_failed
        or (bool(ended) and waited >= timedelta(minutes=settings.at_most_every_minutes))
        or waited >= timedelta(minutes=settings.at_least_every_minutes)
    )
    if not is_due:
        told = f"{len(ended)} runs ended since" if ended else "No run has ended since"
        return dg.SensorResult(skip_reason=f"{told} it was published at {looked_at:%H:%M:%S}")
    # One that failed is asked for again after a while.
    patience = int(now.timestamp() // (60 * max(1, settings.at_most_every_minutes)))
    key = f"{newest or ''} {looked_at or ''} {patience}"
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{name} {key}",
                asset_selection=list(refreshed),
                tags={REFRESH_TAG: "true"},
            )
        ]
    )


def _ended_since(instance: DagsterInstance, looked_at: datetime | None) -> Sequence[dg.RunRecord]:
    """The newest runs that ended since then, and a little before."""
    since = None if looked_at is None else looked_at - timedelta(seconds=OVERLAP_SECONDS)
    return instance.get_run_records(
        dg.RunsFilter(statuses=_ENDED, updated_after=since), limit=_LOOKED_AT_RUNS
    )


def _looked_at(instance: DagsterInstance) -> tuple[datetime | None, frozenset[str]]:
    """The moment from which the newest publication knew the runs, and those that had ended just before."""
    latest = instance.get_latest_materialization_event(PLATFORM_KEY)
    materialization = latest.asset_materialization if latest else None
    if materialization is None or LOOKED_AT not in materialization.metadata:
        return None, frozenset()
    found = {name: item.value for name, item in materialization.metadata.items()}
    at = datetime.fromtimestamp(float(str(found[LOOKED_AT])), UTC)
    named = found.get(NEWEST_RUNS)
    return at, frozenset(named if isinstance(named, list) else ())
