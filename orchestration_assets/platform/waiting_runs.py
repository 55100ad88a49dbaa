"""The runs that have not ended, as rows of the platform's table."""

from collections import defaultdict
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterInstance

from orchestration_assets.in_progress import NOT_ENDED
from orchestration_assets.platform.run_facts import REFRESH_TAG, moment
from semantic.platform.tables import WaitingRuns

_QUEUED, _STARTED = "queued", "started"
_WAITS = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)


def waiting_runs(instance: DagsterInstance, now: datetime) -> list[WaitingRuns]:
    """One row for each job and state of the runs that have not ended, and one of no runs for a state in which none is. Without those that publish this."""
    at = moment(now.timestamp())
    found: dict[tuple[str, str | None], list[float]] = defaultdict(list)
    for record in instance.get_run_records(dg.RunsFilter(statuses=NOT_ENDED)):
        run = record.dagster_run
        if REFRESH_TAG in run.tags:
            continue
        state = _QUEUED if run.status in _WAITS else _STARTED
        since = record.start_time or record.create_timestamp.replace(tzinfo=UTC).timestamp()
        found[state, run.job_name].append(max(0.0, now.timestamp() - since))
    for state in (_QUEUED, _STARTED):
        if not any(known == state for known, _ in found):
            found[state, None] = []
    return [
        WaitingRuns(
            waiting_id=f"{state} {job or ''}".strip(),
            job=job,
            state=state,
            looked_at=at,
            runs=len(seconds),
            longest_seconds=round(max(seconds), 1) if seconds else None,
        )
        for (state, job), seconds in sorted(
            found.items(), key=lambda it: (it[0][0], it[0][1] or "")
        )
    ]
