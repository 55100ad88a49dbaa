"""The data as it was known on a day."""

from datetime import UTC, date, datetime, time, timedelta

from agent_resources.errors import GateClosed
from semantic.governed_metrics import GovernedMetrics
from semantic.snapshot_record import SnapshotRecord


def as_known_on(metrics: GovernedMetrics, day: date, how: str) -> SnapshotRecord:
    """With `covering` the data of now as if it ended on that day, else the newest snapshot that was published by then. Raises `GateClosed` where that is not kept."""
    if how == "covering":
        return metrics.snapshots.current().until(day)
    end = datetime.combine(day + timedelta(days=1), time(), UTC)
    for version in reversed(metrics.snapshots.versions()):
        record = metrics.snapshots.record(version)
        if record.published_at < end:
            return record
    raise GateClosed(
        f"No snapshot that was published by {day} is kept",
        hint="keep more of them (kept_snapshots), or play it with as_known: covering",
    )
