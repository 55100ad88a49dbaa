"""Agents as assets: one run is one materialization, below every metric that the agent may read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import dagster as dg

from agent_resources.agent import AgentDefinition
from agent_resources.agent_resource import AgentResource
from agent_resources.agent_run import AgentRun, ReadOfRun, Run
from agent_resources.errors import GateClosed
from orchestration_assets.agent_key import agent_asset_key
from orchestration_assets.agent_materialization import (
    materialized,
    recent_quality,
)
from orchestration_assets.agent_run_place import has_done, read_context
from orchestration_assets.approvals.approved_check import approved_spec, check_approved
from orchestration_assets.approvals.proposing import (
    REQUESTER_TAG,
    proposal_metadata,
    proposal_of,
)
from orchestration_assets.approvals.unattended import allow_unattended
from orchestration_assets.asset_graph import asset_graph_of
from orchestration_assets.definitions_check import (
    check_definitions_current,
    definitions_current_spec,
)
from orchestration_assets.errors import told_to_dagster
from orchestration_assets.governed_snapshot import SNAPSHOT_KEY
from orchestration_assets.grounded_check import check_grounded, grounded_spec
from orchestration_assets.other_policy import refuse_other_policy
from orchestration_assets.read_events import (
    AGENT_TAG,
    BECAUSE_TAG,
    ran_tag,
    read_observations,
    read_tags,
    standing_provenance,
)
from orchestration_assets.recalled_assets import check_not_recalled, not_recalled_spec
from orchestration_assets.runs_again import asked_again, recalled
from orchestration_assets.translator import valid_owners
from orchestration_assets.triggers.basis import NO_HISTORY, Basis, read_basis, read_histories
from orchestration_assets.triggers.gates import NO_UPSTREAM, Upstream, first_told
from orchestration_assets.triggers.look import Scene, WatchedAgent, look
from orchestration_assets.triggers.reasons import called_for
from orchestration_assets.triggers.sight import Called, Sight
from orchestration_assets.triggers.told import because_of
from semantic.answer import Reason
from semantic.catalog import Catalog
from semantic.errors import LedgerUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger.recalls import recalls
from semantic.ledger.run_decisions import decisions_with
from semantic.policy import Policy
from semantic.snapshot_record import SnapshotRecord

AGENT = "governed_agents/name"


class AgentConfig(dg.Config):
    """What a person may give a run: a question in place of the agent's own task."""

    question: str = ""


def readable_names(
    definition: AgentDefinition, policy: Policy, catalog: Catalog
) -> tuple[str, ...]:
    """The metrics that the agent both asks for and is granted, by name."""
    return tuple(
        name
        for name, metric in catalog.metrics.items()
        if policy.is_readable(definition.reader, metric)
    )


def build_agent_asset(
    definition: AgentDefinition,
    *,
    metric_keys: Mapping[str, dg.AssetKey],
    readable: Sequence[str],
    resource_key: str,
    key: dg.AssetKey | None = None,
    group_name: str = "agents",
    made_of: Upstream = NO_UPSTREAM,
) -> dg.AssetsDefinition:
    """The asset of one agent. `readable` are the metrics that it asks for and is granted: its dependencies.

    `resource_key` names its `AgentResource`, and `made_of` what its metrics come from, of which the gates ask. The asset has no partitions and returns no
    value; what it decided is in the metadata of its materialization. A run that answered a person's question, or ended at a limit, has not done the agent's own task, and hands
    on the basis of the run before it.
    """
    agent_key = key or agent_asset_key(definition.name)
    watched = WatchedAgent(definition=definition, key=agent_key, readable=tuple(readable))

    @dg.asset(
        key=agent_key,
        deps=[
            *([metric_keys[name] for name in readable if name in metric_keys] or [SNAPSHOT_KEY]),
            *(agent_asset_key(name) for name in definition.memory.decisions_of),
        ],
        group_name=group_name,
        kinds={"agent", "report"},
        description=definition.description,
        owners=valid_owners(
            [definition.owner, f"team:{definition.team}" if definition.team else None]
        ),
        tags=definition.tags,
        code_version=definition.hash,
        metadata={
            AGENT: definition.name,
            "model": definition.model or "",
            "asks_for": list(definition.metrics),
            "may_read": list(readable),
            **(
                {"tools": [f"{it.name} ({it.effect})" for it in definition.every_tool]}
                if definition.every_tool
                else {}
            ),
            "instructions": dg.MetadataValue.md(definition.instructions),
        },
        required_resource_keys={resource_key},
        op_tags={AGENT_TAG: definition.name},
        pool=f"agent_{definition.name}",
        check_specs=[
            grounded_spec(definition, agent_key),
            not_recalled_spec(agent_key),
            definitions_current_spec(agent_key),
            *([approved_spec(agent_key)] if definition.may_propose else []),
        ],
    )
    # Where an asset has checks, Dagster knows this result by its plain class only.
    def agent(context: dg.AssetExecutionContext, config: AgentConfig) -> dg.MaterializeResult:  # type: ignore[type-arg]
        resource: AgentResource = getattr(context.resources, resource_key)
        context.instance.add_run_tags(context.run.run_id, {ran_tag(definition.name): "started"})
        reads: list[ReadOfRun] = []
        with (
            told_to_dagster(),
            resource.metrics.open(context.instance) as metrics,
            metrics.ledger.holding(f"run of {definition.name}") as is_alone,
        ):
            _refuse_second(definition.name, is_alone=is_alone)
            record = metrics.snapshots.current()
            sight = _look(context, watched, metrics, record, made_of)
            called = _called(sight, metrics)
            _refuse_closed_gate(sight, called)
            if BECAUSE_TAG in context.run.tags and not config.question:
                _refuse_done(sight, called)
            try:
                run = resource.run(
                    metrics,
                    read_context(context),
                    question=config.question or None,
                    because=because_of(sight, called),
                    snapshot=record.closing({name: it.told for name, it in sight.closed.items()}),
                    on_read=reads.append,
                    is_done=partial(has_done, context),
                )
            finally:
                _report_reads(context, reads, definition.name, agent_key, metric_keys)
            _refuse_unrecorded(run)
            basis = _basis(run, sight, metrics)
            approval = proposal_of(
                metrics.ledger,
                definition,
                run,
                basis,
                read_context(context),
                moving=metrics.catalog.platform_metrics,
                requester=context.run.tags.get(REQUESTER_TAG),
            )
            actions = run.proposed if isinstance(run, AgentRun) else ()
            approval = allow_unattended(context.instance, metrics, definition, approval, actions)
            quality = recent_quality(metrics.ledger, definition.name)
            decided = [run.decision_id] if isinstance(run, AgentRun) else []
            decision = next(iter(decisions_with(metrics.ledger, decided)), None)
            recalled = recalls(metrics.ledger)
            metrics.ledger.sweep()
            checkpoint = metrics.ledger.seal()
        history = read_histories(context.instance, [agent_key]).get(agent_key, NO_HISTORY)
        before = history.handled.written() if history.handled else None
        has_done_its_task = isinstance(run, AgentRun) and not config.question
        return materialized(
            run,
            basis.written() if has_done_its_task else before,
            metric_keys,
            checkpoint,
            run_id=context.run.run_id,
            quality=quality,
            checks=[
                check_grounded(definition, run, agent_key),
                check_not_recalled(run, decision, recalled, agent_key),
                check_definitions_current(agent_key),
                *(
                    [check_approved(approval, has_decided=isinstance(run, AgentRun), key=agent_key)]
                    if definition.may_propose
                    else []
                ),
            ],
            proposal=proposal_metadata(approval, actions),
        )

    return agent


def _refuse_second(agent: str, *, is_alone: bool) -> None:
    """Raises `GateClosed` where a run of the agent goes on: two would do the same, and each would be paid."""
    if not is_alone:
        raise GateClosed(
            f"Agent '{agent}' does not run, because another run of it goes on",
            hint=f"run it when that has ended; a limit on the pool agent_{agent} has Dagster keep such runs waiting: "
            "concurrency: {pools: {default_limit: 1}} in dagster.yaml",
        )


def _refuse_done(sight: Sight, called: Called) -> None:
    """Raises `GateClosed` where a sensor asked for the run, and what called for it is done: a second daemon may have asked too, or a person was first."""
    if not called.reasons:
        name = sight.definition.name
        raise GateClosed(
            f"Agent '{name}' does not run, because nothing calls for it any more",
            hint="another run has done what this one was asked for; no chat model was asked",
        )


def _look(
    context: dg.AssetExecutionContext,
    agent: WatchedAgent,
    metrics: GovernedMetrics,
    record: SnapshotRecord,
    made_of: Upstream,
) -> Sight:
    """What the triggers of an agent look at when its run begins. Raises `GateClosed` under a policy that is not published."""
    refuse_other_policy(agent.definition.name, metrics)
    scene = Scene(
        instance=context.instance,
        graph=asset_graph_of(context),
        metrics=metrics,
        record=record,
        now=metrics.now(),
        upstream=made_of,
    )
    [sight] = look(scene, [agent])
    return sight


def _called(sight: Sight, metrics: GovernedMetrics) -> Called:
    """What calls for the run, as the sensor finds it; nothing where a person presses Materialize without a reason."""
    called = called_for(sight)
    again = asked_again(metrics.ledger, sight.record).get(sight.definition.name)
    return called if again is None else replace(called, reasons=(recalled(again), *called.reasons))


def _refuse_closed_gate(sight: Sight, called: Called) -> None:
    """Raises `GateClosed` where any metric that the agent may read may not be read now, unless that is what called for the run.

    Asked again in the run, and not only by the sensor, because a person can press Materialize.
    """
    reason = first_told(sight.readable, sight.closed)
    if reason is not None and not any(it.is_of_gate for it in called.reasons):
        raise GateClosed(
            f"Agent '{sight.definition.name}' does not run, because {reason}",
            hint="mend the data and materialize governed_snapshot",
        )


def _basis(run: Run, sight: Sight, metrics: GovernedMetrics) -> Basis:
    """What a run was based on: of one that went on where an earlier try ended, what that began with."""
    began = run.because
    if run.snapshot == sight.record.version and (began is None or began.at == sight.basis.at):
        return sight.basis
    definition = sight.definition
    return read_basis(
        definition.reader,
        sight.readable,
        metrics,
        metrics.snapshots.record(run.snapshot),
        at=began.at if began else sight.basis.at,
        seq=began.seq if began else sight.basis.seq,
        watches=definition.trigger.watches(),
        closed=began.closed if began else sight.basis.closed,
    )


def _report_reads(
    context: dg.AssetExecutionContext,
    reads: Sequence[ReadOfRun],
    agent: str,
    agent_key: dg.AssetKey,
    metric_keys: Mapping[str, dg.AssetKey],
) -> None:
    """Tells Dagster what was read, also by a run that then fails. One run may hold several agents: what one of them was
    given is not taken back by a refusal of another.
    """
    run_id = context.run.run_id
    stored = context.instance.get_run_by_id(run_id)
    before = stored.tags if stored else {}
    tags = {
        tag: outcome
        for tag, outcome in read_tags(reads, metric_keys).items()
        if before.get(tag) != "allowed"
    }
    context.instance.add_run_tags(run_id, tags)
    standing = standing_provenance(context.instance, metric_keys.values())
    for observation in read_observations(reads, agent, agent_key, metric_keys, run_id, standing):
        context.log_event(observation)


def _refuse_unrecorded(run: Run) -> None:
    """Raises `LedgerUnavailable` where a read of the run could not be recorded: then it decided without that data, for a
    reason that is not the agent's.
    """
    for refusal in run.refusals():
        if refusal.reason is Reason.LEDGER_UNAVAILABLE:
            raise LedgerUnavailable(
                f"A read of agent '{run.agent}' could not be recorded, so it was given no data",
                hint=refusal.hint,
            )
