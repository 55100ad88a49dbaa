"""Measures what somebody watches on a staged snapshot, each figure as its watcher may see it and on record like any other read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from semantic.answer import MetricAnswer, Reason
from semantic.asked import MAX_METRICS
from semantic.canonical import canonical_value
from semantic.errors import LedgerUnavailable, MetricCompileError
from semantic.governed_metrics import GovernedMetrics, ReadSession
from semantic.ledger import ReadContext
from semantic.metric import GRAINS, Metric
from semantic.open_snapshot import OpenSnapshot
from semantic.policy import REFRESH, Permit, Policy, Reader
from semantic.recent import Recent
from semantic.snapshot_record import SnapshotRecord
from semantic.time_range import TimeUnit
from semantic.watch import NO_PERIOD, NO_VALUE, Points, Watch

_SEEN = 200_000
_seen: Recent[tuple[str, str, Watch, Metric], tuple[tuple[Watch, str] | None]] = Recent(_SEEN)
_DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}


def seen_of(policy: Policy, watcher: str, watch: Watch, metric: Metric) -> tuple[Watch, str] | None:
    """A watch as far as its watcher may see it, and the key under which a snapshot keeps that. None where it may see nothing of it.

    Decided once for as long as the policy stands: a sensor asks at every tick.
    """
    asked = (policy.hash, watcher, watch, metric)
    found = _seen.get(asked)
    if found is None:
        found = (_narrowed(policy, watcher, watch, metric),)
        _seen.put(asked, found)
    return found[0]


def _narrowed(
    policy: Policy, watcher: str, watch: Watch, metric: Metric
) -> tuple[Watch, str] | None:
    permit = policy.decide(Reader(name=REFRESH, acting_for=watcher), metric)
    if not isinstance(permit, Permit):
        return None
    grain = watch.grain.value
    if permit.finest_grain in GRAINS and GRAINS.index(permit.finest_grain) > GRAINS.index(grain):
        grain = permit.finest_grain
    periods = watch.periods
    if permit.max_days is not None:
        periods = max(1, min(periods, permit.max_days // _DAYS[grain]))
    seen = replace(watch, grain=TimeUnit(grain), periods=periods)
    return seen, seen.key(permit)


def measure_watches(
    metrics: GovernedMetrics,
    snapshot: SnapshotRecord,
    data: OpenSnapshot,
    ready: Mapping[str, Metric],
    asked: Mapping[str, Sequence[Watch]],
    known: Mapping[str, Points],
    before: Mapping[str, Points],
    context: ReadContext,
) -> dict[str, Points]:
    """By key, the points of what each watcher watches of the metrics that are `ready`; `known` are those that were measured already. Of what is closed, is
    refused or cannot be compiled the points of `before` stay, so that its next change is one against these. Raises `LedgerUnavailable`.
    """
    found: dict[str, Points] = {}
    wanted: set[str] = set()
    alike: dict[object, dict[str, Watch]] = defaultdict(dict)
    for watcher, watches in sorted(asked.items()):
        for watch in watches:
            metric = metrics.catalog.metrics.get(watch.metric)
            narrowed = seen_of(metrics.policy, watcher, watch, metric) if metric else None
            if narrowed is None or metric is None or narrowed[1] in wanted:
                continue
            seen, key = narrowed
            wanted.add(key)
            if key in known:
                found[key] = known[key]
            elif metric.name in ready:
                last = snapshot.metrics[metric.name].last_day
                shared = seen.by, seen.grain, seen.periods, metric.semantic_models, last
                alike[watcher, shared, metric.needs_time][key] = seen
    purposeful = replace(context, purpose="measure")
    for (watcher, *_), group in alike.items():  # type: ignore[misc]
        reader = Reader(name=REFRESH, acting_for=watcher)
        with metrics.session(reader, purposeful, snapshot=snapshot, data=data) as session:
            remaining = iter(group.items())
            while batch := dict(islice(remaining, MAX_METRICS)):
                found |= _measured_together(metrics, session, batch, snapshot)
    stay = {key: before[key] for key in wanted if key not in found and key in before}
    return found | stay


def _measured_together(
    metrics: GovernedMetrics,
    session: ReadSession,
    group: Mapping[str, Watch],
    snapshot: SnapshotRecord,
) -> dict[str, Points]:
    """Watches that differ in their metric only, in one query; where one spoils that, each alone."""
    points = _measured(metrics, session, group, snapshot)
    if points is None and len(group) > 1:
        alone = (_measured(metrics, session, {key: it}, snapshot) for key, it in group.items())
        return {key: some for each in alone if each for key, some in each.items()}
    return points or {}


def _measured(
    metrics: GovernedMetrics,
    session: ReadSession,
    group: Mapping[str, Watch],
    snapshot: SnapshotRecord,
) -> dict[str, Points] | None:
    names = [watch.metric for watch in group.values()]
    first = next(iter(group.values()))
    try:
        legal = metrics.engine.dimensions(names)
    except MetricCompileError:
        return None
    asked = first.query(legal, snapshot.metrics[first.metric].last_day)
    answer = session.query(asked | {"metrics": names})
    if not isinstance(answer, MetricAnswer):
        if answer.reason is Reason.LEDGER_UNAVAILABLE:
            raise LedgerUnavailable(answer.message, hint=answer.hint)
        return None
    if answer.truncated:
        return None
    period = () if "time_range" in asked else (NO_PERIOD,)
    return dict(zip(group, _points(answer, len(names), period), strict=True))


def _points(answer: MetricAnswer, metrics: int, period: tuple[str, ...]) -> Iterable[Points]:
    """For each metric its points. A row without a value is no point."""
    width = len(answer.columns) - metrics
    for offset in range(width, width + metrics):
        yield {
            (
                *period,
                *(NO_VALUE if cell is None else str(canonical_value(cell)) for cell in row[:width]),
            ): str(canonical_value(row[offset]))
            for row in answer.rows
            if row[offset] is not None
        }
