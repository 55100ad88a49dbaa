"""What failed in runs, as rows of the platform's table: which asset, of what error, when it was last made, and how what it is made from stands."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster_shared.error import SerializableErrorInfo

from orchestration_assets.platform.asset_states import Standing
from orchestration_assets.platform.redacted import redacted
from orchestration_assets.platform.run_facts import (
    agent_of,
    attempts,
    first_run_of,
    moment,
    tries_again,
)
from semantic.platform.tables import Failure

_CODE_VERSION = "dagster/code_version"
_HOUR = 3_600
_FRESH, _UNKNOWN = "fresh", "unknown"
_CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION
_OF_A_RUN = frozenset(
    {
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.RUN_FAILURE,
    }
)


@dataclass(frozen=True, kw_only=True)
class _Error:
    """An error of a run: the step that it ended, None where it ended the run itself; when, and what it said."""

    step: str | None
    at: float
    error_class: str
    message: str


def failures(
    instance: DagsterInstance,
    graph: BaseAssetGraph[Any] | None,
    records: Sequence[dg.RunRecord],
    standings: Mapping[dg.AssetKey, Standing],
    *,
    known: Sequence[Failure],
    most: int,
) -> list[Failure]:
    """One row for each asset, or step that makes none, that one of these runs did not make because of an error in it. Of the newest `most` failed runs;
    without those that Dagster tries again by itself. Those that are `known` are told as they were, with their message redacted by the rules of now.
    """
    before: dict[str, list[Failure]] = defaultdict(list)
    for row in known:
        before[row.run_id].append(replace(row, message=redacted(row.message)))
    failed = [
        it
        for it in records
        if it.dagster_run.status is dg.DagsterRunStatus.FAILURE and not tries_again(it.dagster_run)
    ]
    numbers = attempts(records)
    return [
        row
        for record in failed[:most]
        for row in before.get(record.dagster_run.run_id)
        or _rows(instance, graph, record.dagster_run, numbers[record.dagster_run.run_id], standings)
    ]


def unmade_assets(instance: DagsterInstance, run_id: str) -> list[dg.AssetKey]:
    """The assets that a failed run was to make and did not, those below a failure included, and those that it made and of which a check failed: what lies below these
    is not to be made without them. Where there are none, those of the steps that failed.
    """
    events = instance.all_logs(run_id, of_type={*_OF_A_RUN, _CHECKED})
    planned, made = _assets_by_step(events)
    missing = {key for keys in planned.values() for key in keys if key not in made}
    unsound = {
        evaluation.asset_key
        for entry in events
        if _is(entry, _CHECKED) and (evaluation := entry.asset_check_evaluation) is not None
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
    }
    failed = {key for error in _errors(events) for key in planned.get(error.step, ())}
    return sorted(missing | unsound or failed)


def _rows(
    instance: DagsterInstance,
    graph: BaseAssetGraph[Any] | None,
    run: dg.DagsterRun,
    attempt: int,
    standings: Mapping[dg.AssetKey, Standing],
) -> Iterator[Failure]:
    events = instance.all_logs(run.run_id, of_type=set(_OF_A_RUN))
    planned, made = _assets_by_step(events)
    for error in _errors(events):
        of_step = planned.get(error.step, ()) if error.step else ()
        missing: Sequence[dg.AssetKey | None] = [key for key in of_step if key not in made]
        for key in missing or of_step or (None,):
            named = key.to_user_string() if key else None
            yield Failure(
                failure_id=f"{run.run_id} {named or error.step or ''}",
                run_id=run.run_id,
                root_run_id=first_run_of(run),
                attempt=attempt,
                job=run.job_name,
                asset=named,
                step=error.step,
                error_class=error.error_class,
                message=redacted(error.message, error.error_class),
                agent=agent_of(run),
                failed_at=moment(error.at),
                **_past(instance, graph, key, error.at),
                upstream=_upstream(graph, key, standings),
            )


def _assets_by_step(
    events: Sequence[dg.EventLogEntry],
) -> tuple[dict[str | None, list[dg.AssetKey]], set[dg.AssetKey]]:
    """By step the assets that it was to make, and all that were made."""
    planned: dict[str | None, list[dg.AssetKey]] = defaultdict(list)
    made = set()
    for entry in events:
        event = entry.dagster_event
        if event is None or event.asset_key is None:
            continue
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            planned[event.step_key].append(event.asset_key)
        elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            made.add(event.asset_key)
    return planned, made


def _errors(events: Sequence[dg.EventLogEntry]) -> Iterator[_Error]:
    """Those of the steps; where none failed, that of the run."""
    steps = [it for it in events if _is(it, dg.DagsterEventType.STEP_FAILURE)]
    for entry in steps or [it for it in events if _is(it, dg.DagsterEventType.RUN_FAILURE)]:
        event = entry.dagster_event
        if event is None:
            continue
        data = event.event_specific_data
        told = getattr(data, "user_failure_data", None)
        error = _innermost(
            getattr(data, "error", None) or getattr(data, "first_step_failure", None)
        )
        description = told.description if told else None
        yield _Error(
            step=event.step_key,
            at=entry.timestamp,
            error_class=(error.cls_name if error else None) or "RunFailure",
            message=description or (error.message if error else None) or event.message or "",
        )


def _is(entry: dg.EventLogEntry, kind: dg.DagsterEventType) -> bool:
    return entry.dagster_event is not None and entry.dagster_event.event_type is kind


def _innermost(error: object) -> SerializableErrorInfo | None:
    """The error that Dagster's own were raised from."""
    found = error if isinstance(error, SerializableErrorInfo) else None
    while (
        found is not None
        and found.cause is not None
        and (found.cls_name or "").startswith("Dagster")
    ):
        found = found.cause
    return found


def _past(
    instance: DagsterInstance,
    graph: BaseAssetGraph[Any] | None,
    key: dg.AssetKey | None,
    at: float,
) -> dict[str, Any]:
    """When an asset was last made before it failed, and whether it is still defined as then."""
    found = (
        instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, before_timestamp=at), limit=1
        ).records
        if key
        else ()
    )
    if not found:
        return {
            "last_good_run": None,
            "last_good_at": None,
            "hours_since_good": None,
            "definition": _UNKNOWN,
        }
    last = found[0]
    return {
        "last_good_run": last.run_id,
        "last_good_at": f"{moment(last.timestamp):%Y-%m-%d %H:%M}",
        "hours_since_good": round((at - last.timestamp) / _HOUR, 2),
        "definition": _definition(graph, key, last),
    }


def _definition(
    graph: BaseAssetGraph[Any] | None, key: dg.AssetKey | None, last: dg.EventLogRecord
) -> str:
    """`unchanged`, `changed` since it was last made, or `unknown` where it has no code version."""
    materialization = last.asset_materialization
    then = (materialization.tags or {}).get(_CODE_VERSION) if materialization else None
    now = graph.get(key).code_version if graph is not None and key and graph.has(key) else None
    if not then or not now:
        return _UNKNOWN
    return "unchanged" if then == now else "changed"


def _upstream(
    graph: BaseAssetGraph[Any] | None,
    key: dg.AssetKey | None,
    standings: Mapping[dg.AssetKey, Standing],
) -> str:
    """What of the assets that one is made from is not well, `fresh` where all are."""
    if graph is None or key is None or not graph.has(key):
        return _UNKNOWN
    unwell = [
        f"{parent.to_user_string()} {why}"
        for parent in sorted(graph.get(key).parent_keys)
        if parent in standings and (why := standings[parent].unwell)
    ]
    return ", ".join(unwell) or _FRESH
