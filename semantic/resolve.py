"""A query in the light of catalogue and policy: names are looked up byte by byte, and from here on our own strings travel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from semantic.answer import Reason
from semantic.as_known import as_known_on
from semantic.engine import NamedMetric
from semantic.errors import MetricCompileError, did_you_mean, listed
from semantic.filter_values import period_values, type_of, typed_values
from semantic.filters import AllOf, AnyOf, Filter, MetricFilter, comparisons
from semantic.generalisation import Band
from semantic.limits import limited
from semantic.metric import (
    METRIC_TIME,
    DimensionKind,
    Metric,
    NamedDimension,
    times_of,
)
from semantic.names import Legal, Sources, named_in, readable_saved_queries
from semantic.notices import last_day
from semantic.plan_request import Comparison, Condition, Junction, PlanRequest, PreviousPeriod
from semantic.policy import Clause, Denial, Mask, Permit, Reader, Use
from semantic.query import MetricQuery
from semantic.refused import Refused
from semantic.saved_query import SavedQuery
from semantic.snapshot_record import SnapshotRecord
from semantic.time_range import DaySpan
from semantic.value_types import ValueType

_MONTHLY = frozenset({"month", "quarter", "year"})
_SHOWN_NAMES = 30


class Resolver:
    """Looks up one query of one reader. `published` gives the record of the data that it is asked of; it may raise `Refused`."""

    def __init__(
        self,
        sources: Sources,
        reader: Reader,
        query: MetricQuery,
        published: Callable[[], SnapshotRecord],
        *,
        values_only: bool = False,
    ) -> None:
        self._catalog = sources.catalog
        self._policy = sources.policy
        self._sources = sources
        self._reader = reader
        self._saved = self._saved_query(query.saved_query) if query.saved_query else None
        self._query = _expanded(query, self._saved) if self._saved else query
        self._published = published
        self._values_only = values_only

    def resolve(self) -> PlanRequest:
        """The request for a plan. Raises `Refused`."""
        metrics = [self._metric(name) for name in self._query.metrics]
        query = self._query = self._as_known(metrics)
        legal = self._legal(query.metrics)
        group_by = tuple(
            self._used(name, legal, query.metrics, Clause.GROUP_BY) for name in query.group_by
        )
        asked = dict(zip(query.group_by, group_by, strict=True))
        conditions = tuple(self._condition(item, legal) for item in query.filters)
        fixed_dimensions, fixed_metrics = self._named_in_saved(legal)
        request = PlanRequest(
            metrics=query.metrics,
            permits=(),
            group_by=group_by,
            conditions=conditions,
            fixed=self._saved.conditions if self._saved else (),
            fixed_dimensions=fixed_dimensions,
            time=self._named(METRIC_TIME, legal, query.metrics) if METRIC_TIME in legal else None,
            times=times_of(metrics),
            is_ranged_by_filter=any(metric.is_ranged_by_filter for metric in metrics),
            order_by=self._order(asked),
            offset=query.offset,
            values_only=self._values_only,
        )
        permits = self._permits(metrics, request, fixed_metrics)
        _refuse_same_columns(group_by)
        self._refuse_missing_time(metrics, request)
        timed = self._timed(request.having(permits=self._fitting(permits, group_by)))
        found = limited(timed, self._reader, self._catalog)
        self._refuse_missing_time(metrics, found)
        return found

    def _as_known(self, metrics: Sequence[Metric]) -> MetricQuery:
        """The query of the days that may be told of. Where nothing is published, that is refused where the data is needed."""
        try:
            record = self._published()
        except Refused:
            return self._query
        return as_known_on(self._query, metrics, record)

    @property
    def limit(self) -> int | None:
        """The number of rows that the query asks for, or the saved query behind it."""
        return self._query.limit

    def _saved_query(self, name: str) -> SavedQuery:
        visible = readable_saved_queries(self._sources, self._reader)
        for found in visible:
            if found.name == name:
                return found
        names = [found.name for found in visible]
        denial = Denial(what=name, rules=(), why="not granted or not there")
        raise self._unavailable("Saved query", name, names, denial)

    def _is_readable(self, name: str) -> bool:
        metric = self._catalog.metrics.get(name)
        return metric is not None and self._policy.is_readable(self._reader, metric)

    def _metric(self, name: str) -> Metric:
        metric = self._catalog.metrics.get(name)
        decided = self._policy.decide(self._reader, metric) if metric else None
        if metric is not None and isinstance(decided, Permit):
            return metric
        raise self._metric_unavailable(name, decided)

    def _metric_unavailable(self, name: str, decided: Permit | Denial | None) -> Refused:
        visible = [name for name in self._catalog.metrics if self._is_readable(name)]
        denial = decided if isinstance(decided, Denial) else _missing("metric", name)
        return self._unavailable("Metric", name, visible, denial)

    def _legal(self, metrics: Sequence[str]) -> Legal:
        try:
            return self._sources.engine.dimensions(metrics)
        except MetricCompileError as error:
            raise Refused(
                Reason.QUERY_FAILED,
                f"{listed(metrics)} cannot be compiled",
                hint="the owner of the definition can mend it",
                detail=str(error),
            ) from error

    def _named(self, name: str, legal: Legal, metrics: Sequence[str]) -> NamedDimension:
        found = named_in(legal, name)
        if found is None:
            missing = _missing("dimension", name)
            raise self._dimension_unavailable(name, legal, metrics, missing)
        return found

    def _used(
        self, name: str, legal: Legal, metrics: Sequence[str], clause: Clause
    ) -> NamedDimension:
        """A dimension that the reader may use in this clause: what it may not is refused here, as if it did not exist."""
        found = self._named(name, legal, metrics)
        for metric in metrics:
            use = Use(dimension=found.dimension, clause=clause)
            decided = self._policy.decide(self._reader, self._catalog.metrics[metric], [use])
            if isinstance(decided, Denial):
                raise self._dimension_unavailable(name, legal, metrics, decided)
        return found

    def _dimension_unavailable(
        self, name: str, legal: Legal, metrics: Sequence[str], denial: Denial
    ) -> Refused:
        asked = [self._catalog.metrics[metric] for metric in metrics]
        visible = [
            written
            for item in legal.values()
            if all(self._policy.may_use(self._reader, metric, item) for metric in asked)
            for written in ([f"{item.name}__{grain}" for grain in item.grains] or [item.name])
        ]
        return self._unavailable("Dimension", name, visible, denial)

    def _unavailable(self, kind: str, name: str, visible: list[str], denial: Denial) -> Refused:
        """The same refusal for what does not exist and for what is not granted."""
        shown = (
            f"available: {', '.join(visible[:_SHOWN_NAMES])}" if visible else "nothing is granted"
        )
        return Refused(
            Reason.NOT_AVAILABLE,
            f"{kind} {name!r} is not available to '{self._reader.name}'",
            hint=did_you_mean(name, visible) or shown,
            detail=f"{denial.why}; rules: {', '.join(denial.rules) or 'none'}",
            rules=denial.rules,
        )

    def _condition(self, item: object, legal: Legal) -> Condition:
        match item:
            case AnyOf():
                parts = tuple(self._condition(part, legal) for part in item.any_of)
                return Junction(joined_by="OR", parts=parts)
            case AllOf():
                parts = tuple(self._condition(part, legal) for part in item.all_of)
                return Junction(joined_by="AND", parts=parts)
            case MetricFilter():
                self._metric(item.metric)
                own = self._legal([item.metric])
                by = tuple(self._used(name, own, [item.metric], Clause.FILTERS) for name in item.by)
                if len(by) != 1 or by[0].dimension.kind is not DimensionKind.ENTITY:
                    raise Refused(
                        Reason.INVALID_QUERY,
                        f"A metric filter compares '{item.metric}' by one entity, and not by {listed(item.by)}",
                        hint="name one entity in by",
                    )
                operand = NamedMetric(metric=item.metric, by=by)
                return Comparison(operand=operand, operator=item.operator, values=item.values)
            case Filter():
                named = self._used(item.dimension, legal, self._query.metrics, Clause.FILTERS)
                values = self._typed_values(named, item)
                return Comparison(operand=named, operator=item.operator, values=values)
        raise TypeError(f"{item!r} is no condition")

    def _typed_values(self, named: NamedDimension, item: Filter) -> tuple[object, ...]:
        """The values with the type of the dimension. Raises `Refused`, which names it."""
        try:
            if named.is_date or named.date_part:
                return period_values(item, named)
            return typed_values(item, type_of(named.dimension, self._published()))
        except ValueError as error:
            raise Refused(Reason.INVALID_QUERY, f"filter on '{item.dimension}': {error}") from error

    def _named_in_saved(self, legal: Legal) -> tuple[tuple[NamedDimension, ...], tuple[str, ...]]:
        """The dimensions and the metrics that the conditions of the saved query speak of."""
        names = self._saved.filtered_by if self._saved else ()
        metrics = tuple(name for name in names if name in self._catalog.metrics)
        dimensions = tuple(
            self._named(name, legal, self._query.metrics) for name in names if name not in metrics
        )
        return dimensions, metrics

    def _order(self, asked: Mapping[str, NamedDimension]) -> tuple[tuple[str, bool], ...]:
        known = {*asked, *self._query.metrics}
        names = [item.by for item in self._query.order_by]
        if len(set(names)) < len(names):
            raise Refused(Reason.INVALID_QUERY, "order_by names something twice")
        for item in self._query.order_by:
            if item.by not in known:
                raise Refused(
                    Reason.INVALID_QUERY,
                    f"order_by {item.by!r} is neither a metric nor a group-by name of this query",
                    hint=did_you_mean(item.by, known),
                )
        return tuple(
            (asked[item.by].column if item.by in asked else item.by, item.descending)
            for item in self._query.order_by
        )

    def _permits(
        self, metrics: Sequence[Metric], request: PlanRequest, fixed_metrics: Sequence[str]
    ) -> tuple[Permit, ...]:
        """What the reader may have of every metric of the query, also of those that rows are filtered by."""
        uses = [Use(dimension=item.dimension, clause=Clause.GROUP_BY) for item in request.group_by]
        # Values are put in order by the door, whatever the reader may do with them.
        ordered = {name for name, _ in request.order_by} if not self._values_only else set()
        uses += [
            Use(dimension=item.dimension, clause=Clause.ORDER_BY)
            for item in request.group_by
            if item.column in ordered
        ]
        uses += [
            Use(dimension=named.dimension, clause=Clause.FILTERS)
            for named in (
                *(item.operand for item in request.comparisons),
                *request.fixed_dimensions,
                *([request.time] if self._query.time_range and request.time else []),
            )
            if isinstance(named, NamedDimension)
        ]
        wanted: dict[str, list[Use]] = {metric.name: list(uses) for metric in metrics}
        for item in request.comparisons:
            if isinstance(item.operand, NamedMetric):
                wanted.setdefault(item.operand.metric, []).extend(
                    Use(dimension=named.dimension, clause=Clause.FILTERS)
                    for named in item.operand.by
                )
        for name in fixed_metrics:
            wanted.setdefault(name, [])
        return tuple(self._permit(self._catalog.metrics[name], wanted[name]) for name in wanted)

    def _fitting(
        self, permits: tuple[Permit, ...], group_by: Sequence[NamedDimension]
    ) -> tuple[Permit, ...]:
        """The permits with the masks that their data can have: what is no number has no band."""
        dropped = {
            named.dimension.name: Mask.DROP
            for named in group_by
            for permit in permits
            if isinstance(permit.mask_of(named.dimension), Band)
            and type_of(named.dimension, self._published()) not in (ValueType.NUMBER, None)
        }
        return tuple(
            replace(permit, masks={**permit.masks, **dropped}) if dropped else permit
            for permit in permits
        )

    def _permit(self, metric: Metric, uses: Sequence[Use]) -> Permit:
        decided = self._policy.decide(self._reader, metric, uses)
        if isinstance(decided, Permit):
            return decided
        if decided.what == metric.name:
            raise self._metric_unavailable(metric.name, decided)
        legal = self._legal([metric.name])
        asked = self._as_asked(decided.what)
        raise self._dimension_unavailable(asked, legal, [metric.name], decided)

    def _as_asked(self, dimension: str) -> str:
        """A dimension as the query wrote it, so that a refusal says nothing that the reader did not."""
        written = list(self._query.group_by)
        for item in comparisons(self._query.filters):
            written += item.by if isinstance(item, MetricFilter) else [item.dimension]
        return next(
            (
                name
                for name in written
                if name == dimension or name.rpartition("__")[0] == dimension
            ),
            dimension,
        )

    def _refuse_missing_time(self, metrics: Sequence[Metric], request: PlanRequest) -> None:
        """A value per period has no total, and what adds up all that was before has none over some days."""
        if any(named.grain and named.dimension.name == METRIC_TIME for named in request.group_by):
            return
        compared = [item.operand for item in request.comparisons]
        is_ranged = self._query.time_range is not None or any(
            isinstance(named, NamedDimension) and named.dimension.kind is DimensionKind.TIME
            for named in (*compared, *request.fixed_dimensions)
        )
        for metric in metrics:
            if metric.needs_time or (metric.accumulates and is_ranged):
                what = "a value per period and no total"
                if not metric.needs_time:
                    what = "a value at each moment, and none over some days"
                raise Refused(
                    Reason.INVALID_QUERY,
                    f"Metric '{metric.name}' has {what}",
                    hint=f"add '{METRIC_TIME}__day' (or another grain) to group_by",
                )

    def _timed(self, request: PlanRequest) -> PlanRequest:
        """With the days of the time range, and of the period before it."""
        asked = self._query.time_range
        if asked is None:
            return request
        if request.time is None:
            raise Refused(
                Reason.INVALID_QUERY,
                f"{listed(request.metrics)} have no common time, so time_range cannot be applied",
            )
        as_of = last_day(request.metrics, self._published()) if asked.is_relative else asked.end
        if as_of is None:
            raise Refused(
                Reason.INVALID_QUERY,
                f"{listed(request.metrics)} have no data yet, so there are no last days of it",
            )
        try:
            span = asked.span(as_of)
        except ValueError as error:
            raise Refused(Reason.INVALID_QUERY, f"time_range: {error}") from error
        grain = request.time.grain or "day"
        if not span.is_aligned(grain):
            raise Refused(
                Reason.INVALID_QUERY,
                f"{listed(request.metrics)} have a value per {grain}, so a time_range holds whole {grain}s",
                hint=f"{span.start} to {span.end} begins or ends within one",
            )
        previous = None
        if self._query.compare_to:
            self._refuse_other_times(request)
            previous = _previous_period(span, request)
        return request.having(span=span, previous=previous)

    def _refuse_other_times(self, request: PlanRequest) -> None:
        """What is the time of one metric and not of another has no previous period that is the same for both."""
        own = frozenset().union(
            *(self._catalog.metrics[name].time_names for name in request.metrics)
        )
        for named in request.group_by:
            if named.dimension.name in own - request.times:
                raise Refused(
                    Reason.INVALID_QUERY,
                    f"compare_to goes with {METRIC_TIME}, and '{named.column}' is the time of some of {listed(request.metrics)} only",
                    hint=f"group by {METRIC_TIME}__{named.grain} instead",
                )


def _expanded(query: MetricQuery, saved: SavedQuery) -> MetricQuery:
    """The query with what its saved query names."""
    return query.model_copy(
        update={
            "metrics": saved.metrics,
            "group_by": saved.group_by,
            "limit": query.limit or saved.limit,
        }
    )


def _refuse_same_columns(group_by: Sequence[NamedDimension]) -> None:
    columns = [named.column for named in group_by]
    for column in columns:
        if columns.count(column) > 1:
            raise Refused(Reason.INVALID_QUERY, f"group_by names '{column}' twice")


def _previous_period(span: DaySpan, request: PlanRequest) -> PreviousPeriod:
    """The period that lies just before a span: as many whole months where that is what it holds, else as many days."""
    grains = {named.grain for named in request.by_time if named.grain}
    if any(named.date_part or not named.is_date for named in request.by_time):
        raise Refused(
            Reason.INVALID_QUERY,
            "compare_to goes with days, weeks, months, quarters and years, not with parts of a date or custom grains",
        )
    for grain in sorted(grains):
        if not span.is_aligned(grain):
            raise Refused(
                Reason.INVALID_QUERY,
                f"compare_to by {grain} needs a time_range of whole {grain}s",
                hint=f"{span.start} to {span.end} begins or ends within one",
            )
    months = span.months
    if months is not None and grains <= _MONTHLY:
        return PreviousPeriod(span=span.months_before(months), unit="months", count=months)
    if grains & _MONTHLY:
        raise Refused(
            Reason.INVALID_QUERY, "compare_to cannot set weeks or days and months side by side"
        )
    return PreviousPeriod(span=span.days_before(), unit="days", count=span.days)


def _missing(kind: str, name: str) -> Denial:
    """What no rule decided, because there is nothing to decide on."""
    return Denial(what=name, rules=(), why=f"no such {kind}")
