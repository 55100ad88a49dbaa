"""Measures metrics on a staged snapshot: data versions, headline values, and the versions of restricted readers.

Every figure is read through the door by the reader `refresh`, so it is granted by the policy and on record like any other.
Metrics that share a scope share their queries.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice
from typing import Any

import duckdb

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.asked import MAX_METRICS
from semantic.canonical import canonical_value
from semantic.carried_over import carried_over
from semantic.catalog import Catalog
from semantic.errors import LedgerUnavailable, MetricCompileError, PolicyError
from semantic.governed_metrics import GovernedMetrics, ReadSession
from semantic.ledger import Ledger, ReadContext, RecordKind
from semantic.measured_state import (
    Measured,
    measured_state,
    standing_as_read,
    unmeasured_state,
    version_as_read,
    with_closed_since,
)
from semantic.metric import METRIC_TIME, DimensionKind, Metric
from semantic.open_snapshot import OpenSnapshot
from semantic.policy import REFRESH, Permit, Reader
from semantic.snapshot import StagedSnapshot
from semantic.snapshot_record import (
    ModelState,
    SnapshotRecord,
    State,
    VersionAsRead,
)
from semantic.time_range import FIRST_YEAR, LAST_YEAR, period_end, period_start
from semantic.watch import Points, Watch
from semantic.watch_measurement import measure_watches

_UNUSABLE = "its definition cannot be compiled"
_OF_ALL = ("total", "by_day")
NO_WATCHES: Mapping[str, Sequence[Watch]] = {}


def measure(
    metrics: GovernedMetrics,
    staged: StagedSnapshot,
    models: Mapping[str, ModelState],
    *,
    previous: SnapshotRecord | None,
    watches: Mapping[str, Sequence[Watch]] = NO_WATCHES,
    context: ReadContext,
    progress: Callable[[str], None] = lambda _: None,
) -> SnapshotRecord:
    """The full record of a staged snapshot. By reader, `watches` are what is watched; these readers are measured beside those that the policy lists. Of one that
    takes data over, only what the platform tells is measured.

    A metric that cannot be measured is `failing` with its reason; the others go on. Raises `LedgerUnavailable`, and
    `PolicyError` where the refresh itself has nothing granted.
    """
    data = staged.open()
    try:
        days = _days_of_models(metrics.catalog, data)
        wanted = {
            name: metric
            for name, metric in metrics.catalog.metrics.items()
            if not staged.is_of_platform or name in metrics.catalog.platform_metrics
        }
        states = {
            name: unmeasured_state(metric, models, metrics.catalog, days)
            for name, metric in wanted.items()
        }
        unmeasured = staged.unmeasured(models, states, context.run_id)
        ready = [wanted[name] for name, state in states.items() if state.state is State.PASSING]
        refresh = Reader(name=REFRESH)
        if ready and not any(metrics.policy.is_readable(refresh, metric) for metric in ready):
            raise PolicyError(
                f"{metrics.policy.source} grants the reader '{REFRESH}' nothing, so no metric can be measured",
                hint=f"add a rule: permit: the refresh measures every metric, readers: [{REFRESH}], metrics: ['*']",
            )
        progress(f"measuring {len(ready)} metrics")
        whole = _measure_as(metrics, unmeasured, data, refresh, ready, context)
        measured = {
            name: measured_state(
                state,
                whole.get(name),
                name,
                staged.version,
                previous,
                is_whole=_sees_all_rows(metrics, refresh, name),
            )
            for name, state in states.items()
        }
        measured = {
            name: with_closed_since(
                state, previous.metrics.get(name) if previous else None, unmeasured
            )
            for name, state in measured.items()
        }
        known = _points_of(metrics, refresh, whole)
        as_read: dict[str, dict[str, VersionAsRead]] = defaultdict(dict)
        restricted = _restricted_readers(metrics, wanted.values(), watches)
        for (key, reader), granted in restricted.items():
            progress(f"measuring {len(granted)} metrics as '{reader}' sees them")
            acting = Reader(name=REFRESH, acting_for=reader)
            now = [metric for metric in granted if metric in ready]
            seen = _measure_as(metrics, unmeasured, data, acting, now, context)
            known |= _points_of(metrics, acting, seen)
            as_read[key] |= standing_as_read(previous, key, granted) | {
                name: version_as_read(result, key, name, staged.version, previous)
                for name, result in seen.items()
                if result.failure is None
            }
        passing = {
            metric.name: metric for metric in ready if measured[metric.name].state is State.PASSING
        }
        progress(f"measuring what {len(watches)} agents watch")
        before = previous.watched if previous else {}
        watched = measure_watches(
            metrics, unmeasured, data, passing, watches, known, before, context
        )
        record = replace(unmeasured, metrics=measured, as_read=dict(as_read), watched=watched)
        return (
            carried_over(record, staged.before, metrics.catalog)
            if staged.is_of_platform
            else record
        )
    finally:
        data.close()


def _measure_as(
    metrics: GovernedMetrics,
    snapshot: SnapshotRecord,
    data: OpenSnapshot,
    reader: Reader,
    wanted: Sequence[Metric],
    context: ReadContext,
) -> dict[str, Measured]:
    measured: dict[str, Measured] = {}
    purposeful = replace(context, purpose="measure")
    with metrics.session(reader, purposeful, snapshot=snapshot, data=data) as session:
        for group in _sharing_scope(wanted, snapshot):
            measured.update(_measure_together(metrics, session, group, snapshot))
    return measured


def _measure_together(
    metrics: GovernedMetrics,
    session: ReadSession,
    group: Sequence[Metric],
    snapshot: SnapshotRecord,
) -> dict[str, Measured]:
    """Measures metrics in common queries; where one spoils those, each alone."""
    results = _measure_scope(metrics, session, group, snapshot)
    if len(group) > 1 and any(result.failure for result in results.values()):
        results = {}
        for metric in group:
            results.update(_measure_scope(metrics, session, [metric], snapshot))
    return results


def _measure_scope(
    metrics: GovernedMetrics,
    session: ReadSession,
    group: Sequence[Metric],
    snapshot: SnapshotRecord,
) -> dict[str, Measured]:
    names = [metric.name for metric in group]
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in names}
    try:
        queries = list(_scope_queries(metrics, session, group, snapshot))
    except MetricCompileError as error:
        return {name: Measured(failure=_UNUSABLE, detail=str(error)) for name in names}
    for part, query in queries:
        answer = session.query(query)
        if isinstance(answer, Refusal):
            if answer.reason is Reason.LEDGER_UNAVAILABLE:
                raise LedgerUnavailable(answer.message, hint=answer.hint)
            return dict.fromkeys(names, _failed(part, answer, metrics.ledger))
        if answer.truncated:
            reason = (
                f"its scope has more than the {len(answer.rows):,} rows that '{REFRESH}' may have; "
                "declare a narrower one"
            )
            return {name: Measured(failure=reason) for name in names}
        for name, part_rows in _canonical_rows(part, answer, names):
            rows[name].extend(part_rows)
    return {name: Measured(rows=tuple(rows[name])) for name in names}


def _failed(part: str, refusal: Refusal, ledger: Ledger) -> Measured:
    """Why a part of the scope could not be measured. Which dimension it was, not every reader of the metric may know."""
    detail = _detail(ledger, refusal)
    if part in _OF_ALL:
        return Measured(failure=refusal.message, detail=detail)
    told = "its values by a dimension of its scope cannot be measured"
    return Measured(failure=told, detail=f"by {part}: {refusal.message}; {detail}".rstrip("; "))


def _detail(ledger: Ledger, refusal: Refusal) -> str:
    """What the record says beyond what a reader is told."""
    for kind in (RecordKind.REFUSAL, RecordKind.OUTCOME):
        body = ledger.body_here(refusal.read_id or "", kind)
        if body is not None:
            return str(body["details"].get("detail") or body["details"].get("error") or "")
    return ""


def _scope_queries(
    metrics: GovernedMetrics,
    session: ReadSession,
    group: Sequence[Metric],
    snapshot: SnapshotRecord,
) -> Iterable[tuple[str, dict[str, Any]]]:
    """The queries that make up the scope of metrics which share it: the total, by day, and by day and dimension."""
    names = [metric.name for metric in group]
    legal = metrics.engine.dimensions(names)
    last = snapshot.metrics[names[0]].last_day
    timed = METRIC_TIME in legal and last is not None
    if not any(metric.needs_time for metric in group):
        yield "total", {"metrics": names}
    if not timed or last is None:
        return
    grain = legal[METRIC_TIME].day_grain or "day"
    days = {
        "start": period_start(last - timedelta(days=group[0].scope.days - 1), grain).isoformat(),
        "end": period_end(last, grain).isoformat(),
    }
    by_time = f"{METRIC_TIME}__{grain}"
    yield "by_day", {"metrics": names, "group_by": [by_time], "time_range": days}
    for name in group[0].scope.dimensions:
        if _may_measure_by(metrics, session.reader, group, name):
            yield name, {"metrics": names, "group_by": [by_time, name], "time_range": days}


def _may_measure_by(
    metrics: GovernedMetrics, reader: Reader, group: Sequence[Metric], name: str
) -> bool:
    """Whether the refresh may group by a declared dimension. One that a restricted reader may not use is left out."""
    legal = metrics.engine.dimensions([metric.name for metric in group])
    found = legal.get(name) or legal.get(name.rpartition("__")[0])
    if found is None or reader.acting_for is None:
        return True
    return all(metrics.policy.may_use(reader, metric, found) for metric in group)


def _canonical_rows(
    part: str, answer: MetricAnswer, names: Sequence[str]
) -> Iterable[tuple[str, list[tuple[object, ...]]]]:
    """For each metric its rows as JSON values; a row without a value is no row, whichever metrics were asked together."""
    width = len(answer.columns) - len(names)
    for offset, name in enumerate(names):
        yield (
            name,
            [
                (part, *map(canonical_value, row[:width]), canonical_value(row[width + offset]))
                for row in answer.rows
                if row[width + offset] is not None
            ],
        )


def _sharing_scope(wanted: Iterable[Metric], snapshot: SnapshotRecord) -> Iterable[list[Metric]]:
    groups: dict[object, list[Metric]] = defaultdict(list)
    for metric in wanted:
        last = snapshot.metrics[metric.name].last_day
        groups[metric.scope, metric.semantic_models, metric.needs_time, last].append(metric)
    for group in groups.values():
        remaining = iter(group)
        while batch := list(islice(remaining, MAX_METRICS)):
            yield batch


def _restricted_readers(
    metrics: GovernedMetrics, wanted: Iterable[Metric], readers: Iterable[str]
) -> dict[tuple[str, str], list[Metric]]:
    """By the rows that are visible and a reader who sees them, the metrics to measure as that reader. A metric that several
    readers read over the same rows is measured as the first of them.
    """
    wanted = tuple(wanted)
    found: dict[tuple[str, str], list[Metric]] = defaultdict(list)
    claimed: set[tuple[str, str]] = set()
    for reader in sorted({*metrics.policy.readers, *readers}):
        for metric in wanted:
            permit = metrics.policy.decide(Reader(name=reader), metric)
            if not isinstance(permit, Permit) or not permit.rows:
                continue
            if (permit.rows_key, metric.name) not in claimed:
                claimed.add((permit.rows_key, metric.name))
                found[permit.rows_key, reader].append(metric)
    return found


def _sees_all_rows(metrics: GovernedMetrics, reader: Reader, name: str) -> bool:
    permit = metrics.policy.decide(reader, metrics.catalog.metrics[name])
    return isinstance(permit, Permit) and not permit.rows


def _points_of(
    metrics: GovernedMetrics, reader: Reader, measured: Mapping[str, Measured]
) -> dict[str, Points]:
    """By key of a watch, the days that were measured of whole metrics: who watches just these need not be measured again."""
    found: dict[str, Points] = {}
    for name, result in measured.items():
        metric = metrics.catalog.metrics[name]
        permit = metrics.policy.decide(reader, metric)
        days = result.part("by_day")
        if isinstance(permit, Permit) and result.failure is None and metric.time_names:
            key = Watch(metric=name, periods=metric.scope.days).key(permit)
            found[key] = {(str(day),): str(value) for day, value in days}
    return found


def _days_of_models(
    catalog: Catalog, data: OpenSnapshot
) -> dict[str, tuple[date | None, date | None]]:
    """By semantic model, the first and the last day of its data."""
    found: dict[str, tuple[date | None, date | None]] = {}
    for name, model in catalog.semantic_models.items():
        times = [
            item.expression for item in model.elements.values() if item.kind is DimensionKind.TIME
        ]
        expression = model.time_expression or next(iter(times), None)
        if expression is None:
            continue
        day = f"TRY_CAST({expression} AS DATE)"
        # A day that nobody can ask for stands for none: 9999-12-31, or infinity.
        meant = f"FILTER ({day} BETWEEN DATE '{FIRST_YEAR}-01-01' AND DATE '{LAST_YEAR}-12-31')"
        ends = f"min({day}) {meant}, max({day}) {meant}"
        try:
            day_range = data.execute(f"SELECT {ends} FROM {model.relation}", {}, 1)
        except duckdb.Error:
            continue
        found[name] = day_range.rows[0]
    return found
