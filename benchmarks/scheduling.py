"""A month of hourly values from the real flights, played into what may run the demonstration's agents: how often each would have them run, and the tokens of that.

The clock of each play is that of the month. Nothing is built: each hour is a snapshot of values that are worked out beforehand. The triggers and Dagster's own condition decide for
real, on an instance and a record of their own.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance

from agent_resources.agent_file import load_agent
from agent_resources.agent_run import AgentRun
from agent_resources.models import resolve_model
from agent_resources.recorded_model import PricedModel
from agent_resources.runner import run_agent
from agent_resources.trigger import Cron, Level, Trigger, ValueChanged
from benchmarks.data_sets.flights import build_flights
from benchmarks.door import open_door, publish
from benchmarks.figure import Figure
from benchmarks.hourly_flights import Hour, hours_of
from benchmarks.played_snapshots import have_run, put
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from orchestration_assets.agent_assets import readable_names
from orchestration_assets.agent_key import agent_asset_key
from orchestration_assets.sensors import evaluate
from orchestration_assets.triggers.look import WatchedAgent
from semantic.dbt_manifest import load_catalog
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadContext
from semantic.policy import Permit
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import (
    MetricState,
    SnapshotRecord,
    State,
    VersionAsRead,
)
from semantic.time_range import TimeUnit
from semantic.watch import Points, Watch
from semantic.watch_measurement import seen_of

NAME = "scheduling"
FIRST, DAYS = datetime(2013, 2, 1, tzinfo=UTC), 28
DEFS = Path(__file__).parents[1] / "orchestration_assets" / "defs"
DATA = Path(__file__).parents[1] / "dbt_project" / "data"
Play = Callable[[Sequence[Hour], Path], Counter[str]]


def run(setting: Setting) -> list[Figure]:
    folder = setting.scratch / NAME
    folder.mkdir()
    try:
        setting.console.print("Having each agent of the demonstration run once ...")
        flights = build_flights(setting.data)
        tokens = _tokens_of_runs(flights.target, flights.warehouse, folder / "once")
        hours = list(hours_of(DATA, FIRST.replace(tzinfo=None), DAYS))
        figures = []
        for number, (name, play) in enumerate(_plays(flights.target).items()):
            setting.console.print(f"Playing {len(hours)} hours: {name} ...")
            figures += _figures(name, play(hours, folder / str(number)), tokens)
    finally:
        shutil.rmtree(folder)
    setting.console.print(
        figures_table(f"{FIRST:%B %Y}, {len(hours)} hours, {len(tokens)} agents", figures)
    )
    return figures


def _figures(name: str, runs: Counter[str], tokens: Mapping[str, int]) -> list[Figure]:
    total = sum(count * tokens[agent] for agent, count in runs.items())
    details = {"by_agent": dict(runs), "tokens_of_a_run": dict(tokens)}
    return [
        Figure(
            benchmark=NAME,
            name=f"{name}: model runs",
            value=runs.total(),
            unit="runs",
            details=details,
        ),
        Figure(benchmark=NAME, name=f"{name}: tokens", value=total, unit="tokens"),
    ]


def _tokens_of_runs(target: Path, warehouse: Path, state: Path) -> dict[str, int]:
    """By agent, the tokens of one run of its script on the flights of the year, as pydantic-ai estimates them for a script."""
    state.mkdir()
    door = open_door(
        load_catalog(target),
        None,
        Ledger.open(state / "ledger.db"),
        SnapshotStore(state / "snapshots"),
        policy_source=(DEFS / "policy.yaml").read_text(),
    )
    publish(door, warehouse)
    found = {}
    for path in sorted((DEFS / "agents").glob("*.yaml")):
        if path.stem == "defs":
            continue
        definition = load_agent(path)
        model = resolve_model(str(definition.model))
        priced = PricedModel(model=model, price=None)
        ran = run_agent(definition, (priced,), door, ReadContext(run_id=path.stem))
        if not isinstance(ran, AgentRun):
            raise TypeError(f"{definition.name} came to no decision")
        found[definition.name] = ran.usage.input_tokens + ran.usage.output_tokens
    door.close()
    return found


@dataclass(frozen=True, kw_only=True)
class _Triggers:
    """The agents of the demonstration with triggers in place of their own."""

    target: Path
    triggers: Callable[[str], Trigger]

    def __call__(self, hours: Sequence[Hour], folder: Path) -> Counter[str]:
        folder.mkdir()
        (folder / "home").mkdir()
        runs: Counter[str] = Counter()
        with (
            DagsterInstance.local_temp(str(folder / "home")) as instance,
            open_door(
                load_catalog(self.target),
                None,
                Ledger.open(folder / "ledger.db"),
                SnapshotStore(folder / "snapshots"),
                policy_source=(DEFS / "policy.yaml").read_text(),
            ) as metrics,
        ):
            agents = list(_watched(metrics, self.triggers).values())
            for number, hour in enumerate(hours):
                at = hour.at.replace(tzinfo=UTC)
                _publish(metrics, agents, hour, number + 1)
                if number == 0:
                    due = agents
                else:
                    asked = evaluate(instance, metrics, agents, [], now=at).run_requests or ()
                    keys = {key for it in asked for key in it.asset_selection or ()}
                    due = [agent for agent in agents if agent.key in keys]
                    runs.update(agent.definition.name for agent in due)
                have_run(instance, metrics, due, at)
        return runs


def _watched(
    metrics: GovernedMetrics, triggers: Callable[[str], Trigger]
) -> dict[str, WatchedAgent]:
    found = {}
    for path in sorted((DEFS / "agents").glob("*.yaml")):
        if path.stem == "defs":
            continue
        definition = load_agent(path)
        definition = definition.model_copy(update={"trigger": triggers(definition.name)})
        found[definition.name] = WatchedAgent(
            definition=definition,
            key=agent_asset_key(definition.name),
            readable=readable_names(definition, metrics.policy, metrics.catalog),
        )
    return found


def _any_upstream(target: Path) -> Play:
    """Dagster's own condition: an agent runs when any metric above it was materialized, as each is in every hour in which dbt has built."""

    def play(hours: Sequence[Hour], folder: Path) -> Counter[str]:
        folder.mkdir()
        runs: Counter[str] = Counter()
        with open_door(
            load_catalog(target),
            None,
            Ledger.open(folder / "ledger.db"),
            SnapshotStore(folder / "snapshots"),
            policy_source=(DEFS / "policy.yaml").read_text(),
        ) as metrics:
            agents = _watched(metrics, lambda _: Trigger())
        read = sorted({name for agent in agents.values() for name in agent.readable})
        definitions = dg.Definitions(
            assets=[
                *(dg.AssetSpec(["metrics", name]) for name in read),
                *(_conditioned(agent) for agent in agents.values()),
            ]
        )
        with DagsterInstance.local_temp(str(folder)) as instance:
            cursor = None
            for number, _ in enumerate(hours):
                for name in read:
                    instance.report_runless_asset_event(dg.AssetMaterialization(["metrics", name]))
                result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
                cursor = result.cursor
                for agent in agents.values():
                    if result.get_num_requested(agent.key):
                        runs[agent.definition.name] += number > 0
                        instance.report_runless_asset_event(dg.AssetMaterialization(agent.key))
        return runs

    return play


def _conditioned(agent: WatchedAgent) -> dg.AssetsDefinition:
    @dg.asset(
        key=agent.key,
        deps=[["metrics", name] for name in agent.readable],
        automation_condition=dg.AutomationCondition.any_deps_updated(),
    )
    def conditioned() -> None:
        """Is asked for, and never run."""

    return conditioned


def _plays(target: Path) -> dict[str, Play]:
    hourly = Trigger(on=(Cron(at="0 * * * *"),), at_most_every_minutes=0)
    anything = Trigger(at_most_every_minutes=0)
    return {
        "cron, every hour": _Triggers(target=target, triggers=lambda _: hourly),
        "any upstream materialized": _any_upstream(target),
        "any value changed": _Triggers(target=target, triggers=lambda _: anything),
        "value changed, by thresholds": _Triggers(target=target, triggers=_thresholds),
    }


def _thresholds(agent: str) -> Trigger:
    """What a team might want: one flight in twenty cancelled, or a quarter of an hour later on average; of the planner a tenth more flown."""
    if agent == "network_planner":
        by = ValueChanged(metrics=("distance_flown_miles",), at_least_percent=Decimal(10))
        return Trigger(on=(by,), at_most_every_minutes=0)
    crossed = ValueChanged(metrics=("cancellation_rate",), crosses=Level(level=Decimal("0.05")))
    later = ValueChanged(metrics=("average_arrival_delay",), at_least=Decimal(15))
    return Trigger(on=(crossed, later), at_most_every_minutes=0)


def _publish(
    metrics: GovernedMetrics, agents: Sequence[WatchedAgent], hour: Hour, number: int
) -> None:
    """The snapshot of an hour: versions and watched figures of what stands then."""
    store = metrics.snapshots
    before = store.current() if store.current_version() else None
    record = _record(metrics, agents, hour, number, before)
    put(store, record)


def _record(
    metrics: GovernedMetrics,
    agents: Sequence[WatchedAgent],
    hour: Hour,
    number: int,
    before: SnapshotRecord | None,
) -> SnapshotRecord:
    version = f"v{number:06}"
    states: dict[str, MetricState] = {}
    as_read: dict[str, dict[str, VersionAsRead]] = {}
    watched: dict[str, Points] = {}
    for name in sorted({name for agent in agents for name in agent.readable}):
        metric = metrics.catalog.metrics[name]
        old = before.metrics.get(name) if before else None
        digest = _digest(hour.values[None].get(name, {}))
        states[name] = MetricState(
            definition_hash=metric.definition_hash,
            state=State.PASSING,
            data_version=digest,
            since=old.since if old and old.data_version == digest else version,
        )
    for agent in agents:
        for name in agent.readable:
            metric = metrics.catalog.metrics[name]
            permit = metrics.policy.decide(agent.definition.reader, metric)
            if not isinstance(permit, Permit):
                continue
            values = hour.values.get(_carrier(agent) if permit.rows else None, {}).get(name, {})
            if permit.rows:
                was = (before.as_read if before else {}).get(permit.rows_key, {}).get(name)
                digest = _digest(values)
                stands = was is not None and was.data_version == digest
                as_read.setdefault(permit.rows_key, {})[name] = VersionAsRead(
                    data_version=digest, since=was.since if was and stands else version
                )
            for watch in _watches(agent, name, metric.scope.days):
                seen = seen_of(metrics.policy, agent.definition.name, watch, metric)
                if seen is not None:
                    watched[seen[1]] = _points(values, watch.periods)
    return SnapshotRecord(
        version=version,
        published_at=hour.at.replace(tzinfo=UTC),
        run_id=None,
        database="nyc_flights",
        manifest_hash=metrics.catalog.manifest_hash,
        relations={},
        models={},
        metrics=states,
        as_read=as_read,
        watched=watched,
    )


def _digest(values: Mapping[str, str]) -> str:
    """The version of values of which only those of the newest two days can change."""
    newest = dict(sorted(values.items())[-2:])
    return hashlib.sha256(json.dumps(newest).encode()).hexdigest()[:32]


def _points(values: Mapping[str, str], periods: int) -> Points:
    return {(day,): value for day, value in sorted(values.items())[-periods:]}


def _watches(agent: WatchedAgent, name: str, days: int) -> list[Watch]:
    own = [it for it in agent.definition.trigger.watches() if it.metric == name]
    return [Watch(metric=name, grain=TimeUnit.DAY, periods=days), *own]


def _carrier(agent: WatchedAgent) -> str:
    return agent.definition.name.removeprefix("analyst_").upper()
