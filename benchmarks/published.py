"""A data set behind three doors over one snapshot, which differ in what they do with the record."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data_sets.data_set import DataSet
from benchmarks.door import POLICY, open_door, publish
from benchmarks.unkept import UnkeptLedger
from semantic.dbt_manifest import load_catalog
from semantic.engine import MetricEngine
from semantic.engines.metricflow import MetricFlowCompiler
from semantic.engines.simplifying import SimplifyingEngine
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.snapshot import SnapshotStore

UNKEPT, IN_MEMORY, DURABLE = "without ledger", "ledger in memory", "durable ledger"


@dataclass(frozen=True, kw_only=True)
class Published:
    """`doors` by what they do with the record. `metricflow` compiles as MetricFlow does by itself."""

    data_set: DataSet
    doors: Mapping[str, GovernedMetrics]
    metricflow: MetricEngine
    state: Path

    @property
    def durable(self) -> GovernedMetrics:
        return self.doors[DURABLE]

    @property
    def file(self) -> Path:
        """The DuckDB file that is read."""
        record = self.durable.snapshots.current()
        return self.state / record.version / f"{record.database}.duckdb"


@contextmanager
def published(
    data_set: DataSet, state: Path, *, policy_source: str = POLICY
) -> Iterator[Published]:
    """The data set, published once into the folder `state`."""
    catalog = load_catalog(data_set.target)
    metricflow, snapshots = MetricFlowCompiler(catalog), SnapshotStore(state)
    engine = SimplifyingEngine(metricflow)
    ledgers: dict[str, Any] = {
        UNKEPT: UnkeptLedger(),
        IN_MEMORY: Ledger.in_memory(),
        DURABLE: Ledger.open(state / "ledger.db"),
    }
    doors = {
        name: open_door(catalog, engine, ledger, snapshots, policy_source=policy_source)
        for name, ledger in ledgers.items()
    }
    try:
        publish(doors[IN_MEMORY], data_set.warehouse)
        yield Published(data_set=data_set, doors=doors, metricflow=metricflow, state=state)
    finally:
        for door in doors.values():
            door.close()
