"""A door that grants one reader everything, so that what is timed is the path and not a refusal."""

from pathlib import Path
from typing import Any

from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.engine import MetricEngine
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadContext
from semantic.measurement import measure
from semantic.policy import Reader
from semantic.policy_file import parse_policy, policy_text
from semantic.snapshot import SnapshotStore, StagedSnapshot
from semantic.snapshot_record import ModelState, SnapshotRecord, State

READER = Reader(name="bench")
POLICY = """
rules:
  - permit: everything
    readers: [refresh, bench]
    metrics: ["*"]
"""


def open_door(
    catalog: Catalog,
    engine: MetricEngine | None,
    ledger: Any,
    snapshots: SnapshotStore,
    *,
    policy_source: str = POLICY,
) -> GovernedMetrics:
    """A door with the policy published. Without an engine it makes MetricFlow's when the first query needs one."""
    policy = parse_policy(policy_source)
    ledger.publish_policy(policy.hash, policy_text(policy), by="bench", run_id=None)
    return GovernedMetrics(
        catalog=catalog,
        policy=policy,
        ledger=ledger,
        snapshots=snapshots,
        engine=(lambda _: engine) if engine else _metricflow,
        mask_key="bench",
    )


def open_durable(target: Path, state: Path) -> GovernedMetrics:
    """A door over the dbt artifacts in `target`, and over the snapshots and the durable ledger in `state`."""
    return open_door(
        load_catalog(target), None, Ledger.open(state / "ledger.db"), SnapshotStore(state)
    )


def measured(door: GovernedMetrics, staged: StagedSnapshot) -> SnapshotRecord:
    """The record of a staged snapshot whose models all pass."""
    passing = {node: ModelState(state=State.PASSING) for node in door.catalog.dbt_nodes}
    return measure(door, staged, passing, previous=None, context=ReadContext())


def publish(door: GovernedMetrics, warehouse: Path) -> None:
    """Publishes what dbt built."""
    with door.snapshots.stage(door.catalog, warehouse) as staged:
        staged.publish(measured(door, staged))


def _metricflow(catalog: Catalog) -> MetricEngine:
    from semantic.engines.embedded import embedded_engine

    return embedded_engine(catalog)
