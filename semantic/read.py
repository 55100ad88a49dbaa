"""The path of one read: decide, plan, check the gates, record the intent, run, record the outcome, release."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import duckdb

from semantic.answer import MetricAnswer, MetricVersion, Notice, Provenance, Reason
from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.errors import MetricCompileError, SnapshotUnavailable, did_you_mean
from semantic.ledger import Ledger, MetricRead, ReadContext, Record, RecordKind
from semantic.metric import Dimension, DimensionKind, Metric
from semantic.plan import (
    MixedRestrictions,
    NamedDimension,
    Planner,
    PlanRequest,
    QueryPlan,
    RowsNotRestrictable,
    bind,
    covered,
    time_value,
)
from semantic.policy import Denial, Policy, Reader
from semantic.query import TEXT_ONLY, Filter, MetricQuery, canonical_json, canonical_value
from semantic.snapshot import OpenSnapshot, SnapshotRecord, State, state_of_model

TIME = "metric_time"


class Door(Protocol):
    """What every read goes through."""

    catalog: Catalog
    policy: Policy
    ledger: Ledger
    mask_key: str

    @property
    def engine(self) -> MetricEngine: ...

    @property
    def planner(self) -> Planner: ...

    def now(self) -> datetime: ...


class Holding(Protocol):
    """Gives the snapshot that all reads of one session see. Raises `SnapshotUnavailable`."""

    def __call__(self) -> tuple[SnapshotRecord, OpenSnapshot]: ...


class Refused(Exception):
    """Carries a refusal up to where it is recorded. `detail` goes to the record, never to the reader."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        hint: str | None = None,
        detail: str | None = None,
        is_recorded: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.detail = detail
        self.is_recorded = is_recorded


class Read:
    """One read on its way through the door."""

    def __init__(
        self,
        door: Door,
        reader: Reader,
        context: ReadContext,
        read_id: str,
        query: MetricQuery,
        hold: Holding,
    ) -> None:
        self._door = door
        self._reader = reader
        self._context = context
        self._read_id = read_id
        self._query = query
        self._hold = hold

    def run(self) -> MetricAnswer:
        self._refuse_other_policy()
        request = self._decide()
        plan = self._plan(request)
        try:
            snapshot, data = self._hold()
        except SnapshotUnavailable as error:
            raise Refused(
                Reason.NOTHING_PUBLISHED,
                error.message,
                hint=error.hint,
                detail=str(error.__cause__),
            ) from error
        self._refuse_closed_gates(request, plan, snapshot)
        limit = min(self._query.limit or request.max_rows, request.max_rows)
        values = self._bind(plan, request, limit + 1)
        versions = self._versions(request, snapshot)
        self._record_intent(request, plan, snapshot, versions)
        started = time.perf_counter()
        rows = self._execute(data, plan, values, limit + 1)
        elapsed = int((time.perf_counter() - started) * 1_000_000)
        notices = self._notices(request, plan, snapshot, rows_found=len(rows), limit=limit)
        rows = rows[:limit]
        self._record_outcome(plan, rows, notices, elapsed)
        return MetricAnswer(
            columns=plan.columns,
            rows=tuple(rows),
            provenance=self._provenance(request, plan, snapshot, versions, notices),
        )

    def _refuse_other_policy(self) -> None:
        published = self._door.ledger.current_policy_hash()
        if published != self._door.policy.hash:
            raise Refused(
                Reason.POLICY_NOT_CURRENT,
                "The policy of this process is not the one that is published",
                hint="the owner of the policy publishes it: materialize governed_snapshot, "
                "or run `governed-agents policy publish`",
                detail=f"published {published}, presented {self._door.policy.hash}",
            )

    def _decide(self) -> PlanRequest:
        query, policy = self._query, self._door.policy
        metrics = tuple(self._metric(name) for name in query.metrics)
        legal = self._legal_dimensions(metrics)
        group_by = tuple(self._named(name, legal, metrics, "group_by") for name in query.group_by)
        filters = tuple(
            (self._named(item.dimension, legal, metrics, "filters"), item) for item in query.filters
        )
        time_dimension = legal.get(TIME)
        used = {
            named.dimension: asked
            for named, asked in (
                *zip(group_by, query.group_by, strict=True),
                *((named, item.dimension) for named, item in filters),
            )
        }
        if query.time_range and time_dimension:
            used.setdefault(time_dimension, TIME)
        as_asked = {dimension.name: asked for dimension, asked in used.items()}
        permits = []
        for metric in metrics:
            decided = policy.decide(self._reader, metric, used)
            if isinstance(decided, Denial):
                what = as_asked.get(decided.what, decided.what)
                raise self._not_available(what, metrics, decided.why, decided.rules)
            permits.append(decided)
        self._refuse_missing_time(metrics, group_by)
        resolved = _with_resolved_order(query, group_by)
        request = PlanRequest(
            query=resolved,
            group_by=group_by,
            filters=tuple(_checked_filter(named, item) for named, item in filters),
            time=NamedDimension(
                dimension=time_dimension, grain=_finest_day_or_coarser(time_dimension)
            )
            if time_dimension
            else None,
            permits=tuple(permits),
        )
        _refuse_masked_filters(request)
        if query.time_range and request.time is None:
            raise Refused(
                Reason.INVALID_QUERY,
                f"{_listed(query.metrics)} have no common time, so time_range cannot be applied",
            )
        return request

    def _metric(self, name: str) -> Metric:
        metric = self._door.catalog.metrics.get(name)
        if metric is None:
            raise self._not_available(name, (), "no such metric", ())
        decided = self._door.policy.decide(self._reader, metric)
        if isinstance(decided, Denial):
            raise self._not_available(name, (), decided.why, decided.rules)
        return metric

    def _readable(self) -> Iterable[Metric]:
        policy, catalog = self._door.policy, self._door.catalog
        return (item for item in catalog.metrics.values() if policy.is_readable(self._reader, item))

    def _legal_dimensions(self, metrics: tuple[Metric, ...]) -> Mapping[str, Dimension]:
        try:
            return self._door.engine.dimensions([metric.name for metric in metrics])
        except MetricCompileError as error:
            raise Refused(
                Reason.QUERY_FAILED,
                f"{_listed(self._query.metrics)} cannot be compiled",
                hint="the owner of the definition can mend it",
                detail=str(error),
            ) from error

    def _named(
        self,
        name: str,
        legal: Mapping[str, Dimension],
        metrics: tuple[Metric, ...],
        where: str,
    ) -> NamedDimension:
        """A name of the query as a dimension with its grain: byte-equal look-up, from here on our own strings."""
        found = legal.get(name)
        if found is not None:
            grain = found.grains[0] if found.kind is DimensionKind.TIME else None
            return NamedDimension(dimension=found, grain=grain)
        base, _, grain = name.rpartition("__")
        found = legal.get(base)
        if found is not None and grain in found.grains:
            return NamedDimension(dimension=found, grain=grain)
        raise self._not_available(name, metrics, f"no such dimension in {where}", ())

    def _not_available(
        self, name: str, metrics: tuple[Metric, ...], why: str, rules: tuple[str, ...]
    ) -> Refused:
        """The same refusal for what does not exist and for what is not granted."""
        if metrics and name not in self._query.metrics:
            kind, visible = "Dimension", self._usable_dimensions(metrics)
        else:
            kind = "Metric"
            visible = [item.name for item in self._readable()]
        return Refused(
            Reason.NOT_AVAILABLE,
            f"{kind} {name!r} is not available to '{self._reader.name}'",
            hint=did_you_mean(name, visible)
            or (f"available: {', '.join(visible[:30])}" if visible else "nothing is granted"),
            detail=f"{why}; rules: {', '.join(rules) or 'none'}",
        )

    def _usable_dimensions(self, metrics: tuple[Metric, ...]) -> list[str]:
        legal = self._door.engine.dimensions([metric.name for metric in metrics]).values()
        return [
            name
            for item in legal
            if all(self._door.policy.may_use(self._reader, metric, item) for metric in metrics)
            for name in ([f"{item.name}__{grain}" for grain in item.grains] or [item.name])
        ]

    def _refuse_missing_time(
        self, metrics: tuple[Metric, ...], group_by: tuple[NamedDimension, ...]
    ) -> None:
        if any(named.dimension.kind is DimensionKind.TIME for named in group_by):
            return
        for metric in metrics:
            if metric.needs_time:
                raise Refused(
                    Reason.INVALID_QUERY,
                    f"Metric '{metric.name}' has a value per period and no total",
                    hint=f"add '{TIME}__day' (or another grain) to group_by",
                )

    def _plan(self, request: PlanRequest) -> QueryPlan:
        try:
            return self._door.planner.plan(request)
        except RowsNotRestrictable as error:
            raise Refused(
                Reason.ROWS_NOT_RESTRICTABLE,
                f"Metric '{error.metric}' has no {error.element}, and '{self._reader.name}' may see "
                f"only its own {error.element}",
                hint="ask without this metric; the owner of the policy can exempt it by name",
            ) from error
        except MixedRestrictions as error:
            raise Refused(
                Reason.ROWS_NOT_RESTRICTABLE,
                f"{_listed(self._query.metrics)} see different rows of the same data for '{self._reader.name}'",
                hint="ask for them one at a time",
            ) from error
        except MetricCompileError as error:
            raise Refused(
                Reason.QUERY_FAILED,
                f"{_listed(self._query.metrics)} cannot be answered in this form",
                hint="ask for fewer metrics or other dimensions; the record has the reason",
                detail=str(error),
            ) from error

    def _refuse_closed_gates(
        self, request: PlanRequest, plan: QueryPlan, snapshot: SnapshotRecord
    ) -> None:
        catalog = self._door.catalog
        for permit in request.permits:
            metric, known = catalog.metrics[permit.metric], snapshot.metrics.get(permit.metric)
            if known is None or known.definition_hash != metric.definition_hash:
                raise Refused(
                    Reason.DEFINITION_CHANGED,
                    f"The definition of '{metric.name}' is not the one that snapshot {snapshot.version} was made with",
                    hint="materialize governed_snapshot",
                )
            if known.state is not State.PASSING:
                raise Refused(
                    Reason.CHECKS_NOT_PASSING, f"'{metric.name}' may not be read: {known.reason}"
                )
            age = self._door.now() - snapshot.published_at
            if permit.max_age is not None and age > permit.max_age:
                raise Refused(
                    Reason.STALE,
                    f"The data is {_hours(age)} old, and '{self._reader.name}' may read data of at most "
                    f"{_hours(permit.max_age)}",
                    hint="materialize governed_snapshot",
                )
        for unique_id in catalog.dbt_models_of(plan.relations):
            state = state_of_model(snapshot.models, unique_id)
            if state.state is not State.PASSING:
                raise Refused(
                    Reason.CHECKS_NOT_PASSING,
                    f"{_listed(self._query.metrics)} in this form read what may not be read: {state.reason}",
                )

    def _bind(self, plan: QueryPlan, request: PlanRequest, limit: int) -> dict[str, Any]:
        return bind(plan, request, limit=limit, mask_key=self._door.mask_key)

    def _execute(
        self, data: OpenSnapshot, plan: QueryPlan, values: Mapping[str, Any], limit: int
    ) -> list[tuple[Any, ...]]:
        try:
            return data.execute(plan.sql, values, limit)
        except duckdb.InterruptException as error:
            reason, message = Reason.TIMED_OUT, "The query took too long and was stopped"
            failure: Exception = error
        except duckdb.ConversionException as error:
            reason, message = (
                Reason.INVALID_QUERY,
                "A filter value has another type than its dimension",
            )
            failure = error
        except duckdb.BinderException as error:
            asks_for_text = any(item.operator in TEXT_ONLY for item in self._query.filters)
            reason, message = (
                (Reason.INVALID_QUERY, f"{_listed(sorted(TEXT_ONLY))} need a dimension of texts")
                if asks_for_text
                else (Reason.QUERY_FAILED, "The query failed")
            )
            failure = error
        except duckdb.Error as error:
            reason, message = Reason.QUERY_FAILED, "The query failed"
            failure = error
        self._append(
            RecordKind.OUTCOME, reason=reason.value, details={"error": str(failure)[:2000]}
        )
        raise Refused(reason, message, is_recorded=True) from failure

    def _versions(
        self, request: PlanRequest, snapshot: SnapshotRecord
    ) -> tuple[MetricVersion, ...]:
        versions = []
        for permit in request.permits:
            metric, known = (
                self._door.catalog.metrics[permit.metric],
                snapshot.metrics[permit.metric],
            )
            first, last = _covered_days(request, metric, known.first_day, known.until_day)
            as_read = snapshot.as_read.get(permit.rows_key, {}).get(permit.metric)
            versions.append(
                MetricVersion(
                    name=metric.name,
                    definition_hash=metric.definition_hash,
                    data_version=known.data_version,
                    version_as_read=(as_read.data_version if as_read else None)
                    if permit.rows
                    else known.data_version,
                    unit=metric.unit,
                    covers_from=first,
                    covers_to=last,
                )
            )
        return tuple(versions)

    def _record_intent(
        self,
        request: PlanRequest,
        plan: QueryPlan,
        snapshot: SnapshotRecord,
        versions: tuple[MetricVersion, ...],
    ) -> None:
        self._append(
            RecordKind.INTENT,
            metrics=tuple(
                MetricRead(
                    metric=item.name,
                    data_version=item.data_version,
                    definition_hash=item.definition_hash,
                    covers_from=item.covers_from,
                    covers_to=item.covers_to,
                )
                for item in versions
            ),
            details={
                "query": self._query.canonical(),
                "versions_as_read": {item.name: item.version_as_read for item in versions},
                "snapshot": snapshot.version,
                "policy_hash": self._door.policy.hash,
                "rules": sorted({rule for permit in request.permits for rule in permit.rules}),
                "rows": [[item.element, list(item.values)] for item in request.rows],
                "masked": list(plan.masked),
                "relations": list(plan.relations),
                "plan_hash": plan.hash,
            },
        )

    def _record_outcome(
        self,
        plan: QueryPlan,
        rows: list[tuple[Any, ...]],
        notices: tuple[Notice, ...],
        elapsed: int,
    ) -> None:
        cells = [[canonical_value(cell) for cell in row] for row in rows]
        digest = hashlib.sha256(canonical_json([list(plan.columns), cells])).hexdigest()
        is_new = self._append(
            RecordKind.OUTCOME,
            details={
                "rows": len(rows),
                "result_digest": digest,
                "notices": [f"{item.kind}: {item.text}" for item in notices],
                "latency_us": elapsed,
            },
        )
        if not is_new:
            self._refuse_other_outcome(digest)

    def _refuse_other_outcome(self, digest: str) -> None:
        """Of a read that is tried again only that is released which the record says was."""
        recorded = self._door.ledger.body(self._read_id, RecordKind.OUTCOME) or {}
        if recorded.get("reason") or recorded["details"]["result_digest"] != digest:
            raise Refused(
                Reason.QUERY_FAILED,
                "The same read ended in another way at the same time, and that is what is on record",
                hint="ask again",
                is_recorded=True,
            )

    def _append(
        self,
        kind: RecordKind,
        *,
        metrics: tuple[MetricRead, ...] = (),
        reason: str | None = None,
        details: Mapping[str, object],
    ) -> bool:
        return self._door.ledger.append(
            Record(
                record_id=self._read_id,
                kind=kind,
                reader=self._reader.name,
                acting_for=self._reader.acting_for,
                context=self._context,
                reason=reason,
                metrics=metrics,
                details=details,
            )
        )

    def _notices(
        self,
        request: PlanRequest,
        plan: QueryPlan,
        snapshot: SnapshotRecord,
        *,
        rows_found: int,
        limit: int,
    ) -> tuple[Notice, ...]:
        notices: list[Notice] = []
        for item in request.rows:
            values = ", ".join(map(str, item.values)) or "nothing"
            notices.append(
                Notice(kind="filtered", text=f"only rows whose {item.element} is {values}")
            )
        notices += [
            Notice(kind="masked", text=f"the values of {column} are pseudonyms")
            for column in plan.masked
        ]
        if rows_found > limit:
            whose = (
                "asked for"
                if self._query.limit == limit
                else f"that '{self._reader.name}' may have"
            )
            notices.append(
                Notice(kind="cut", text=f"there are more rows than the {limit:,} {whose}")
            )
        age = self._door.now() - snapshot.published_at
        for name in self._query.metrics:
            within = self._door.catalog.metrics[name].fresh_within
            if within is not None and age > within:
                notices.append(
                    Notice(
                        kind="stale",
                        text=f"{name} is {_hours(age)} old and counts as fresh for {_hours(within)}",
                    )
                )
        notices.extend(self._beyond_data(snapshot))
        return tuple(notices)

    def _beyond_data(self, snapshot: SnapshotRecord) -> Iterable[Notice]:
        asked = self._query.time_range
        last = min(
            (day for name in self._query.metrics if (day := snapshot.metrics[name].last_day)),
            default=None,
        )
        if asked and last and asked.end > last:
            yield Notice(
                kind="beyond_data", text=f"the data ends on {last}, the range on {asked.end}"
            )

    def _provenance(
        self,
        request: PlanRequest,
        plan: QueryPlan,
        snapshot: SnapshotRecord,
        versions: tuple[MetricVersion, ...],
        notices: tuple[Notice, ...],
    ) -> Provenance:
        days = [day for item in versions if (day := snapshot.metrics[item.name].last_day)]
        return Provenance(
            read_id=self._read_id,
            reader=self._reader.name,
            metrics=versions,
            snapshot=snapshot.version,
            published_at=snapshot.published_at,
            age=self._door.now() - snapshot.published_at,
            as_of=min(days, default=None),
            relations=plan.relations,
            dbt_models=self._door.catalog.dbt_models_of(plan.relations),
            policy_hash=self._door.policy.hash,
            rules=tuple(sorted({rule for permit in request.permits for rule in permit.rules})),
            plan_hash=plan.hash,
            notices=notices,
        )


def _checked_filter(named: NamedDimension, item: Filter) -> tuple[NamedDimension, Filter]:
    if named.dimension.kind is DimensionKind.TIME:
        for value in item.values:
            try:
                time_value(value)
            except ValueError as error:
                raise Refused(
                    Reason.INVALID_QUERY, f"filter on '{named.column}': {error}"
                ) from error
    return named, item


def _refuse_masked_filters(request: PlanRequest) -> None:
    ranged = [request.time] if request.query.time_range and request.time else []
    for named in (*(named for named, _ in request.filters), *ranged):
        if request.mask_of(named.dimension) is not None:
            raise Refused(
                Reason.NOT_AVAILABLE,
                f"Dimension '{named.column}' is masked, so it cannot be filtered",
                hint="group by it instead: each value has a pseudonym of its own",
            )


def _with_resolved_order(query: MetricQuery, group_by: tuple[NamedDimension, ...]) -> MetricQuery:
    """The query with time dimensions named by their grain in `order_by`, as they are in the columns."""
    columns = dict(zip(query.group_by, (named.column for named in group_by), strict=True))
    order = tuple(
        item.model_copy(update={"by": columns.get(item.by, item.by)}) for item in query.order_by
    )
    return query.model_copy(update={"order_by": order})


def _finest_day_or_coarser(dimension: Dimension) -> str:
    return "day" if "day" in dimension.grains else dimension.grains[0]


def _covered_days(
    request: PlanRequest, metric: Metric, first: date | None, last: date | None
) -> tuple[date | None, date | None]:
    """The days of data that make up this answer for one metric."""
    start, end = covered(request.query.time_range, first, last)
    if start is None or end is None or first is None or last is None:
        return start, end
    before, after = metric.reach.before, metric.reach.after
    start = first if before is None else max(first, start - before)
    end = last if after is None else min(last, end + after)
    return start, end


def _listed(names: Iterable[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _hours(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.0f} hours" if hours >= 2 else f"{age.total_seconds() / 60:.0f} minutes"
