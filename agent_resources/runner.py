"""The loop of an agent run. The engine is pydantic-ai; what it may read, and what is kept of it, is ours."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial

from pydantic_ai.models import Model
from pydantic_ai.toolsets import AbstractToolset

from agent_resources.agent import AgentDefinition
from agent_resources.agent_end import end_of
from agent_resources.agent_engine import build_engine
from agent_resources.agent_run import AgentRun, LimitedRun, ReadOfRun, Run
from agent_resources.because import Because
from agent_resources.constrained.constrained_model import asked_for_actions
from agent_resources.decision import Decision
from agent_resources.decision_record import record_decision, record_limit
from agent_resources.errors import NoValidDecision, RunChanged
from agent_resources.guardrails.findings import Findings
from agent_resources.memory.memory import Memory, memory_of
from agent_resources.memory.memory_tools import build_memory_toolset
from agent_resources.memory.rests_on import Standings
from agent_resources.metric_tools import MetricReader, build_metric_toolset
from agent_resources.models import SCRIPTED
from agent_resources.own_tools import build_own_toolset
from agent_resources.patience import Patience
from agent_resources.played_model import RECORDED
from agent_resources.recorded_model import PricedModel, recorded_models
from agent_resources.run_journal import EndState, RunBasis, RunJournal
from agent_resources.run_trace import RunTrace
from agent_resources.task import task_of
from agent_resources.tool_calls import ToolCalls
from semantic.errors import SnapshotUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext
from semantic.ledger.budgets import MICROS
from semantic.snapshot_record import SnapshotRecord
from semantic.spans import Attributes, GenAi, Ours


def run_agent(
    definition: AgentDefinition,
    models: Model | Sequence[PricedModel],
    metrics: GovernedMetrics,
    context: ReadContext,
    *,
    question: str | None = None,
    because: Because | None = None,
    snapshot: SnapshotRecord | None = None,
    partition: str = "",
    on_read: Callable[[ReadOfRun], None] = lambda _: None,
    is_done: Callable[[str], bool] = lambda _: False,
    played: date | None = None,
    patience: Patience = Patience(),  # noqa: B008
) -> AgentRun | LimitedRun:
    """Runs an agent to its decision on one snapshot, or to the limit that it reaches first. Raises `AgentRunFailed` where it comes to no
    valid decision.

    The snapshot is the current one unless another is given. It is told `because` of what it runs, unless it is asked a question. `models` are asked in their order, the next one where one does not answer. `on_read`
    is told of each read as it happens, so that what a run read is known also where it comes to no decision. Every figure in the decision names a
    read of this run; a decision that cites anything else goes back to the model.

    With `played` it runs on the past: on that snapshot as if its data ended on this day where it does not say so itself, without memory, and what it
    decides is on record as history.

    Where an earlier try of the same step, root run and partition ended before it had decided, or before anybody was told of its decision, this
    one goes on with it on its snapshot: what that one asked and read is neither paid nor read again. `is_done` tells whether the run with an id
    has done the step. Raises `RunChanged` where what it rests on is another, and the agent's file does not say that it starts again.
    """
    priced = (PricedModel(model=models, price=None),) if isinstance(models, Model) else models
    journal = RunJournal.of(metrics.ledger, context, partition=partition, is_done=is_done)
    begin = partial(
        _run_attempt,
        definition,
        priced,
        metrics,
        context,
        question=question,
        because=None if question else because,
        snapshot=snapshot,
        on_read=on_read,
        played=played,
        patience=patience,
    )
    try:
        return begin(journal)
    except RunChanged:
        if definition.resume.if_changed == "stop":
            raise
    return begin(journal.started_again())


def _run_attempt(
    definition: AgentDefinition,
    models: Sequence[PricedModel],
    metrics: GovernedMetrics,
    context: ReadContext,
    journal: RunJournal,
    *,
    question: str | None,
    because: Because | None,
    snapshot: SnapshotRecord | None,
    on_read: Callable[[ReadOfRun], None],
    played: date | None,
    patience: Patience,
) -> AgentRun | LimitedRun:
    started = time.monotonic()
    on = _snapshot_of(journal, metrics, snapshot) or snapshot
    with (
        metrics.session(definition.reader, context, snapshot=on) as session,
        RunTrace.of(definition, context, session.snapshot.version) as trace,
    ):
        version = session.snapshot.version
        because = journal.basis.because if journal.basis else because
        journal.begin(_basis(definition, metrics, version, question, because))
        reader = MetricReader(
            metrics, session, journal=journal, max_rows=definition.limits.rows, on_read=on_read
        )
        recorded = recorded_models(definition, models, metrics, session, journal, context, patience)
        standings = Standings(metrics, definition.reader, session.snapshot)
        calls = ToolCalls(session, ledger=metrics.ledger, journal=journal)
        findings = Findings(session, journal)
        memory = (
            None if played else memory_of(definition, metrics, session, journal, standings, calls)
        )
        toolsets = _toolsets(definition, metrics, calls, memory)
        model = asked_for_actions(definition, recorded, metrics)
        engine = build_engine(
            definition, model, toolsets, calls=calls, findings=findings, trace=trace
        )
        try:
            task = task_of(definition, question, because, reader, findings)
            ended = end_of(definition, engine, reader, task)
        except NoValidDecision:
            journal.end(EndState.FAILED)
            raise
        read_ids = [item.result.read_id for item in reader.reads if item.result.read_id]
        names = recorded.answered or [models[0].model.model_name]
        of_run = Run(
            agent=definition.name,
            definition_hash=definition.hash,
            model=", ".join(names),
            is_scripted=all(name.startswith((SCRIPTED, RECORDED)) for name in names),
            snapshot=version,
            reads=reader.reads,
            usage=recorded.usage,
            seconds=0.0,
            resumed_from=journal.resumed_from,
            because=because,
        )
        if isinstance(ended, Decision):
            decision_id = record_decision(
                session,
                ended,
                ledger=metrics.ledger,
                definition_hash=definition.hash,
                read_ids=read_ids,
                rests_on=memory.rests_on(reader)
                if memory
                else standings.of_run(reader, calls.called),
                told=memory.told_decisions if memory else (),
                usage=recorded.usage,
                hops=because.hops if because else 0,
                is_played=played is not None,
            )
            journal.end(EndState.DECIDED)
            run: AgentRun | LimitedRun = AgentRun(
                **vars(of_run),
                decision=ended,
                decision_id=decision_id,
                proposed=tuple(calls.proposed.values()),
            )
        else:
            limit_id = record_limit(
                session, ended.message, definition_hash=definition.hash, read_ids=read_ids
            )
            journal.end(EndState.LIMITED)
            run = LimitedRun(**vars(of_run), limit=str(ended), limit_id=limit_id)
        trace.tell(_attributes_of(run))
    return replace(run, seconds=time.monotonic() - started)


def _attributes_of(run: AgentRun | LimitedRun) -> Attributes:
    """What the span of a run tells of its end."""
    usage, is_decided = run.usage, isinstance(run, AgentRun)
    return {
        Ours.STATE: (EndState.DECIDED if is_decided else EndState.LIMITED).value,
        Ours.DECISION: run.decision_id if isinstance(run, AgentRun) else run.limit_id,
        GenAi.INPUT_TOKENS: usage.input_tokens,
        GenAi.OUTPUT_TOKENS: usage.output_tokens,
        Ours.COST: None if usage.cost_micros is None else usage.cost_micros / MICROS,
    }


def _toolsets(
    definition: AgentDefinition, metrics: GovernedMetrics, calls: ToolCalls, memory: Memory | None
) -> list[AbstractToolset[MetricReader]]:
    """The tools that an agent has: those that read metrics, its author's, and those of its memory."""
    own = build_own_toolset(
        definition.every_tool,
        policy=metrics.policy,
        reader=definition.reader,
        calls=calls,
        seconds=definition.limits.seconds,
    )
    found: list[AbstractToolset[MetricReader]] = [build_metric_toolset(), own]
    if memory is not None:
        found.append(build_memory_toolset(memory, definition.memory))
    return found


def _snapshot_of(
    journal: RunJournal, metrics: GovernedMetrics, given: SnapshotRecord | None
) -> SnapshotRecord | None:
    """The snapshot that the attempt began with, up to the day of the one that is given now. None where it has not begun, or that is no longer kept."""
    if journal.basis is None:
        return None
    try:
        found = metrics.snapshots.record(journal.basis.snapshot)
        if given is None or given.version == found.version:
            return given or found
        return found.until(given.covering) if given.covering else found
    except SnapshotUnavailable:
        return None


def _basis(
    definition: AgentDefinition,
    metrics: GovernedMetrics,
    version: str,
    question: str | None,
    because: Because | None,
) -> RunBasis:
    return RunBasis(
        definition_hash=definition.hash,
        question=question,
        policy_hash=metrics.policy.hash,
        snapshot=version,
        metrics={
            metric.name: metric.definition_hash
            for metric in metrics.readable_metrics(definition.reader)
        },
        because=because,
    )
