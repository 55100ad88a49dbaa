"""The loop of an agent run. The engine is pydantic-ai; what it may read, and what is kept of it, is ours."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.exceptions import (
    AgentRunError,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.models import Model
from pydantic_ai.usage import UsageLimits

from agent_resources.agent import AgentDefinition
from agent_resources.agent_record import RecordedModel, record_decision
from agent_resources.agent_run import AgentRun, ReadOfRun, Usage
from agent_resources.decision import Decision
from agent_resources.errors import AgentRunFailed, RunChanged
from agent_resources.metric_tools import MetricReader, build_metric_toolset, prompt
from agent_resources.models import SCRIPTED
from agent_resources.run_journal import RunBasis, RunJournal
from semantic.answer import MetricAnswer
from semantic.errors import SnapshotUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext
from semantic.snapshot_record import SnapshotRecord

ResultT = TypeVar("ResultT")


def run_agent(
    definition: AgentDefinition,
    model: Model,
    metrics: GovernedMetrics,
    context: ReadContext,
    *,
    question: str | None = None,
    snapshot: SnapshotRecord | None = None,
    partition: str = "",
    on_read: Callable[[ReadOfRun], None] = lambda _: None,
    is_done: Callable[[str], bool] = lambda _: False,
) -> AgentRun:
    """Runs an agent to its decision on one snapshot. Raises `AgentRunFailed` where it comes to none.

    The snapshot is the current one unless another is given. `on_read` is told of each read as it happens, so that what a run
    read is known also where it comes to no decision. Every figure in the decision names a read of this run; a decision that
    cites anything else goes back to the model.

    Where an earlier try of the same step, root run and partition ended before it had decided, or before anybody was told of its decision, this
    one goes on with it on its snapshot: what that one asked and read is neither paid nor read again. `is_done` tells whether the run with an id
    has done the step. Raises `RunChanged` where what it rests on is another, and the agent's file does not say that it starts again.
    """
    journal = RunJournal.of(metrics.ledger, context, partition=partition, is_done=is_done)
    begin = partial(
        _run_attempt,
        definition,
        model,
        metrics,
        context,
        question=question,
        snapshot=snapshot,
        on_read=on_read,
    )
    try:
        return begin(journal)
    except RunChanged:
        if definition.resume.if_changed == "stop":
            raise
    return begin(journal.started_again())


def _run_attempt(
    definition: AgentDefinition,
    model: Model,
    metrics: GovernedMetrics,
    context: ReadContext,
    journal: RunJournal,
    *,
    question: str | None,
    snapshot: SnapshotRecord | None,
    on_read: Callable[[ReadOfRun], None],
) -> AgentRun:
    started = time.monotonic()
    on = _snapshot_of(journal, metrics) or snapshot
    with metrics.session(definition.reader, context, snapshot=on) as session:
        version = session.snapshot.version
        journal.begin(_basis(definition, metrics, version, question))
        reader = MetricReader(
            metrics, session, journal=journal, max_rows=definition.limits.rows, on_read=on_read
        )
        recorded = RecordedModel(
            model,
            session,
            ledger=metrics.ledger,
            journal=journal,
            breaker=metrics.policy.breaker,
        )
        engine = _build_engine(definition, recorded)
        try:
            result = _run_bounded(
                lambda: engine.run(
                    question or definition.task, deps=reader, usage_limits=_usage_limits(definition)
                ),
                definition.limits.seconds,
            )
        except TimeoutError as error:
            raise AgentRunFailed(
                f"Agent '{definition.name}' came to no decision within {definition.limits.seconds} seconds",
                hint="raise limits.seconds, or make its task smaller; its reads are on record",
            ) from error
        except UsageLimitExceeded as error:
            raise AgentRunFailed(
                f"Agent '{definition.name}' reached a limit before it came to a decision: {error}",
                hint="raise its limits, or make its task smaller; its reads are on record",
            ) from error
        except (AgentRunError, UserError) as error:
            if isinstance(error, UnexpectedModelBehavior):
                journal.end(has_decided=False)
            raise AgentRunFailed(
                f"Agent '{definition.name}' came to no valid decision: {str(error).splitlines()[0]}",
                hint="its reads are on record: governed-agents reads --agent " + definition.name,
            ) from error
        decision_id = record_decision(
            session,
            result.output,
            ledger=metrics.ledger,
            definition_hash=definition.hash,
            read_ids=[item.result.read_id for item in reader.reads if item.result.read_id],
        )
        journal.end(has_decided=True)
    usage = result.usage
    return AgentRun(
        agent=definition.name,
        definition_hash=definition.hash,
        model=model.model_name,
        is_scripted=model.model_name.startswith(SCRIPTED),
        snapshot=version,
        decision=result.output,
        decision_id=decision_id,
        reads=reader.reads,
        usage=Usage(
            requests=usage.requests,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
        ),
        seconds=time.monotonic() - started,
        resumed_from=journal.resumed_from,
    )


def _snapshot_of(journal: RunJournal, metrics: GovernedMetrics) -> SnapshotRecord | None:
    """The snapshot that the attempt began with. None where it has not begun, or that is no longer kept."""
    if journal.basis is None:
        return None
    try:
        return metrics.snapshots.record(journal.basis.snapshot)
    except SnapshotUnavailable:
        return None


def _basis(
    definition: AgentDefinition, metrics: GovernedMetrics, version: str, question: str | None
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
    )


def _build_engine(definition: AgentDefinition, model: Model) -> Agent[MetricReader, Decision]:
    engine = Agent(
        model,
        name=definition.name,
        deps_type=MetricReader,
        output_type=Decision,
        instructions=f"{definition.instructions}\n\n{prompt('rules')}",
        toolsets=[build_metric_toolset()],
        retries=3,
    )

    @engine.output_validator
    def cites_its_reads(context: RunContext[MetricReader], decision: Decision) -> Decision:
        answered = {
            item.result.read_id
            for item in context.deps.reads
            if isinstance(item.result, MetricAnswer)
        }
        for figure in decision.figures():
            if figure.read_id not in answered:
                raise ModelRetry(
                    f"The figure '{figure.name}' cites {figure.read_id!r}, which is no answer of this run. "
                    f"Cite one of: {', '.join(sorted(answered)) or 'nothing was answered'}"
                )
        return decision

    return engine


def _run_bounded(start: Callable[[], Coroutine[Any, Any, ResultT]], seconds: float) -> ResultT:
    """Runs a coroutine to its end, or for `seconds`, in a thread and event loop of its own: the caller may have one."""

    async def bounded() -> ResultT:
        async with asyncio.timeout(seconds):
            return await start()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(copy_context().run, asyncio.run, bounded()).result()


def _usage_limits(definition: AgentDefinition) -> UsageLimits:
    return UsageLimits(
        request_limit=definition.limits.turns, tool_calls_limit=definition.limits.tool_calls
    )
