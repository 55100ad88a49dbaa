"""All that Dagster's instance tells of itself, at one moment."""

from datetime import timedelta
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from orchestration_assets.platform.asset_states import asset_states, standings
from orchestration_assets.platform.ended_runs import ended_runs
from orchestration_assets.platform.failures import failures
from orchestration_assets.platform.run_facts import REFRESH_TAG
from orchestration_assets.platform.waiting_runs import waiting_runs
from semantic.governed_metrics import GovernedMetrics
from semantic.platform.tables import PlatformTables

_WINDOW = timedelta(days=90)
_MOST_RUNS = 20_000
_MOST_FAILED = 200


def read_platform_tables(
    instance: DagsterInstance, graph: BaseAssetGraph[Any] | None, metrics: GovernedMetrics
) -> PlatformTables:
    """The runs of the last 90 days (20,000 at most), what failed in the newest 200 that did, the assets of the code location, and the runs that have not ended. Without the runs
    that publish just this. A failure that was told before is told as it was then. Raises `LedgerUnavailable`.
    """
    now = metrics.now()
    records = [
        record
        for record in instance.get_run_records(
            dg.RunsFilter(created_after=now - _WINDOW), limit=_MOST_RUNS
        )
        if REFRESH_TAG not in record.dagster_run.tags
    ]
    found = standings(instance, graph, now)
    return PlatformTables(
        runs=ended_runs(records, metrics.ledger),
        failures=failures(
            instance,
            graph,
            records,
            found,
            known=metrics.snapshots.known_failures(),
            most=_MOST_FAILED,
        ),
        assets=asset_states(graph, found, now),
        waiting_runs=waiting_runs(instance, now),
    )
