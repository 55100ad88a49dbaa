"""When agents run: a sensor that asks the triggers of each agent, and what keeps a run that they call for from beginning now.

It keeps nothing of its own. The current snapshot says which version of each value stands, and since when; the agent's last
materialization says which versions it ran on. So nothing is lost over a restart, a reload or a missed tick, and a value that comes
back to what it was counts as a new one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
from dagster import DagsterInstance

from agent_resources.agent_resource import registered
from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.definitions_check import changed_meanings, report_changed_meanings
from orchestration_assets.in_progress import assets_in_progress, unfinished_runs
from orchestration_assets.other_policy import NOT_PUBLISHED
from orchestration_assets.read_events import AGENT_TAG, BECAUSE_TAG, ran_tag
from orchestration_assets.runs_again import asked_again, recalled
from orchestration_assets.triggers.basis import NO_HISTORY, AgentHistory, read_histories
from orchestration_assets.triggers.calendar import is_quiet
from orchestration_assets.triggers.gates import NO_UPSTREAM, Upstream, first_told
from orchestration_assets.triggers.look import Scene, WatchedAgent, look
from orchestration_assets.triggers.reasons import called_for
from orchestration_assets.triggers.sight import Called, Sight, TriggerReason
from semantic.errors import GovernedMetricsError, SnapshotUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadContext
from semantic.ledger.acknowledgements import acknowledged_meanings
from semantic.ledger.recalls import Recall
from semantic.snapshot_record import SnapshotRecord

DEFAULT_INTERVAL_SECONDS = 30
_RUN_KEY_TAG = "dagster/run_key"
_UNCHANGED = "no value that it may read has changed"
_NOTHING_HAPPENED = "nothing has happened that its trigger names"


def build_agent_sensor(
    agents: Sequence[WatchedAgent],
    *,
    name: str = "agents_on_changed_values",
    resource_key: str = "governed_metrics",
    upstream: Sequence[dg.AssetKey] = (),
    made_of: Upstream = NO_UPSTREAM,
    minimum_interval_seconds: int = DEFAULT_INTERVAL_SECONDS,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """A sensor that runs each agent when one of its triggers calls for that: by default when a value that it may read, over the rows that it sees, has
    changed.

    Never behind a check that did not pass or data that is too old, on a metric or on what that is `made_of`; at most every N minutes per agent and not in its
    quiet hours; not while a run of the agent or of `upstream` (the snapshot and its metrics) goes on, or a budget of it is spent. A run that failed, or
    ended at a limit, is not asked for again until something else calls for one.
    """

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*(agent.key for agent in agents)),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        required_resource_keys={resource_key},
        description="Runs an agent when one of its triggers calls for that.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        repository = context.repository_def
        try:
            with resource.open(context.instance) as metrics:
                return evaluate(
                    context.instance,
                    metrics,
                    agents,
                    upstream,
                    made_of=made_of,
                    repository=repository,
                )
        except GovernedMetricsError as error:
            return dg.SensorResult(skip_reason=str(error))

    return sensor


@dataclass(frozen=True, kw_only=True)
class _Due:
    """An agent for which something calls, the key that stands for that, and its past."""

    sight: Sight
    agent: WatchedAgent
    called: Called
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
    made_of: Upstream = NO_UPSTREAM,
    repository: dg.RepositoryDefinition | None = None,
    now: datetime | None = None,
) -> dg.SensorResult:
    """One tick: the runs to ask for, and for every other agent why not. The number of look-ups does not grow with the agents.

    `now` is the door's unless another is given.
    """
    _register(metrics.ledger, agents)
    if not metrics.has_published_policy():
        return dg.SensorResult(skip_reason=NOT_PUBLISHED)
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
    scene = Scene(
        instance=instance,
        graph=repository.asset_graph if repository else None,
        metrics=metrics,
        record=record,
        now=now or metrics.now(),
        upstream=made_of,
    )
    considered = [
        _consider(sight, agent, histories.get(agent.key), again.get(agent.definition.name))
        for agent, sight in zip(agents, look(scene, agents, histories), strict=True)
    ]
    runs = _read_runs(instance, [item for item in considered if isinstance(item, _Due)])
    outcomes = [
        _request(item, runs, going_on, scene) if isinstance(item, _Due) else item
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
            _meanings(histories[agent.key]), record, known.get(agent.definition.name, {})
        )
        for agent in agents
        if agent.key in histories
    }
    report_changed_meanings(instance, changed, record)


def _meanings(history: AgentHistory) -> Mapping[str, str]:
    """What the metrics of an agent meant when it last did its task."""
    return history.handled.meanings if history.handled else {}


def _consider(
    sight: Sight, agent: WatchedAgent, history: AgentHistory | None, again: Recall | None
) -> _Due | str:
    """What calls for a run of an agent, or why it does not run."""
    definition = agent.definition
    if not definition.trigger.on and again is None:
        return "has no trigger"
    if not agent.readable:
        return "is granted nothing that it asks for"
    called = called_for(sight)
    closed = first_told(agent.readable, sight.closed)
    if closed is not None and not any(reason.is_of_gate for reason in called.reasons):
        return closed
    reasons = called.reasons if again is None else (recalled(again), *called.reasons)
    if not reasons:
        whole = all(when.kind == "value_changed" for when in definition.trigger.on)
        return "; ".join([_UNCHANGED if whole else _NOTHING_HAPPENED, *called.notes])
    return _Due(
        sight=sight,
        agent=agent,
        called=Called(reasons=reasons, notes=called.notes),
        run_key=f"{definition.name}-again-{again.recall_id}"
        if again
        else _run_key(definition.name, reasons),
        history=history or NO_HISTORY,
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
    due: _Due, runs: _Runs, going_on: frozenset[dg.AssetKey], scene: Scene
) -> dg.RunRequest | str:
    """A request for a run of an agent for which something calls, or why it does not run yet."""
    definition, trigger = due.agent.definition, due.agent.definition.trigger
    last = runs.by_id.get(due.history.last_run_id or "")
    if due.agent.key in going_on or (last and not last.dagster_run.is_finished):
        return "a run of it goes on"
    earlier, run_key = runs.by_key.get(due.run_key), due.run_key
    if earlier is not None and _is_wiped(due, earlier):
        run_key, earlier = f"{run_key}-{earlier.run_id[:8]}", None
    if earlier is not None:
        is_limited = earlier.run_id == due.history.limited_run_id
        ended = "at a limit" if is_limited else f"as {earlier.status.value}"
        return f"run {earlier.run_id[:8]} for these values ended {ended}"
    what = _what(due.called)
    minutes = trigger.at_most_every_minutes
    if last and last.create_timestamp + timedelta(minutes=minutes) > scene.now:
        return f"{what}; it ran less than {minutes:g} minutes ago"
    if trigger.quiet_hours and is_quiet(trigger.quiet_hours, scene.now):
        return f"{what}; it is quiet until {trigger.quiet_hours.end:%H:%M} {trigger.quiet_hours.time_zone}"
    spent = _spent_budget(due.agent, scene.metrics)
    if spent is not None:
        return f"{what}; {spent}"
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[due.agent.key],
        tags={
            AGENT_TAG: definition.name,
            ran_tag(definition.name): "started",
            BECAUSE_TAG: _because(due.called),
        },
    )


def _is_wiped(due: _Due, earlier: dg.DagsterRun) -> bool:
    """Whether what a run made is not there any more, so that it is to be made again."""
    is_made = due.sight.handled is not None or earlier.run_id == due.history.limited_run_id
    return earlier.status is dg.DagsterRunStatus.SUCCESS and not is_made


def _what(called: Called) -> str:
    """What calls for a run, in few words."""
    changed = {name for it in called.reasons if it.kind == "value_changed" for name in it.metrics}
    others = [it.text.splitlines()[0] for it in called.reasons if it.kind != "value_changed"]
    return "; ".join([*([f"{len(changed)} values changed"] if changed else []), *others])


def _spent_budget(agent: WatchedAgent, metrics: GovernedMetrics) -> str | None:
    """Which budget of an agent is spent, so that a run of it could do nothing; None where none is."""
    policy, reader = metrics.policy, agent.definition.reader
    for rule in policy.budgets:
        if rule.metrics:
            continue
        charges = rule.charges(reader.names, policy.team_of(reader), ReadContext(), (), lambda _: 1)
        for charge in charges:
            budget = charge.budget
            if not charge.is_alone and metrics.ledger.spent(budget) >= budget.limit:
                return f"its budget '{rule.name}' of {budget.limit:,} {budget.unit} is spent"
    return None


def _run_key(agent: str, reasons: Iterable[TriggerReason]) -> str:
    """The same for as long as the same calls for a run."""
    standing = sorted(f"{reason.kind} {reason.key}" for reason in reasons)
    return f"{agent}-{hashlib.sha256(json.dumps(standing).encode()).hexdigest()[:24]}"


def _because(called: Called) -> str:
    """What calls for a run as a tag value, of 63 characters at most: the metrics that it speaks of, or of what kind it is."""
    kinds = dict.fromkeys(it.kind for it in called.reasons if not it.metrics)
    text = "_".join([*called.metrics, *kinds])
    if len(text) <= 63:
        return text
    return (
        f"{len(called.metrics)}_values_changed" if not kinds else f"{len(called.reasons)}_reasons"
    )
