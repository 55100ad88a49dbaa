"""One tick of the sensor that runs agents: a hundred agents over a thousand metrics, on a real Dagster instance and a real record.

Snapshots hold values that are made up and no data, since a tick reads none.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from dagster import DagsterInstance

from agent_resources.agent import AgentDefinition
from agent_resources.trigger import Trigger, ValueChanged
from benchmarks.data_sets.many_metrics import parse_many_metrics
from benchmarks.figure import Figure, timed_figure
from benchmarks.played_snapshots import have_run, put
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from benchmarks.timing import milliseconds
from orchestration_assets.agent_key import agent_asset_key
from orchestration_assets.sensors import evaluate
from orchestration_assets.triggers.look import WatchedAgent
from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.engines.embedded import embedded_engine
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.policy_file import load_policy
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import MetricState, SnapshotRecord, State
from semantic.watch import Points, Watch
from semantic.watch_measurement import seen_of

NAME = "ticking"
METRICS, AGENTS, OF_EACH, DAYS = 1_000, 100, 20, 35
TARGET_MS = 1_000
_ROUNDS = 9
_POLICY = """\
rules:
  - {permit: everybody reads everything, readers: ["*"], metrics: ["*"]}
"""


def run(setting: Setting) -> list[Figure]:
    folder = setting.scratch / NAME
    setting.console.print(f"Parsing a project of {METRICS:,} metrics ...")
    catalog = load_catalog(parse_many_metrics(folder / "project", METRICS))
    rounds = min(_ROUNDS, setting.rounds)
    try:
        figures = [
            figure
            for of_each in (OF_EACH, METRICS)
            for figure in _of_agents(catalog, folder / str(of_each), of_each, rounds)
        ]
    finally:
        shutil.rmtree(folder)
    setting.console.print(figures_table(f"A tick over {AGENTS} agents", figures))
    return figures


def _of_agents(catalog: Catalog, folder: Path, of_each: int, rounds: int) -> list[Figure]:
    """The figures for agents that may read so many metrics each."""
    folder.mkdir()
    (folder / "policy.yaml").write_text(_POLICY)
    (folder / "home").mkdir()
    with (
        DagsterInstance.local_temp(str(folder / "home")) as instance,
        _door(catalog, folder) as metrics,
    ):
        metrics.ledger.publish_policy(metrics.policy.hash, "", by="the benchmark", run_id=None)
        whole = _agents(catalog, of_each, Trigger(at_most_every_minutes=0))
        least = ValueChanged(metrics=tuple(catalog.metrics)[:1], at_least=Decimal(1))
        stages: list[tuple[str, Sequence[WatchedAgent], Callable[[int], bool]]] = [
            ("nothing changed", whole, lambda _: False),
            ("one metric changed", whole, lambda number: number == 0),
            ("every metric changed", whole, lambda _: True),
            ("every metric changed, by a threshold", _thresholds(whole, least), lambda _: True),
        ]
        return [
            _stage(instance, metrics, agents, is_changed, name, of_each, rounds)
            for name, agents, is_changed in stages
        ]


def _stage(
    instance: DagsterInstance,
    metrics: GovernedMetrics,
    agents: Sequence[WatchedAgent],
    is_changed: Callable[[int], bool],
    name: str,
    of_each: int,
    rounds: int,
) -> Figure:
    """A tick after the agents ran and then so much changed."""
    _publish(metrics, is_changed=lambda _: True)
    have_run(instance, metrics, agents, datetime.now(UTC))
    _publish(metrics, is_changed=is_changed)
    evaluate(instance, metrics, agents, [])
    asked: list[int] = []

    def tick() -> None:
        asked.append(len(evaluate(instance, metrics, agents, []).run_requests or ()))

    times = [milliseconds(tick) for _ in range(rounds)]
    figure = timed_figure(NAME, f"{of_each:,} metrics each: {name}", times, TARGET_MS)
    return replace(figure, details={**figure.details, "runs_asked_for": asked[-1]})


def _agents(catalog: Catalog, of_each: int, trigger: Trigger) -> list[WatchedAgent]:
    names = tuple(catalog.metrics)
    found = []
    for number in range(AGENTS):
        own = tuple(names[(number * OF_EACH + it) % len(names)] for it in range(of_each))
        definition = AgentDefinition(
            name=f"agent_{number}",
            description="Watches.",
            instructions="Watch.",
            metrics=own,
            trigger=trigger,
        )
        found.append(
            WatchedAgent(definition=definition, key=agent_asset_key(definition.name), readable=own)
        )
    return found


def _thresholds(agents: Sequence[WatchedAgent], when: ValueChanged) -> list[WatchedAgent]:
    """The same agents, each with a threshold on each of its metrics."""
    return [
        replace(
            agent,
            definition=agent.definition.model_copy(
                update={
                    "trigger": Trigger(
                        on=(when.model_copy(update={"metrics": agent.readable}),),
                        at_most_every_minutes=0,
                    )
                }
            ),
        )
        for agent in agents
    ]


def _door(catalog: Catalog, folder: Path) -> GovernedMetrics:
    return GovernedMetrics(
        catalog=catalog,
        policy=load_policy(folder / "policy.yaml"),
        ledger=Ledger.open(folder / "ledger.db"),
        snapshots=SnapshotStore(folder / "snapshots"),
        engine=embedded_engine,
        mask_key="0" * 64,
    )


def _publish(metrics: GovernedMetrics, *, is_changed: Callable[[int], bool]) -> None:
    """A new snapshot, in which some metrics have another value."""
    store = metrics.snapshots
    before = store.current() if store.current_version() else None
    number = len(store.versions()) + 1
    record = _record(metrics, before, number, is_changed)
    put(store, record)


def _record(
    metrics: GovernedMetrics,
    before: SnapshotRecord | None,
    number: int,
    is_changed: Callable[[int], bool],
) -> SnapshotRecord:
    version = f"v{number:06}"
    states: dict[str, MetricState] = {}
    watched: dict[str, Points] = {}
    for place, (name, metric) in enumerate(metrics.catalog.metrics.items()):
        old = before.metrics[name] if before else None
        moved = old is None or is_changed(place)
        states[name] = (
            MetricState(
                definition_hash=metric.definition_hash,
                state=State.PASSING,
                data_version=f"{number:032}",
                since=version,
            )
            if moved or old is None
            else old
        )
        for periods in (1, metric.scope.days):
            seen = seen_of(metrics.policy, "agent_0", Watch(metric=name, periods=periods), metric)
            if seen is None:
                continue
            points = before.watched.get(seen[1], {}) if before else {}
            watched[seen[1]] = (
                {(f"2024-01-{day:02}",): str(number * 10 + day) for day in range(1, periods + 1)}
                if moved
                else points
            )
    return SnapshotRecord(
        version=version,
        published_at=datetime.now(UTC),
        run_id=None,
        database="many_metrics",
        manifest_hash=metrics.catalog.manifest_hash,
        relations={},
        models={},
        metrics=states,
        watched=watched,
    )
