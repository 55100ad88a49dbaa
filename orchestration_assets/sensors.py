"""When agents run: a sensor that compares what an agent may read now with what its last run was based on.

It keeps nothing of its own. The current snapshot says which version of each value stands, and since when; the agent's last
materialization says which versions it ran on. So nothing is lost over a restart, a reload or a missed tick, and a value that comes
back to what it was counts as a new one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from agent_resources.agent import AgentDefinition
from agent_resources.agent_resource import registered
from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.agent_assets import (
    AgentHistory,
    Basis,
    closed_gate,
    read_basis,
    read_histories,
)
from orchestration_assets.definitions_check import changed_meanings, report_changed_meanings
from orchestration_assets.in_progress import assets_in_progress, unfinished_runs
from orchestration_assets.read_events import AGENT_TAG, ran_tag
from orchestration_assets.runs_again import asked_again
from semantic.errors import GovernedMetricsError, SnapshotUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.ledger.acknowledgements import acknowledged_meanings
from semantic.ledger.recalls import Recall
from semantic.snapshot_record import SnapshotRecord

DEFAULT_INTERVAL_SECONDS = 30
_RUN_KEY_TAG = "dagster/run_key"
_UNCHANGED = "no value that it may read has changed"


@dataclass(frozen=True, kw_only=True)
class WatchedAgent:
    """An agent that a sensor may run: its definition, its asset, and the metrics that it may read."""

    definition: AgentDefinition
    key: dg.AssetKey
    readable: tuple[str, ...]


def build_agent_sensor(
    agents: Sequence[WatchedAgent],
    *,
    name: str = "agents_on_changed_values",
    resource_key: str = "governed_metrics",
    upstream: Sequence[dg.AssetKey] = (),
    minimum_interval_seconds: int = DEFAULT_INTERVAL_SECONDS,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """A sensor that runs each agent when a value that it may read, over the rows that it sees, has changed.

    Never behind a check that did not pass; at most every N minutes per agent, as its trigger says; not while a run of the agent
    or of `upstream` (the snapshot and its metrics) goes on. A run that failed, or ended at a limit, is not asked for again until a value changes.
    """

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*(agent.key for agent in agents)),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        required_resource_keys={resource_key},
        description="Runs an agent when a value that it may read has changed.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        try:
            with resource.open(context.instance) as metrics:
                return evaluate(context.instance, metrics, agents, upstream)
        except GovernedMetricsError as error:
            return dg.SensorResult(skip_reason=str(error))

    return sensor


@dataclass(frozen=True, kw_only=True)
class _Due:
    """An agent for which values have changed, the key that stands for these values, and its past."""

    agent: WatchedAgent
    changed: tuple[str, ...]
    run_key: str
    history: AgentHistory


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """Runs of agents that are due: those that were asked for by key, and the last one of each by its id."""

    by_key: Mapping[str, dg.DagsterRun]
    by_id: Mapping[str, dg.RunRecord]


def evaluate(
    instance: DagsterInstance,
    metrics: GovernedMetrics,
    agents: Sequence[WatchedAgent],
    upstream: Sequence[dg.AssetKey],
    *,
    now: datetime | None = None,
) -> dg.SensorResult:
    """One tick: the runs to ask for, and for every other agent why not. The number of look-ups does not grow with the agents.

    `now` is the door's unless another is given.
    """
    _register(metrics.ledger, agents)
    if metrics.ledger.current_policy_hash() != metrics.policy.hash:
        return dg.SensorResult(
            skip_reason="The policy of this code location is not the published one; materialize governed_snapshot"
        )
    try:
        record = metrics.snapshots.current()
    except SnapshotUnavailable as error:
        return dg.SensorResult(skip_reason=str(error))
    keys = [agent.key for agent in agents]
    unfinished = unfinished_runs(instance)
    going_on = assets_in_progress(instance, unfinished, [*upstream, *keys])
    if not going_on.isdisjoint(upstream):
        return dg.SensorResult(skip_reason="The snapshot or its metrics are being refreshed")
    histories = read_histories(instance, keys)
    _tell_changed_meanings(instance, metrics.ledger, record, agents, histories)
    again = asked_again(metrics.ledger, record)
    considered = [
        _consider(
            metrics, record, agent, histories.get(agent.key), again.get(agent.definition.name)
        )
        for agent in agents
    ]
    runs = _read_runs(instance, [item for item in considered if isinstance(item, _Due)])
    moment = now or metrics.now()
    outcomes = [
        _request(item, runs, going_on, moment) if isinstance(item, _Due) else item
        for item in considered
    ]
    requests = [item for item in outcomes if isinstance(item, dg.RunRequest)]
    if requests:
        return dg.SensorResult(run_requests=requests)
    reasons = [
        f"{agent.definition.name}: {why}" for agent, why in zip(agents, outcomes, strict=True)
    ]
    return dg.SensorResult(skip_reason="\n".join(reasons) or "no agents")


def _register(ledger: Ledger, agents: Iterable[WatchedAgent]) -> None:
    """Keeps the newest definitions in the registry, so that the next snapshot measures what each agent sees."""
    known = ledger.registered_agents()
    for agent in agents:
        definition = agent.definition
        wanted = registered(definition)
        if known.get(definition.name) != wanted:
            ledger.register_agent(definition.name, definition.hash, wanted)


def _tell_changed_meanings(
    instance: DagsterInstance,
    ledger: Ledger,
    record: SnapshotRecord,
    agents: Sequence[WatchedAgent],
    histories: Mapping[dg.AssetKey, AgentHistory],
) -> None:
    """Has the check `definitions_current` fail on agents of which a metric means something else than when they last did their task."""
    known = acknowledged_meanings(ledger)
    changed = {
        agent.key: changed_meanings(
            histories[agent.key].handled, record, known.get(agent.definition.name, {})
        )
        for agent in agents
        if agent.key in histories
    }
    report_changed_meanings(instance, changed, record)


def _consider(
    metrics: GovernedMetrics,
    record: SnapshotRecord,
    agent: WatchedAgent,
    history: AgentHistory | None,
    again: Recall | None,
) -> _Due | str:
    """Whether the values that this agent may read call for a run, or a recall does, or why not."""
    definition = agent.definition
    if definition.trigger.on == "never" and again is None:
        return "has no trigger"
    if not agent.readable:
        return "is granted nothing that it asks for"
    closed = closed_gate(agent.readable, metrics, record)
    if closed is not None:
        return closed
    if again is not None:
        return _Due(
            agent=agent,
            changed=again.wrong.metrics,
            run_key=f"{definition.name}-again-{again.recall_id}",
            history=history or AgentHistory(handled=None, last_run_id=None),
        )
    handled = history.handled if history else None
    if handled and _is_of(record, agent.readable, handled):
        return _UNCHANGED
    basis = read_basis(definition.reader, agent.readable, metrics, record)
    changed = changed_metrics(basis, handled["versions"] if handled else None)
    if not changed:
        return _UNCHANGED
    return _Due(
        agent=agent,
        changed=changed,
        run_key=_run_key(definition.name, basis),
        history=history or AgentHistory(handled=None, last_run_id=None),
    )


def _read_runs(instance: DagsterInstance, due: Sequence[_Due]) -> _Runs:
    keys = [item.run_key for item in due]
    ids = [item.history.last_run_id for item in due if item.history.last_run_id]
    asked = instance.get_run_records(dg.RunsFilter(tags={_RUN_KEY_TAG: keys})) if keys else ()
    last = instance.get_run_records(dg.RunsFilter(run_ids=ids)) if ids else ()
    return _Runs(
        by_key={record.dagster_run.tags[_RUN_KEY_TAG]: record.dagster_run for record in asked},
        by_id={record.dagster_run.run_id: record for record in last},
    )


def _request(
    due: _Due, runs: _Runs, going_on: frozenset[dg.AssetKey], now: datetime
) -> dg.RunRequest | str:
    """A request for a run of an agent whose values have changed, or why it does not run yet."""
    definition = due.agent.definition
    last = runs.by_id.get(due.history.last_run_id or "")
    if due.agent.key in going_on or (last and not last.dagster_run.is_finished):
        return "a run of it goes on"
    earlier = runs.by_key.get(due.run_key)
    if earlier is not None:
        is_limited = earlier.run_id == due.history.limited_run_id
        ended = "at a limit" if is_limited else f"as {earlier.status.value}"
        return f"run {earlier.run_id[:8]} for these values ended {ended}"
    minutes = definition.trigger.at_most_every_minutes
    if last and last.create_timestamp + timedelta(minutes=minutes) > now:
        return f"{len(due.changed)} values changed; it ran less than {minutes:g} minutes ago"
    return dg.RunRequest(
        run_key=due.run_key,
        asset_selection=[due.agent.key],
        tags={
            AGENT_TAG: definition.name,
            ran_tag(definition.name): "started",
            "governed_agents/because": _because(due.changed),
        },
    )


def changed_metrics(
    basis: Basis, handled: Mapping[str, Sequence[str | None]] | None
) -> tuple[str, ...]:
    """The metrics whose version, over the rows the agent sees, is not the one its last run was based on."""
    if handled is None:
        return tuple(basis.versions)
    return tuple(
        name for name, pair in basis.versions.items() if not _same(pair, handled.get(name))
    )


def _is_of(record: SnapshotRecord, readable: Sequence[str], handled: Mapping[str, Any]) -> bool:
    """Whether a basis was taken from just this snapshot, for all of these metrics: then nothing can have changed."""
    return bool(handled["snapshot"] == record.version) and handled["versions"].keys() >= {*readable}


def _same(now: tuple[str, str | None], before: Sequence[str | None] | None) -> bool:
    if before is None:
        return False
    if now[1] is not None and before[1] is not None:
        return now[1] == before[1]
    return now[0] == before[0]


def _run_key(agent: str, basis: Basis) -> str:
    """The same for the same standing values, over the rows that the agent sees. `since` makes a value that came back a
    new one.
    """
    standing = [
        [name, as_read or whole, basis.since[name]]
        for name, (whole, as_read) in sorted(basis.versions.items())
    ]
    return f"{agent}-{hashlib.sha256(json.dumps(standing).encode()).hexdigest()[:24]}"


def _because(changed: Sequence[str]) -> str:
    """The changed metrics as a tag value: what fits into 63 characters."""
    text = "_".join(changed)
    return text if len(text) <= 63 else f"{len(changed)}_values_changed"
