"""When agents run: a sensor that compares what an agent may read now with what its last run was based on.

It keeps nothing of its own. The current snapshot says which version of each value stands, and since when; the agent's last
materialization says which versions it ran on. So nothing is lost over a restart, a reload or a missed tick, and a value that comes
back to what it was counts as a new one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from agent_resources.agent import AgentDefinition
from agent_resources.agent_resource import registered
from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.agent_assets import Basis, closed_gate, handled_bases, read_basis
from orchestration_assets.in_progress import assets_in_progress, unfinished_runs
from orchestration_assets.lineage import AGENT_TAG, HAS_AGENTS_TAG, ran_tag, started_tags
from semantic.errors import GovernedMetricsError, SnapshotUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.snapshot import SnapshotRecord

DEFAULT_INTERVAL_SECONDS = 30
_RUN_KEY_TAG = "dagster/run_key"


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


@dataclass(frozen=True, kw_only=True)
class _Due:
    """An agent for which values have changed, and the key that stands for these values."""

    agent: WatchedAgent
    changed: tuple[str, ...]
    run_key: str


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """What the instance knows of the runs of some agents: which agents run now, the run that was asked for with a key, and
    when a run of an agent last began.
    """

    running: frozenset[str]
    by_key: Mapping[str, dg.DagsterRun]
    began: Mapping[str, datetime]


def evaluate(
    instance: DagsterInstance,
    metrics: GovernedMetrics,
    agents: Sequence[WatchedAgent],
    upstream: Sequence[dg.AssetKey],
) -> dg.SensorResult:
    """One tick: the runs to ask for, and for every other agent why not. The number of look-ups does not grow with the agents."""
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
    handled = handled_bases(instance, keys)
    considered = [_consider(metrics, record, agent, handled.get(agent.key)) for agent in agents]
    due = [item for item in considered if isinstance(item, _Due)]
    runs = _runs_of(instance, due, unfinished, going_on)
    now = datetime.now(UTC)
    outcomes = [
        _request(item, runs, now) if isinstance(item, _Due) else item for item in considered
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


def _consider(
    metrics: GovernedMetrics,
    record: SnapshotRecord,
    agent: WatchedAgent,
    handled: Mapping[str, Any] | None,
) -> _Due | str:
    """Whether the values that this agent may read call for a run, or why not."""
    definition = agent.definition
    if definition.trigger.on == "never":
        return "has no trigger"
    if not agent.readable:
        return "is granted nothing that it asks for"
    closed = closed_gate(agent.readable, metrics, record)
    if closed is not None:
        return closed
    basis = read_basis(definition.reader, agent.readable, metrics, record)
    changed = changed_metrics(basis, handled["versions"] if handled else None)
    if not changed:
        return "no value that it may read has changed"
    return _Due(agent=agent, changed=changed, run_key=_run_key(definition.name, basis))


def _runs_of(
    instance: DagsterInstance,
    due: Sequence[_Due],
    unfinished: Iterable[dg.DagsterRun],
    going_on: frozenset[dg.AssetKey],
) -> _Runs:
    if not due:
        return _Runs(running=frozenset(), by_key={}, began={})
    tags = {tag for run in unfinished for tag in run.tags}
    names = {item.agent.definition.name: item.agent for item in due}
    longest = max(item.agent.definition.trigger.at_most_every_minutes for item in due)
    asked = instance.get_run_records(
        dg.RunsFilter(tags={_RUN_KEY_TAG: [item.run_key for item in due]})
    )
    recent = instance.get_run_records(
        dg.RunsFilter(
            tags={HAS_AGENTS_TAG: "yes"},
            created_after=datetime.now(UTC) - timedelta(minutes=longest),
        ),
        ascending=True,
    )
    return _Runs(
        running=frozenset(
            name for name, agent in names.items() if agent.key in going_on or ran_tag(name) in tags
        ),
        by_key={record.dagster_run.tags[_RUN_KEY_TAG]: record.dagster_run for record in asked},
        began={
            name: record.create_timestamp
            for record in recent
            for name in names
            if ran_tag(name) in record.dagster_run.tags
        },
    )


def _request(due: _Due, runs: _Runs, now: datetime) -> dg.RunRequest | str:
    """A request for a run of an agent whose values have changed, or why it does not run yet."""
    definition = due.agent.definition
    if definition.name in runs.running:
        return "a run of it goes on"
    earlier = runs.by_key.get(due.run_key)
    if earlier is not None:
        return f"run {earlier.run_id[:8]} for these values ended as {earlier.status.value}"
    minutes = definition.trigger.at_most_every_minutes
    began = runs.began.get(definition.name)
    if began is not None and began + timedelta(minutes=minutes) > now:
        return f"{len(due.changed)} values changed; it ran less than {minutes:g} minutes ago"
    return dg.RunRequest(
        run_key=due.run_key,
        asset_selection=[due.agent.key],
        tags={
            **started_tags(definition.name),
            AGENT_TAG: definition.name,
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
