"""Whether an asset is older than its freshness policy in Dagster allows."""

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.freshness import CronFreshnessPolicy, TimeWindowFreshnessPolicy
from dagster._utils.schedules import get_latest_completed_cron_tick


@dataclass(frozen=True, kw_only=True)
class Staleness:
    """Why an asset is stale, and since when; None where it was never made."""

    why: str
    since: datetime | None = None


def staleness(
    key: dg.AssetKey, policy: dg.FreshnessPolicy, made: float | None, now: datetime
) -> Staleness | None:
    """Of an asset that was last `made` at a moment in seconds since 1970. Under a policy of a kind that is not known here it is stale."""
    named = key.to_user_string()
    if made is None:
        return Staleness(why=f"{named} has a freshness policy and was never made")
    at = datetime.fromtimestamp(made, UTC)
    match policy:
        case TimeWindowFreshnessPolicy():
            window = policy.fail_window.to_timedelta()
            if now - at <= window:
                return None
            since = at + window
        case CronFreshnessPolicy():
            deadline = get_latest_completed_cron_tick(policy.deadline_cron, now, policy.timezone)
            if deadline is None or at >= deadline - policy.lower_bound_delta:
                return None
            since = deadline.astimezone(UTC)
        case _:
            since = at
    return Staleness(
        why=f"{named} was made at {at:%Y-%m-%d %H:%M} UTC, and its freshness policy asks for newer",
        since=since,
    )
