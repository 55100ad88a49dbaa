"""A query of the past: as if the data ended on a day. What would tell of later days is refused."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from semantic.answer import Reason
from semantic.filters import MetricFilter, comparisons
from semantic.metric import Metric
from semantic.query import MetricQuery
from semantic.refused import Refused
from semantic.snapshot_record import SnapshotRecord
from semantic.time_range import FIRST_YEAR, TimeRange


def as_known_on(
    query: MetricQuery, metrics: Sequence[Metric], record: SnapshotRecord
) -> MetricQuery:
    """The query, of the days up to the one that a record covers. The same query where it covers all. Raises `Refused`."""
    until = record.covering
    if until is None:
        return query
    for why in _tells_of_later(query, metrics):
        raise Refused(
            Reason.INVALID_QUERY,
            f"Of the data as it was known on {until}: {why}",
            hint="ask for metrics by the time that they happened, without metrics as filters",
        )
    asked = query.time_range
    if asked is None:
        days = [item.first_day for item in record.metrics.values() if item.first_day]
        first = min(days, default=date(FIRST_YEAR, 1, 1))
        return query.model_copy(
            update={"time_range": TimeRange(start=min(first, until), end=until)}
        )
    if asked.start is None or asked.end is None or asked.end <= until:
        return query
    if asked.start > until:
        raise Refused(
            Reason.INVALID_QUERY,
            f"time_range begins on {asked.start}, and this is the data as it was known on {until}",
            hint=f"ask for days up to {until}",
        )
    return query.model_copy(update={"time_range": TimeRange(start=asked.start, end=until)})


def _tells_of_later(query: MetricQuery, metrics: Sequence[Metric]) -> Iterator[str]:
    for metric in metrics:
        if metric.reach.after != timedelta(0):
            yield f"the value of '{metric.name}' on a day is made of later days"
        if not metric.time_names:
            yield f"'{metric.name}' has no time"
    if any(isinstance(item, MetricFilter) for item in comparisons(query.filters)):
        yield "a metric as a filter is one of all days"
