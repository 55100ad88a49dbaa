"""What the tags of a Dagster run say of it: which agent's it is, who launched it, and of which run it is a retry."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from orchestration_assets.read_events import AGENT_TAG, RAN_TAG

FIRST_RUN_TAG = "governed_agents/first_run"
REFRESH_TAG = "governed_agents/platform_refresh"
REMEDY_TAG = "governed_agents/remedy"
WILL_RETRY_TAG = "dagster/will_retry"
# The first of these tags that a run has tells who launched it.
_LAUNCHED = (
    (REMEDY_TAG, "remedy"),
    ("dagster/retry_number", "retry"),
    ("dagster/schedule_name", "schedule"),
    ("dagster/backfill", "backfill"),
    ("dagster/automation_condition", "automation"),
    ("dagster/auto_materialize", "automation"),
    ("dagster/from_automation_condition", "automation"),
    ("dagster/sensor_name", "sensor"),
)


def launched_by(run: dg.DagsterRun) -> str:
    """schedule, sensor, backfill, automation, retry, remedy, or person."""
    named = next((who for tag, who in _LAUNCHED if tag in run.tags), None)
    return named or ("retry" if run.parent_run_id else "person")


def agent_of(run: dg.DagsterRun) -> str | None:
    """The agent whose run it is, or the agents, with commas; None where it is none's."""
    named = {run.tags[AGENT_TAG]} if AGENT_TAG in run.tags else set()
    prefix = f"{RAN_TAG}/"
    named |= {tag.removeprefix(prefix) for tag in run.tags if tag.startswith(prefix)}
    return ",".join(sorted(named)) or None


def first_run_of(run: dg.DagsterRun) -> str:
    """The run that this one is a retry of in the end, by Dagster or as a remedy; itself where it is none."""
    return run.tags.get(FIRST_RUN_TAG) or run.root_run_id or run.run_id


def attempts(records: Sequence[dg.RunRecord]) -> Mapping[str, int]:
    """By run, the how manieth try it is of all with the same first run. One that Dagster tries again by itself is none that anybody was told of."""
    failed: dict[str, int] = {}
    found = {}
    for record in sorted(records, key=lambda it: (it.create_timestamp, it.storage_id)):
        run = record.dagster_run
        first = first_run_of(run)
        found[run.run_id] = failed.get(first, 0) + 1
        is_told = run.status is dg.DagsterRunStatus.FAILURE and not tries_again(run)
        failed[first] = failed.get(first, 0) + is_told
    return found


def tries_again(run: dg.DagsterRun) -> bool:
    """Whether Dagster itself tries a failed run again."""
    return run.tags.get(WILL_RETRY_TAG) == "true"


def ended_at(record: dg.RunRecord) -> float:
    """When a run ended, in seconds since 1970; of one that never began, when that was written down."""
    return record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp()


def moment(seconds: float) -> datetime:
    """A time of Dagster's as one of the platform's tables: UTC, without a zone."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
