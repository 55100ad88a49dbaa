"""The asset check `definitions_current` of an agent: whether what its metrics mean is still what they meant when it last did its task."""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import DagsterInstance
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord

from semantic.snapshot_record import SnapshotRecord

DEFINITIONS_CURRENT = "definitions_current"
_SNAPSHOT = "snapshot"


def definitions_current_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check of an agent's asset. A run passes it; a snapshot in which a metric means something else fails it, until the agent runs again or
    somebody acknowledges that: `governed-agents acknowledge`.
    """
    return dg.AssetCheckSpec(
        DEFINITIONS_CURRENT,
        asset=key,
        description="Each metric that the agent may read means, down to the sources, what it meant when the agent last ran",
    )


def check_definitions_current(key: dg.AssetKey) -> dg.AssetCheckResult:
    """The result for a run that has just ended: it read what metrics mean now."""
    return dg.AssetCheckResult(asset_key=key, check_name=DEFINITIONS_CURRENT, passed=True)


def changed_meanings(
    before: Mapping[str, str], record: SnapshotRecord, acknowledged: Mapping[str, str]
) -> tuple[str, ...]:
    """The metrics that mean something else in a snapshot than in what an agent last ran on, `before`, and than what was acknowledged for it."""
    return tuple(
        name
        for name, meaning in before.items()
        if name in record.meanings
        and record.meanings[name] not in (meaning, acknowledged.get(name))
    )


def report_changed_meanings(
    instance: DagsterInstance, changed: Mapping[dg.AssetKey, Sequence[str]], record: SnapshotRecord
) -> None:
    """Has the check fail where metrics mean something else, once for each snapshot."""
    keys = {
        key: dg.AssetCheckKey(key, DEFINITIONS_CURRENT) for key, names in changed.items() if names
    }
    if not keys:
        return
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([*keys.values()])
    for key, check in keys.items():
        if _snapshot_of(latest.get(check)) != record.version:
            report_definitions(instance, key, changed[key], record)


def report_definitions(
    instance: DagsterInstance, key: dg.AssetKey, changed: Sequence[str], record: SnapshotRecord
) -> None:
    """Tells Dagster how the check stands, outside a run: it fails for metrics that changed, and passes for none."""
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=DEFINITIONS_CURRENT,
            passed=not changed,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"Mean something else than when it last ran: {', '.join(changed)}"
            if changed
            else "Acknowledged",
            metadata={
                "metrics": dg.MetadataValue.text(", ".join(changed)),
                _SNAPSHOT: dg.MetadataValue.text(record.version),
            },
            blocking=False,
        )
    )


def _snapshot_of(latest: AssetCheckExecutionRecord | None) -> str | None:
    """The snapshot that the newest evaluation was of, where it was not that of a run."""
    evaluation = latest.event.asset_check_evaluation if latest and latest.event else None
    found = evaluation.metadata.get(_SNAPSHOT) if evaluation else None
    return str(found.value) if found else None
