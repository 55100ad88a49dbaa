"""How a metric stands in a snapshot, from what was measured of it and how it stood before."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from semantic.canonical import canonical_json
from semantic.catalog import Catalog
from semantic.metric import Metric
from semantic.snapshot_record import (
    MetricState,
    ModelState,
    SnapshotRecord,
    State,
    VersionAsRead,
    state_of_model,
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The canonical rows of a metric over its scope, as (part of the scope, cells..., value), or why there are none."""

    rows: tuple[tuple[object, ...], ...] = ()
    failure: str | None = None
    detail: str = ""

    @property
    def data_version(self) -> str:
        ordered = sorted(self.rows, key=lambda row: canonical_json(list(row)))
        return hashlib.sha256(canonical_json([list(row) for row in ordered])).hexdigest()[:32]

    def part(self, name: str) -> list[tuple[object, ...]]:
        return [row[1:] for row in self.rows if row[0] == name]


def unmeasured_state(
    metric: Metric,
    models: Mapping[str, ModelState],
    catalog: Catalog,
    days: Mapping[str, tuple[date | None, date | None]],
) -> MetricState:
    bounds = [days[name] for name in metric.semantic_models if name in days]
    first = min((start for start, _ in bounds if start), default=None)
    ends = [end for _, end in bounds if end]
    relations = [catalog.semantic_models[name].relation for name in metric.semantic_models]
    closed = [
        state
        for unique_id in catalog.dbt_models_of(relations)
        if (state := state_of_model(models, unique_id)).state is not State.PASSING
    ]
    return MetricState(
        definition_hash=metric.definition_hash,
        state=closed[0].state if closed else State.PASSING,
        reason=closed[0].reason if closed else "",
        first_day=first,
        last_day=min(ends, default=None),
        until_day=max(ends, default=None),
    )


def measured_state(
    state: MetricState,
    measured: Measured | None,
    name: str,
    version: str,
    previous: SnapshotRecord | None,
    *,
    is_whole: bool,
) -> MetricState:
    """The measured state. A value goes into it only where the refresh saw all rows, since everyone with the UI sees it."""
    before = previous.metrics.get(name) if previous else None
    if measured is None or measured.failure:
        return replace(
            state,
            state=State.FAILING if measured and measured.failure else state.state,
            reason=measured.failure if measured and measured.failure else state.reason,
            detail=measured.detail if measured else "",
            data_version=before.data_version if before else "",
            since=before.since if before else "",
        )
    data_version = measured.data_version
    stands = before is not None and before.data_version == data_version
    state = replace(
        state, data_version=data_version, since=before.since if before and stands else version
    )
    if not is_whole:
        return state
    series = tuple(
        (str(day), None if value is None else str(value))
        for day, value in sorted(measured.part("by_day"), key=lambda row: str(row[0]))
    )
    total = next((row[0] for row in measured.part("total")), None)
    last_value = series[-1][1] if series else None
    return replace(
        state,
        value=str(total) if total is not None else last_value,
        value_last_day=last_value,
        series=series,
    )


def with_closed_since(
    state: MetricState, before: MetricState | None, snapshot: SnapshotRecord
) -> MetricState:
    """The state with the moment since which it has been closed, where it is."""
    if state.state is State.PASSING:
        return state
    was_closed = before is not None and before.state is not State.PASSING
    known = before.closed_since if before and was_closed else ""
    return replace(state, closed_since=known or snapshot.published_at.isoformat())


def standing_as_read(
    previous: SnapshotRecord | None, key: str, granted: Iterable[Metric]
) -> dict[str, VersionAsRead]:
    """The versions of before. A metric that is closed for a while is no other when it opens again."""
    before = previous.as_read.get(key, {}) if previous else {}
    return {metric.name: before[metric.name] for metric in granted if metric.name in before}


def version_as_read(
    measured: Measured, key: str, name: str, version: str, previous: SnapshotRecord | None
) -> VersionAsRead:
    before = previous.as_read.get(key, {}).get(name) if previous else None
    data_version = measured.data_version
    stands = before is not None and before.data_version == data_version
    return VersionAsRead(
        data_version=data_version, since=before.since if before and stands else version
    )
