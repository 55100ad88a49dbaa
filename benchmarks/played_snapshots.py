"""Snapshots without data, for what looks at values and reads none; and agents that have run on them."""

import json
from collections.abc import Sequence
from datetime import datetime

import dagster as dg
from dagster import DagsterInstance

from orchestration_assets.agent_materialization import BASIS
from orchestration_assets.triggers.look import Scene, WatchedAgent, look
from semantic.change_log import changes_between
from semantic.governed_metrics import GovernedMetrics
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import SnapshotRecord, record_to_json


def put(store: SnapshotStore, record: SnapshotRecord) -> None:
    """Makes a record the current one, with what it changed."""
    before = store.current() if store.current_version() else None
    store.changes.add(changes_between(before, record))
    folder = store.root / record.version
    folder.mkdir(parents=True)
    (folder / "snapshot.json").write_text(json.dumps(record_to_json(record)))
    (store.root / "CURRENT").write_text(record.version)


def have_run(
    instance: DagsterInstance,
    metrics: GovernedMetrics,
    agents: Sequence[WatchedAgent],
    at: datetime,
) -> None:
    """Each of these agents has run at a moment on the snapshot that stands."""
    scene = Scene(
        instance=instance, graph=None, metrics=metrics, record=metrics.snapshots.current(), now=at
    )
    for agent, sight in zip(agents, look(scene, agents, {}), strict=True):
        basis = sight.basis.written()
        instance.report_runless_asset_event(
            dg.AssetMaterialization(asset_key=agent.key, metadata={BASIS: basis})
        )
