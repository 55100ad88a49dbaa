"""Which runs have not ended, and which assets they make."""

from collections.abc import Iterable, Sequence

import dagster as dg
from dagster import DagsterInstance

NOT_ENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.MANAGED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def unfinished_runs(instance: DagsterInstance) -> Sequence[dg.DagsterRun]:
    """The runs that have not ended, those that wait in the queue included."""
    return instance.get_runs(dg.RunsFilter(statuses=NOT_ENDED))


def assets_in_progress(
    instance: DagsterInstance, runs: Iterable[dg.DagsterRun], keys: Sequence[dg.AssetKey]
) -> frozenset[dg.AssetKey]:
    """Those of `keys` that these runs make or check.

    The run of a whole job names no assets; there the assets name the run that is to make them next.
    """
    named: set[dg.AssetKey] = set()
    unnamed: set[str] = set()
    for run in runs:
        checked = {check.asset_key for check in run.asset_check_selection or ()}
        named |= checked | set(run.asset_selection or ())
        if run.asset_selection is None:
            unnamed.add(run.run_id)
    if unnamed:
        named |= {
            record.asset_entry.asset_key
            for record in instance.get_asset_records(keys)
            if record.asset_entry.last_run_id in unnamed
        }
    return frozenset(named & set(keys))
