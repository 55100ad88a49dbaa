"""Which metrics an agent may not run on now, and what closed them: checks, freshness, or a definition that is no longer the one that was measured.

Asked by the sensor, and again in the run, since a person can press Materialize. Unknown is stale, and a check that did not pass on the newest
materialization did not pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from orchestration_assets.metric_assets import closed_because
from orchestration_assets.staleness import staleness
from orchestration_assets.triggers.permits import permits_of
from semantic.governed_metrics import GovernedMetrics
from semantic.policy import Reader
from semantic.snapshot_record import SnapshotRecord, State

_AGES = ("hour", 3_600), ("minute", 60)


class Gate(StrEnum):
    """What closes a metric."""

    CHECK = "check"
    FRESHNESS = "freshness"
    DEFINITION = "definition"


@dataclass(frozen=True, kw_only=True)
class Closed:
    """Why a metric is closed: by what gate, in words, and since when, as far as that is known; `mark` stands for it where the moment does not."""

    gate: Gate
    why: str
    since: datetime | None = None
    mark: str = ""

    @property
    def told(self) -> str:
        since = f", since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"{self.why}{since}"

    @property
    def episode(self) -> str:
        """The same for as long as it stays closed for the same reason."""
        return f"{self.gate} {self.mark or (self.since.isoformat() if self.since else self.why)}"


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """By metric the assets that it is made of, its own the first; and the checks whose result a snapshot keeps for itself."""

    assets: Mapping[str, tuple[dg.AssetKey, ...]] = field(default_factory=dict)
    kept: frozenset[dg.AssetCheckKey] = frozenset()


NO_UPSTREAM = Upstream()


def oldest_allowed(
    reader: Reader, names: Sequence[str], metrics: GovernedMetrics
) -> dict[str, timedelta]:
    """By metric, how old its data may be for one reader, by what the metric declares and what a rule says; nothing where neither does."""
    permits = permits_of(reader, names, metrics)
    found = {}
    for name in names:
        metric = metrics.catalog.metrics.get(name)
        ages = (
            metric.fresh_within if metric else None,
            permits[name].max_age if name in permits else None,
        )
        known = [age for age in ages if age is not None]
        if known:
            found[name] = min(known)
    return found


def closed_to(
    names: Sequence[str],
    closed: Mapping[str, Closed],
    ages: Mapping[str, timedelta],
    record: SnapshotRecord,
    now: datetime,
) -> dict[str, Closed]:
    """Those of the metrics that are closed to one reader: by what is `closed` to everybody, or by how old its data may be for it."""
    found = {}
    for name in names:
        against = closed.get(name) or _too_old(record.published([name]), ages.get(name), now)
        if against is not None:
            found[name] = against
    return found


def closed_in_snapshot(
    names: Iterable[str], metrics: GovernedMetrics, record: SnapshotRecord
) -> dict[str, Closed]:
    """By metric, what closes it to everybody in a snapshot, whatever the time."""
    found = ((name, _closed_in(name, metrics, record)) for name in names)
    return {name: closed for name, closed in found if closed is not None}


def _closed_in(name: str, metrics: GovernedMetrics, record: SnapshotRecord) -> Closed | None:
    metric, state = metrics.catalog.metrics.get(name), record.metrics.get(name)
    reason = closed_because(metric, state)
    if reason is None:
        return None
    is_check = metric is not None and state is not None and state.state is not State.PASSING
    return Closed(
        gate=Gate.CHECK if is_check else Gate.DEFINITION,
        why=reason,
        since=_moment(state.closed_since) if state and is_check else None,
    )


def _too_old(published_at: datetime, within: timedelta | None, now: datetime) -> Closed | None:
    if within is None or now - published_at <= within:
        return None
    return Closed(
        gate=Gate.FRESHNESS,
        why=f"its data was published at {published_at:%Y-%m-%d %H:%M} UTC and may be read for {_words(within)}",
        since=published_at + within,
    )


def closed_outside(
    instance: DagsterInstance,
    graph: BaseAssetGraph[Any] | None,
    upstream: Upstream,
    names: Iterable[str],
    now: datetime,
) -> dict[str, Closed]:
    """By metric, what Dagster knows against it beside what its snapshot says: a freshness policy, or a blocking check of its own, on its asset or on
    one that it is made of. Three look-ups at most, however many metrics there are.
    """
    if graph is None:
        return {}
    wanted = {name: upstream.assets.get(name, ()) for name in names}
    policies, checks = _gated(graph, {key for keys in wanted.values() for key in keys}, upstream)
    if not policies and not checks:
        return {}
    asked = {*policies, *checks}
    made = {
        record.asset_entry.asset_key: record.asset_entry.last_materialization_record
        for record in instance.get_asset_records([*asked])
    }
    every = [check for some in checks.values() for check in some]
    executions = (
        instance.event_log_storage.get_latest_asset_check_execution_by_key(every) if every else {}
    )
    against: dict[dg.AssetKey, Closed] = {}
    for key in asked:
        latest = made.get(key)
        stale = _stale(key, policies.get(key), latest.timestamp if latest else None, now)
        failed = (
            _failed(check, executions.get(check), latest.storage_id if latest else 0)
            for check in checks.get(key, ())
        )
        closed = stale or next((item for item in failed if item), None)
        if closed is not None:
            against[key] = closed
    return {
        name: next(against[key] for key in keys if key in against)
        for name, keys in wanted.items()
        if not against.keys().isdisjoint(keys)
    }


def _gated(
    graph: BaseAssetGraph[Any], keys: Iterable[dg.AssetKey], upstream: Upstream
) -> tuple[dict[dg.AssetKey, dg.FreshnessPolicy], dict[dg.AssetKey, list[dg.AssetCheckKey]]]:
    """The freshness policies and the blocking checks of some assets, by asset."""
    wanted = {key for key in keys if graph.has(key)}
    policies = {
        key: policy
        for key in wanted
        if isinstance(policy := graph.get(key).freshness_policy, dg.FreshnessPolicy)
    }
    checks: dict[dg.AssetKey, list[dg.AssetCheckKey]] = {}
    for check in sorted(graph.asset_check_keys):
        if check.asset_key in wanted and check not in upstream.kept and graph.get(check).blocking:
            checks.setdefault(check.asset_key, []).append(check)
    return policies, checks


def _stale(
    key: dg.AssetKey, policy: dg.FreshnessPolicy | None, made: float | None, now: datetime
) -> Closed | None:
    """Whether an asset is older than its policy allows."""
    found = staleness(key, policy, made, now) if policy is not None else None
    return Closed(gate=Gate.FRESHNESS, why=found.why, since=found.since) if found else None


def _failed(
    check: dg.AssetCheckKey, record: AssetCheckExecutionRecord | None, made: int
) -> Closed | None:
    """Whether a blocking check did not pass on the newest materialization of its asset."""
    named = f"the check {check.name} on {check.asset_key.to_user_string()}"
    event = record.event if record else None
    evaluation = event.asset_check_evaluation if event else None
    if record is None or evaluation is None or event is None:
        return Closed(gate=Gate.CHECK, why=f"{named} has not run")
    at = datetime.fromtimestamp(event.timestamp, UTC)
    target = evaluation.target_materialization_data
    if made and (target.storage_id if target else 0) < made:
        return Closed(gate=Gate.CHECK, why=f"{named} has not run since it was made")
    is_passed = record.status is AssetCheckExecutionRecordStatus.SUCCEEDED
    if is_passed:
        return None
    # Executed again on the same data it has not failed again.
    return Closed(gate=Gate.CHECK, why=f"{named} failed", since=at, mark=f"{check} on {made}")


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _words(age: timedelta) -> str:
    seconds = age.total_seconds()
    for unit, length in _AGES:
        if seconds >= length:
            return f"{seconds / length:g} {unit}s"
    return f"{seconds:g} seconds"


def first_told(names: Sequence[str], closed: Mapping[str, Closed]) -> str | None:
    """The first of these metrics that is closed, and why; None where none is."""
    for name in names:
        if name in closed:
            return f"'{name}' may not be read: {closed[name].told}"
    return None
