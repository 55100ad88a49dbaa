"""The runs that have ended, as rows of the platform's table."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC

import dagster as dg

from orchestration_assets.platform.run_facts import agent_of, ended_at, launched_by, moment
from semantic.ledger import Ledger
from semantic.ledger.run_usage import RunUsage, usage_of_runs
from semantic.platform.tables import EndedRun

_MICROS = 1_000_000
_NOTHING = RunUsage(tokens=None, cost_micros=None)
_STATUS = {
    dg.DagsterRunStatus.SUCCESS: "success",
    dg.DagsterRunStatus.FAILURE: "failure",
    dg.DagsterRunStatus.CANCELED: "canceled",
}


def ended_runs(records: Sequence[dg.RunRecord], ledger: Ledger) -> list[EndedRun]:
    """One row for each of these runs that has ended. Raises `LedgerUnavailable`."""
    ended = [it for it in records if it.dagster_run.status in _STATUS]
    usage = usage_of_runs(
        ledger, [it.dagster_run.run_id for it in ended if agent_of(it.dagster_run)]
    )
    return list(_rows(ended, usage))


def _rows(records: Sequence[dg.RunRecord], usage: Mapping[str, RunUsage]) -> Iterator[EndedRun]:
    for record in records:
        run, start, end = record.dagster_run, record.start_time, record.end_time
        created = record.create_timestamp.replace(tzinfo=UTC).timestamp()
        used = usage.get(run.run_id, _NOTHING)
        origin = run.remote_job_origin
        yield EndedRun(
            run_id=run.run_id,
            job=run.job_name,
            code_location=origin.location_name if origin else None,
            status=_STATUS[run.status],
            launched_by=launched_by(run),
            agent=agent_of(run),
            ended_at=moment(ended_at(record)),
            failed=int(run.status is dg.DagsterRunStatus.FAILURE),
            run_seconds=None if start is None or end is None else round(end - start, 3),
            queue_seconds=None if start is None else round(max(0.0, start - created), 3),
            tokens=used.tokens,
            dollars=None if used.cost_micros is None else used.cost_micros / _MICROS,
        )
