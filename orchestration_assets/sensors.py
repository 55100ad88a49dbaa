"""When agents run: a sensor that compares what an agent may read now with what its last run was based on.

It keeps nothing of its own. The current snapshot says which version of each value stands, and since when; the agent's last
materialization says which versions it ran on. So nothing is lost over a restart, a reload or a missed tick, and a value that comes
back to what it was counts as a new one.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from agent_resources.agent import AgentDefinition
from agent_resources.agent_resource import registered
from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.agent_assets import BASIS, Basis, read_basis
from orchestration_assets.lineage import AGENT_TAG, ran_tag
from orchestration_assets.metric_assets import closed_because
from semantic.errors import GovernedMetricsError, SnapshotUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.snapshot import SnapshotRecord

DEFAULT_INTERVAL_SECONDS = 30
_RUN_KEY_TAG = "dagster/run_key"
_NOT_FINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.MANAGED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


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
    or of `upstream` (the snapshot and its metrics) goes on. A run that failed is not asked for again until a value changes.
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


def evaluate(
    instance: DagsterInstance,
    metrics: GovernedMetrics,
    agents: Sequence[WatchedAgent],
    upstream: Sequence[dg.AssetKey],
) -> dg.SensorResult:
    """One tick: the runs to ask for, and for every other agent why not."""
    for agent in agents:
        definition = agent.definition
        metrics.ledger.register_agent(definition.name, definition.hash, registered(definition))
    try:
        record = metrics.snapshots.current()
    except SnapshotUnavailable as error:
        return dg.SensorResult(skip_reason=str(error))
    going_on = assets_in_progress(instance)
    if any(key in going_on for key in upstream):
        return dg.SensorResult(skip_reason="The snapshot or its metrics are being refreshed")
    handled = _handled(instance, [agent.key for agent in agents])
    requests: list[dg.RunRequest] = []
    reasons: list[str] = []
    for agent in agents:
        outcome = _consider(instance, metrics, record, agent, handled.get(agent.key), going_on)
        if isinstance(outcome, dg.RunRequest):
            requests.append(outcome)
        else:
            reasons.append(f"{agent.definition.name}: {outcome}")
    return dg.SensorResult(
        run_requests=requests, skip_reason=None if requests else "\n".join(reasons) or "no agents"
    )


def _consider(
    instance: DagsterInstance,
    metrics: GovernedMetrics,
    record: SnapshotRecord,
    agent: WatchedAgent,
    handled: Mapping[str, Sequence[str | None]] | None,
    going_on: frozenset[dg.AssetKey],
) -> dg.RunRequest | str:
    """A request for a run of this agent, or why it does not run."""
    definition = agent.definition
    if definition.trigger.on == "never":
        return "has no trigger"
    if not agent.readable:
        return "is granted nothing that it asks for"
    for name in agent.readable:
        reason = closed_because(metrics.catalog.metrics[name], record.metrics.get(name))
        if reason is not None:
            return f"'{name}' may not be read: {reason}"
    basis = read_basis(definition.reader, agent.readable, metrics, record)
    changed = changed_metrics(basis, handled)
    if not changed:
        return "no value that it may read has changed"
    if agent.key in going_on or _latest_run(
        instance, {ran_tag(definition.name): "started"}, statuses=_NOT_FINISHED
    ):
        return "a run of it goes on"
    run_key = _run_key(definition.name, basis)
    earlier = _latest_run(instance, {_RUN_KEY_TAG: run_key})
    if earlier is not None:
        return f"run {earlier.dagster_run.run_id[:8]} for these values ended as {earlier.dagster_run.status.value}"
    wait = _seconds_to_wait(instance, definition)
    if wait > 0:
        return f"{len(changed)} values changed; it ran less than {definition.trigger.at_most_every_minutes:g} minutes ago"
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[agent.key],
        tags={
            AGENT_TAG: definition.name,
            ran_tag(definition.name): "started",
            "governed_agents/because": _because(changed),
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


def _same(now: tuple[str, str | None], before: Sequence[str | None] | None) -> bool:
    if before is None:
        return False
    if now[1] is not None and before[1] is not None:
        return now[1] == before[1]
    return now[0] == before[0]


def _handled(
    instance: DagsterInstance, keys: Sequence[dg.AssetKey]
) -> dict[dg.AssetKey, Mapping[str, Sequence[str | None]]]:
    """By agent, the versions that its last materialization was based on."""
    found: dict[dg.AssetKey, Mapping[str, Sequence[str | None]]] = {}
    for record in instance.get_asset_records(list(keys)):
        latest = record.asset_entry.last_materialization
        materialization = latest.asset_materialization if latest else None
        metadata = materialization.metadata if materialization else {}
        if BASIS in metadata:
            basis: Any = metadata[BASIS].value
            found[record.asset_entry.asset_key] = basis["versions"]
    return found


def assets_in_progress(instance: DagsterInstance) -> frozenset[dg.AssetKey]:
    """The assets that runs which have not ended will still materialize."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_NOT_FINISHED))
    return frozenset(key for run in runs for key in run.asset_selection or ())


def _latest_run(
    instance: DagsterInstance,
    tags: Mapping[str, str],
    *,
    statuses: Sequence[dg.DagsterRunStatus] = (),
) -> dg.RunRecord | None:
    wanted = dg.RunsFilter(tags=dict(tags), statuses=list(statuses))
    records = instance.get_run_records(wanted, limit=1)
    return records[0] if records else None


def _seconds_to_wait(instance: DagsterInstance, definition: AgentDefinition) -> float:
    last = _latest_run(instance, {ran_tag(definition.name): "started"})
    if last is None:
        return 0
    return (
        last.create_timestamp.timestamp()
        + definition.trigger.at_most_every_minutes * 60
        - time.time()
    )


def _run_key(agent: str, basis: Basis) -> str:
    """The same for the same standing values. `since` makes a value that came back a new one."""
    standing = [
        [name, *map(str, basis.versions[name]), basis.since[name]]
        for name in sorted(basis.versions)
    ]
    return f"{agent}-{hashlib.sha256(json.dumps(standing).encode()).hexdigest()[:24]}"


def _because(changed: Sequence[str]) -> str:
    """The changed metrics as a tag value: what fits into 63 characters."""
    text = "_".join(changed)
    return text if len(text) <= 63 else f"{len(changed)}_values_changed"
