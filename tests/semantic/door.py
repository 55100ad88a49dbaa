"""Doors over the corner shop, put together from the real parts as a deployment would."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from semantic.answer import MetricAnswer, Refusal
from semantic.catalog import Catalog
from semantic.engine import CompileRequest, MetricEngine
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadContext
from semantic.measurement import measure
from semantic.metric import Dimension
from semantic.open_snapshot import Fetched, OpenSnapshot, QueryLimits
from semantic.policy import Reader
from semantic.policy_check import check_policy
from semantic.policy_file import parse_policy, policy_text
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import MetricState, ModelState, SnapshotRecord, State

POLICY = """
readers:
  north: {customer: [1, 3]}
rules:
  - permit: the refresh measures every metric
    readers: [refresh]
    metrics: "*"
  - permit: the boss reads everything, names and addresses too
    readers: [boss]
    metrics: "*"
    dimensions: ["*", customer__full_name, customer__email]
  - permit: analysts read orders and money
    readers: ["analyst_*"]
    metrics: [orders, revenue, average_order, revenue_running]
  - permit: north reads everything
    readers: [north]
    metrics: "*"
    dimensions: ["*", customer__full_name]
  - restrict: north sees its own customers, and no name
    readers: [north]
    metrics: "*"
    rows: {customer: "{customer}"}
    masks: {customer__full_name: hash}
"""

# What answers take is no matter of most tests, on whatever machine they run.
PATIENT = QueryLimits(seconds=600)
BOSS = Reader(name="boss")
ANALYST = Reader(name="analyst_mo")
NORTH = Reader(name="north")
NOBODY = Reader(name="nobody")


class RememberingEngine:
    """A `MetricEngine` that asks another once per question, so that many doors share its work."""

    def __init__(self, engine: MetricEngine) -> None:
        self._engine = engine
        self._compiled: dict[CompileRequest, str] = {}

    def dimensions(self, metrics: Any) -> Mapping[str, Dimension]:
        return self._engine.dimensions(metrics)

    def compile(self, request: CompileRequest) -> str:
        if request not in self._compiled:
            self._compiled[request] = self._engine.compile(request)
        return self._compiled[request]


class WatchedSnapshot(OpenSnapshot):
    """A snapshot that notes each statement it is asked to run, with its parameters."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, limits=PATIENT)
        self.executed: list[tuple[str, dict[str, Any]]] = []

    def execute(self, sql: str, parameters: Mapping[str, Any], limit: int) -> Fetched:
        self.executed.append((sql, dict(parameters)))
        return super().execute(sql, parameters, limit)


def build_door(
    catalog: Catalog,
    engine: MetricEngine,
    snapshots: SnapshotStore,
    ledger: Ledger,
    *,
    policy: str = POLICY,
    now: Callable[[], datetime] | None = None,
) -> GovernedMetrics:
    """A door whose policy is checked and published."""
    parsed = parse_policy(policy)
    check_policy(parsed, catalog)
    ledger.publish_policy(parsed.hash, policy_text(parsed), by="tests", run_id=None)
    return GovernedMetrics(
        catalog=catalog,
        policy=parsed,
        ledger=ledger,
        snapshots=snapshots,
        engine=lambda _: engine,
        mask_key="a key of the tests",
        now=now,
    )


def answer(door: GovernedMetrics, reader: Reader = BOSS, **query: Any) -> MetricAnswer:
    answered = door.query(query, reader=reader)
    assert isinstance(answered, MetricAnswer), answered
    return answered


def refusal(door: GovernedMetrics, reader: Reader = BOSS, **query: Any) -> Refusal:
    refused = door.query(query, reader=reader)
    assert isinstance(refused, Refusal), refused
    return refused


def publish(
    door: GovernedMetrics,
    warehouse: Path,
    *,
    models: Mapping[str, ModelState] | None = None,
    readers: tuple[str, ...] = (),
    run_id: str = "run-of-the-refresh",
) -> SnapshotRecord:
    """Measures the warehouse as it is now and publishes it as the next version."""
    store = door.snapshots
    previous = store.current() if store.current_version() else None
    with store.stage(door.catalog, warehouse) as staged:
        record = measure(
            door,
            staged,
            all_passing(door.catalog) | dict(models or {}),
            previous=previous,
            watches=dict.fromkeys(readers, ()),
            context=ReadContext(run_id=run_id),
        )
        staged.publish(record)
    return record


def publish_unmeasured(store: SnapshotStore, catalog: Catalog, warehouse: Path) -> SnapshotRecord:
    """Publishes the warehouse with every metric passing and none measured, for tests of answers only."""
    states = {
        name: MetricState(definition_hash=metric.definition_hash, state=State.PASSING)
        for name, metric in catalog.metrics.items()
    }
    with store.stage(catalog, warehouse) as staged:
        record = staged.unmeasured(all_passing(catalog), states, None)
        staged.publish(record)
    return record


def all_passing(catalog: Catalog) -> dict[str, ModelState]:
    return {unique_id: ModelState(state=State.PASSING) for unique_id in catalog.dbt_nodes}


def snapshot_file(store: SnapshotStore, record: SnapshotRecord) -> Path:
    return store.root / record.version / f"{record.database}.duckdb"
