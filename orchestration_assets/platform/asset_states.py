"""How the assets of a code location stand, as rows of the platform's table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from orchestration_assets.platform.run_facts import moment
from orchestration_assets.staleness import staleness
from semantic.platform.tables import AssetState

_HOUR = 3_600
_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How one asset stands: when it was last made, whether it is older than its freshness policy allows (None without one), and whether the last run that was to make it
    failed.
    """

    made: float | None
    is_stale: bool | None
    is_failed: bool
    failed_checks: int

    @property
    def unwell(self) -> str | None:
        """What is wrong with it, in words."""
        if self.is_failed:
            return "failed last"
        return "is stale" if self.is_stale else None


def standings(
    instance: DagsterInstance, graph: BaseAssetGraph[Any] | None, now: datetime
) -> dict[dg.AssetKey, Standing]:
    """By key, every asset of the code location that Dagster materializes."""
    if graph is None:
        return {}
    keys = sorted(graph.materializable_asset_keys)
    entries = {
        record.asset_entry.asset_key: record.asset_entry
        for record in instance.get_asset_records(keys)
    }
    last_runs = {
        entry.asset_key: entry.last_run_id
        for entry in entries.values()
        if entry.last_run_id
        and (
            entry.last_materialization is None
            or entry.last_materialization.run_id != entry.last_run_id
        )
    }
    failed = _failed_runs(instance, sorted(set(last_runs.values())))
    checks = _failed_checks(instance, sorted(graph.asset_check_keys))
    found = {}
    for key in keys:
        entry = entries.get(key)
        latest = entry.last_materialization_record if entry else None
        made = latest.timestamp if latest else None
        policy = graph.get(key).freshness_policy
        found[key] = Standing(
            made=made,
            is_stale=None
            if not isinstance(policy, dg.FreshnessPolicy)
            else staleness(key, policy, made, now) is not None,
            is_failed=last_runs.get(key) in failed,
            failed_checks=checks[key],
        )
    return found


def asset_states(
    graph: BaseAssetGraph[Any] | None, found: Mapping[dg.AssetKey, Standing], now: datetime
) -> list[AssetState]:
    """One row for each asset."""
    at = moment(now.timestamp())
    return [
        AssetState(
            asset=key.to_user_string(),
            asset_group=graph.get(key).group_name if graph is not None else None,
            freshness="no policy"
            if standing.is_stale is None
            else "stale"
            if standing.is_stale
            else "fresh",
            looked_at=at,
            age_hours=None
            if standing.made is None
            else round((now.timestamp() - standing.made) / _HOUR, 2),
            is_stale=int(bool(standing.is_stale)),
            failed_checks=standing.failed_checks,
        )
        for key, standing in found.items()
    ]


def _failed_runs(instance: DagsterInstance, run_ids: Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    for start in range(0, len(run_ids), _AT_ONCE):
        asked = dg.RunsFilter(
            run_ids=list(run_ids[start : start + _AT_ONCE]), statuses=[dg.DagsterRunStatus.FAILURE]
        )
        found |= {run.run_id for run in instance.get_runs(asked)}
    return frozenset(found)


def _failed_checks(
    instance: DagsterInstance, keys: Sequence[dg.AssetCheckKey]
) -> Counter[dg.AssetKey]:
    """By asset, how many of its checks failed last."""
    if not keys:
        return Counter()
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    return Counter(
        key.asset_key
        for key, execution in latest.items()
        if execution.status is AssetCheckExecutionRecordStatus.FAILED
    )
