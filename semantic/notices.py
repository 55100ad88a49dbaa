"""What was done to an answer, or what it lacks, in sentences for its reader."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from semantic.answer import Notice
from semantic.catalog import Catalog
from semantic.plan_request import PlanRequest
from semantic.policy import Mask
from semantic.snapshot_record import SnapshotRecord

_PERIODS = ("week", "month", "quarter", "year")


def notices_of(
    request: PlanRequest,
    catalog: Catalog,
    snapshot: SnapshotRecord,
    age: timedelta,
) -> Iterator[Notice]:
    """The notices that do not depend on the rows that were found."""
    for item in request.rows:
        values = ", ".join(map(str, item.values)) or "nothing"
        yield Notice(kind="filtered", text=f"only rows whose {item.element} is {values}")
    for named, mask in request.masked:
        told = "pseudonyms" if isinstance(mask, Mask) else mask
        yield Notice(kind="masked", text=f"the values of {named.column} are {told}")
    for column in request.dropped:
        yield Notice(
            kind="masked", text=f"{column} is not told, and the answer is not grouped by it"
        )
    for name in request.metrics:
        within = catalog.metrics[name].fresh_within
        if within is not None and age > within:
            yield Notice(
                kind="stale",
                text=f"{name} is {hours(age)} old and counts as fresh for {hours(within)}",
            )
    last = last_day(request.metrics, snapshot)
    if request.span and last and request.span.end > last:
        yield Notice(
            kind="beyond_data", text=f"the data ends on {last}, the range on {request.span.end}"
        )
    first = max(
        (day for name in request.metrics if (day := snapshot.metrics[name].first_day)), default=None
    )
    if request.span and first and request.span.start < first:
        yield Notice(
            kind="beyond_data",
            text=f"the data begins on {first}, the range on {request.span.start}",
        )
    yield from _partial_periods(request)
    yield from _period_values(request, catalog)


def last_day(metrics: Iterable[str], snapshot: SnapshotRecord) -> date | None:
    """The last day for which all of these metrics have data, or None where one has none."""
    days = [snapshot.metrics[name].last_day for name in metrics if name in snapshot.metrics]
    return min((day for day in days if day), default=None)


def hours(age: timedelta) -> str:
    """A duration in the words of a message."""
    total = age.total_seconds() / 3600
    return f"{total:.0f} hours" if total >= 2 else f"{age.total_seconds() / 60:.0f} minutes"


def _partial_periods(request: PlanRequest) -> Iterator[Notice]:
    """A time range that begins or ends within a period of a grain gives that period only some of its days."""
    if request.span is None or request.time is None:
        return
    grains = {item.grain for item in request.by_time}
    for grain in _PERIODS:
        if grain in grains and not request.span.is_aligned(grain):
            yield Notice(
                kind="partial_period",
                text=f"the range from {request.span.start} to {request.span.end} does not hold whole {grain}s: "
                f"the first or the last {grain} has only the days in it",
            )


def _period_values(request: PlanRequest, catalog: Catalog) -> Iterator[Notice]:
    """What adds up has many values within a period; one of them stands for it."""
    times = [item for item in request.by_time if item.grain]
    coarser = [item.grain for item in times if item.grain != item.dimension.grains[0]]
    for name in request.metrics:
        which = catalog.metrics[name].period_value
        if which and coarser:
            yield Notice(
                kind="period_value",
                text=f"{name} by {coarser[0]} is its {which} value of each {coarser[0]}",
            )
