"""What permits narrow beyond rows: masks, the widest range, the finest grain, the smallest group."""

from collections.abc import Iterator
from datetime import timedelta

from semantic.answer import Reason
from semantic.catalog import Catalog
from semantic.engine import NamedMetric
from semantic.errors import listed
from semantic.generalisation import AtGrain
from semantic.metric import GRAINS, Dimension, DimensionKind, NamedDimension
from semantic.plan_request import PlanRequest
from semantic.policy import Mask, Reader
from semantic.refused import Refused


def limited(request: PlanRequest, reader: Reader, catalog: Catalog) -> PlanRequest:
    """The request with everything that its permits narrow beyond rows. Raises `Refused`."""
    _refuse_masked_filters(request)
    _refuse_wide_range(request, reader)
    _refuse_fine_grain(request, reader)
    kept = _without_dropped(request)
    return kept if kept.smallest_group is None else _counted(kept, reader, catalog)


def _refuse_masked_filters(request: PlanRequest) -> None:
    for named in _filtered(request):
        if not isinstance(request.mask_of(named.dimension), AtGrain | None):
            raise Refused(
                Reason.NOT_AVAILABLE,
                f"Dimension '{named.column}' is masked, so it cannot be filtered",
                hint="group by it instead",
            )


def _filtered(request: PlanRequest) -> Iterator[NamedDimension]:
    """The dimensions that the reader filters by, also within metric filters, and the time of its range."""
    for item in request.comparisons:
        if isinstance(item.operand, NamedMetric):
            yield from item.operand.by
        else:
            yield item.operand
    if request.span and request.time:
        yield request.time


def _refuse_wide_range(request: PlanRequest, reader: Reader) -> None:
    most = min((item.max_days for item in request.permits if item.max_days), default=None)
    spans = [span for span in (request.span, request.previous and request.previous.span) if span]
    days = sum(span.days for span in spans)
    if most is not None and any(
        isinstance(item.operand, NamedMetric) for item in request.comparisons
    ):
        raise Refused(
            Reason.RANGE_TOO_WIDE,
            f"A metric filter compares over all time, and '{reader.name}' may read {most:,} days at once",
            hint="ask for that metric by these dimensions instead, with a time_range",
        )
    if most is None or (spans and days <= most):
        return
    also = ", with the period before" if request.previous else ""
    asked = f"asks for {days:,} days{also}" if spans else "has no time_range"
    raise Refused(
        Reason.RANGE_TOO_WIDE,
        f"'{reader.name}' may read {most:,} days at once, and this query {asked}",
        hint=f"give a time_range of at most {most:,} days, such as 'last {min(most, 7)} days'",
    )


def _refuse_fine_grain(request: PlanRequest, reader: Reader) -> None:
    for named in request.named:
        finest = _finest_grain(named.dimension, request)
        is_range = request.span is not None and named is request.time
        if finest and not is_range and named.is_finer(finest):
            raise Refused(
                Reason.GRAIN_TOO_FINE,
                f"'{reader.name}' may see this time by {finest} or coarser, and not '{named.column}'",
                hint=f"write {named.dimension.name}__{finest}",
            )
        if finest and is_range and request.span and not request.span.is_aligned(finest):
            raise Refused(
                Reason.GRAIN_TOO_FINE,
                f"'{reader.name}' may see times by {finest} or coarser, so a time_range holds whole {finest}s",
                hint=f"{request.span.start} to {request.span.end} begins or ends within one",
            )


def _finest_grain(dimension: Dimension, request: PlanRequest) -> str | None:
    """The coarsest of the grains at which this time may be seen at most; None where there is none, and for what is no time."""
    if dimension.kind is not DimensionKind.TIME:
        return None
    mask = request.mask_of(dimension)
    grains = [item.finest_grain for item in request.permits]
    grains += [mask.grain] if isinstance(mask, AtGrain) else []
    return max((grain for grain in grains if grain), key=GRAINS.index, default=None)


def _without_dropped(request: PlanRequest) -> PlanRequest:
    """Without the dimensions whose values are not told."""
    dropped = {
        named.column for named in request.group_by if request.mask_of(named.dimension) is Mask.DROP
    }
    kept = tuple(named for named in request.group_by if named.column not in dropped)
    if request.values_only and not kept:
        raise Refused(Reason.NOT_AVAILABLE, f"The values of {listed(sorted(dropped))} are not told")
    return request.having(
        group_by=kept,
        dropped=tuple(sorted(dropped)),
        order_by=tuple(item for item in request.order_by if item[0] not in dropped),
    )


def _counted(request: PlanRequest, reader: Reader, catalog: Catalog) -> PlanRequest:
    """With the metrics that count what makes up a group, so that small ones can be left out."""
    for permit in request.permits:
        count = catalog.metrics[permit.metric].count_metric
        if count is None or catalog.find(count) is None:
            raise Refused(
                Reason.GROUPS_NOT_COUNTED,
                f"'{permit.metric}' declares no metric that counts its groups, and '{reader.name}' may not see "
                f"groups of fewer than {request.smallest_group}",
                hint="the owner of the definition can declare count_metric in its config.meta",
            )
    if any(isinstance(item.operand, NamedMetric) for item in request.comparisons):
        raise Refused(
            Reason.GROUPS_NOT_COUNTED,
            f"A metric filter compares each single group, and '{reader.name}' may not see groups of fewer than "
            f"{request.smallest_group}",
            hint="ask for the metric by these dimensions instead",
        )
    for name in request.metrics:
        metric = catalog.metrics[name]
        if metric.accumulates or metric.reach.before != timedelta(0):
            raise Refused(
                Reason.GROUPS_NOT_COUNTED,
                f"'{name}' adds up or compares periods, so one that is not told could be worked out from those beside it, "
                f"and '{reader.name}' may not see groups of fewer than {request.smallest_group}",
                hint="ask for the metric that it is made of",
            )
    counts = (str(catalog.metrics[name].count_metric) for name in request.metrics)
    return request.having(counts=tuple(dict.fromkeys(counts)))
