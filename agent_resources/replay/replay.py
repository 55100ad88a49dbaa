"""Runs an agent again on what a past run of it was answered."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_ai.toolsets import AbstractToolset, CombinedToolset

from agent_resources.agent import AgentDefinition
from agent_resources.agent_end import end_of
from agent_resources.agent_engine import build_engine
from agent_resources.agent_run import Usage
from agent_resources.constrained.constrained_model import asked_for_actions
from agent_resources.decision import Decision
from agent_resources.decision_record import record_replay
from agent_resources.errors import AgentRunFailed, LimitReached
from agent_resources.guardrails.findings import Findings
from agent_resources.memory.memory import Memory, memory_of
from agent_resources.memory.memory_tools import build_memory_toolset
from agent_resources.memory.rests_on import Standings
from agent_resources.metric_tools import Ask, MetricReader, build_metric_toolset
from agent_resources.own_tools import build_own_toolset
from agent_resources.patience import Patience
from agent_resources.recorded_model import PricedModel, recorded_models
from agent_resources.replay.recorded_answers import RecordedAnswers
from agent_resources.replay.recorded_run import RecordedRun
from agent_resources.replay.replayed_tools import ReplayedTools
from agent_resources.run_journal import RunJournal
from agent_resources.run_trace import RunTrace
from agent_resources.task import task_of
from agent_resources.tool_calls import ToolCalls
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext, uuid7
from semantic.read_session import ReadSession


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a replay came to: a decision, or in `ended` why there is none. `not_recorded` counts what it asked and the run had not."""

    run: RecordedRun
    decision: Decision | None
    ended: str | None
    model: str
    definition_hash: str
    usage: Usage
    seconds: float
    not_recorded: int
    replay_id: str


def replay_run(
    run: RecordedRun,
    definition: AgentDefinition,
    models: Sequence[PricedModel],
    metrics: GovernedMetrics,
    *,
    live: bool = False,
    patience: Patience = Patience(),  # noqa: B008
) -> Replay:
    """Runs an agent, with this definition and these models, on what it was answered in `run`. Raises `LedgerUnavailable`.

    Nothing is read from the warehouse, no tool is called, and nothing is told that the agent may not read now. With `live` what the run had not
    asked is read from its snapshot, where that is still kept, like any read. That it is done is on record before anything is told, and what
    it comes to; its requests to chat models are recorded and count against budgets like those of a run.
    """
    started = time.monotonic()
    context = ReadContext(run_id=f"replay-{uuid7()}", purpose=f"replay of {run.run_id}")
    snapshot = metrics.snapshots.record(run.basis.snapshot) if live else None
    with (
        metrics.session(definition.reader, context, snapshot=snapshot) as session,
        RunTrace.of(definition, context, session.snapshot.version) as trace,
    ):
        journal = RunJournal.of(metrics.ledger, ReadContext())
        standings = Standings(metrics, definition.reader, session.snapshot)
        answers = RecordedAnswers(run, standings)
        replay_id = record_replay(
            session, of=run.decision_id, definition_hash=definition.hash, reads=sorted(run.answers)
        )
        reader = MetricReader(
            metrics,
            session,
            journal=journal,
            max_rows=definition.limits.rows,
            ask=answers.ask if not live else _first_recorded(answers, session),
            tell=lambda told, call: answers.ask(told.query, call),
        )
        recorded = recorded_models(definition, models, metrics, session, journal, context, patience)
        findings = Findings(session, journal)
        calls = ToolCalls(session, ledger=metrics.ledger, journal=journal)
        memory = memory_of(definition, metrics, session, journal, standings, calls)
        others = _replayed_tools(definition, metrics, calls, memory, run)
        toolsets: list[AbstractToolset[MetricReader]] = [build_metric_toolset(), others]
        model = asked_for_actions(definition, recorded, metrics)
        engine = build_engine(
            definition, model, toolsets, calls=calls, findings=findings, trace=trace
        )
        try:
            basis = run.basis
            task = task_of(definition, basis.question, basis.because, reader, findings)
            ended: Decision | AgentRunFailed = end_of(definition, engine, reader, task)
        except AgentRunFailed as error:
            ended = error
        decision = ended if isinstance(ended, Decision) else None
        why = None if isinstance(ended, Decision) else _in_a_line(ended)
        record_replay(
            session,
            of=run.decision_id,
            definition_hash=definition.hash,
            decision=decision,
            reason="replayed" if decision else "no_decision",
        )
    return Replay(
        run=run,
        decision=decision,
        ended=why,
        model=", ".join(recorded.answered) or models[0].model.model_name,
        definition_hash=definition.hash,
        usage=recorded.usage,
        seconds=time.monotonic() - started,
        not_recorded=answers.not_recorded + len(others.not_recorded),
        replay_id=replay_id,
    )


def _first_recorded(answers: RecordedAnswers, session: ReadSession) -> Ask:
    """Answers from the record, and from the session's snapshot what is not recorded."""
    return lambda asked, call: answers.found(asked) or session.query(asked, call_id=call)


def _replayed_tools(
    definition: AgentDefinition,
    metrics: GovernedMetrics,
    calls: ToolCalls,
    memory: Memory | None,
    run: RecordedRun,
) -> ReplayedTools:
    """The agent's own tools, and those of its memory: it is shown them as in the run, and none is called."""
    own: AbstractToolset[MetricReader] = build_own_toolset(
        definition.every_tool,
        policy=metrics.policy,
        reader=definition.reader,
        calls=calls,
        seconds=definition.limits.seconds,
    )
    tools = {tool.name: tool for tool in definition.every_tool}
    if memory is not None:
        own = CombinedToolset([own, build_memory_toolset(memory, definition.memory)])
    return ReplayedTools(own, tools=tools, returned=run.tools)


def _in_a_line(error: AgentRunFailed) -> str:
    what = "limited" if isinstance(error, LimitReached) else "failed"
    return f"{what}: {error.message}"
