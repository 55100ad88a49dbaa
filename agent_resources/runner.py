"""The loop of an agent run. The engine is pydantic-ai; what it may read, and what is kept of it, is ours."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from pydantic_ai.exceptions import (
    AgentRunError,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.models import Model
from pydantic_ai.usage import UsageLimits

from agent_resources.agent import AgentDefinition
from agent_resources.agent_engine import Engine, build_engine, screened_question
from agent_resources.agent_run import AgentRun, LimitedRun, ReadOfRun, Run
from agent_resources.decision import Decision
from agent_resources.decision_record import record_decision, record_limit
from agent_resources.errors import AgentRunFailed, LimitReached, RunChanged
from agent_resources.metric_tools import MetricReader
from agent_resources.model_budgets import ModelBudgets
from agent_resources.models import SCRIPTED
from agent_resources.patience import Patience
from agent_resources.recorded_model import PricedModel, RecordedModel
from agent_resources.run_journal import EndState, RunBasis, RunJournal
from semantic.errors import SnapshotUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext, uuid7
from semantic.snapshot_record import SnapshotRecord

ResultT = TypeVar("ResultT")


def run_agent(
    definition: AgentDefinition,
    models: Model | Sequence[PricedModel],
    metrics: GovernedMetrics,
    context: ReadContext,
    *,
    question: str | None = None,
    snapshot: SnapshotRecord | None = None,
    partition: str = "",
    on_read: Callable[[ReadOfRun], None] = lambda _: None,
    is_done: Callable[[str], bool] = lambda _: False,
    patience: Patience = Patience(),  # noqa: B008
) -> AgentRun | LimitedRun:
    """Runs an agent to its decision on one snapshot, or to the limit that it reaches first. Raises `AgentRunFailed` where it comes to no
    valid decision.

    The snapshot is the current one unless another is given. `models` are asked in their order, the next one where one does not answer. `on_read`
    is told of each read as it happens, so that what a run read is known also where it comes to no decision. Every figure in the decision names a
    read of this run; a decision that cites anything else goes back to the model.

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
        snapshot=snapshot,
        on_read=on_read,
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
    snapshot: SnapshotRecord | None,
    on_read: Callable[[ReadOfRun], None],
    patience: Patience,
) -> AgentRun | LimitedRun:
    started = time.monotonic()
    on = _snapshot_of(journal, metrics) or snapshot
    with metrics.session(definition.reader, context, snapshot=on) as session:
        version = session.snapshot.version
        journal.begin(_basis(definition, metrics, version, question))
        reader = MetricReader(
            metrics, session, journal=journal, max_rows=definition.limits.rows, on_read=on_read
        )
        recorded = RecordedModel(
            models,
            session,
            ledger=metrics.ledger,
            journal=journal,
            budgets=ModelBudgets(
                policy=metrics.policy,
                reader=definition.reader,
                context=context,
                limits=definition.limits,
                run=context.root_run_id or context.run_id or str(uuid7()),
            ),
            breaker=metrics.policy.breaker,
            patience=patience,
        )
        engine = build_engine(definition, recorded, metrics, session, journal)
        task = definition.task
        if question:
            task = screened_question(question, definition, session, journal)
        ended = _ended(definition, engine, reader, journal, task)
        read_ids = [item.result.read_id for item in reader.reads if item.result.read_id]
        names = recorded.answered or [models[0].model.model_name]
        of_run = Run(
            agent=definition.name,
            definition_hash=definition.hash,
            model=", ".join(names),
            is_scripted=all(name.startswith(SCRIPTED) for name in names),
            snapshot=version,
            reads=reader.reads,
            usage=recorded.usage,
            seconds=0.0,
            resumed_from=journal.resumed_from,
        )
        if isinstance(ended, Decision):
            decision_id = record_decision(
                session,
                ended,
                ledger=metrics.ledger,
                definition_hash=definition.hash,
                read_ids=read_ids,
            )
            journal.end(EndState.DECIDED)
            run: AgentRun | LimitedRun = AgentRun(
                **vars(of_run), decision=ended, decision_id=decision_id
            )
        else:
            limit_id = record_limit(
                session, ended.message, definition_hash=definition.hash, read_ids=read_ids
            )
            journal.end(EndState.LIMITED)
            run = LimitedRun(**vars(of_run), limit=str(ended), limit_id=limit_id)
    return replace(run, seconds=time.monotonic() - started)


def _ended(
    definition: AgentDefinition,
    engine: Engine,
    reader: MetricReader,
    journal: RunJournal,
    task: str,
) -> Decision | LimitReached:
    """The decision that the engine comes to, or the limit that it reaches first. Raises `AgentRunFailed`."""
    limits = UsageLimits(
        request_limit=definition.limits.turns, tool_calls_limit=definition.limits.tool_calls
    )
    try:
        return _run_bounded(
            lambda: engine.run(task, deps=reader, usage_limits=limits),
            definition.limits.seconds,
            give_up=reader.stop,
        ).output
    except LimitReached as reached:
        return reached
    except TimeoutError:
        return LimitReached(
            f"Agent '{definition.name}' came to no decision within {definition.limits.seconds} s",
            hint="raise limits.seconds, or make its task smaller; its reads are on record",
        )
    except UsageLimitExceeded as error:
        return LimitReached(
            f"Agent '{definition.name}' reached a limit before it came to a decision: {error}",
            hint="raise its limits, or make its task smaller; its reads are on record",
        )
    except (AgentRunError, UserError) as error:
        if isinstance(error, UnexpectedModelBehavior):
            journal.end(EndState.FAILED)
        raise AgentRunFailed(
            f"Agent '{definition.name}' came to no valid decision: {str(error).splitlines()[0]}",
            hint="its reads are on record: governed-agents reads --agent " + definition.name,
        ) from error
    finally:
        reader.wait()


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


def _run_bounded(
    start: Callable[[], Coroutine[Any, Any, ResultT]],
    seconds: float,
    *,
    give_up: Callable[[], None],
) -> ResultT:
    """Runs a coroutine to its end, or for `seconds`, in a thread and event loop of its own: the caller may have one.

    `give_up` is called where the time is over or the caller is interrupted: what the coroutine waits for may run in a thread, which does not end
    by itself.
    """
    begun: Future[Callable[[], object]] = Future()

    async def bounded() -> ResultT:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        begun.set_result(partial(loop.call_soon_threadsafe, task.cancel))
        loop.call_later(seconds, give_up)
        async with asyncio.timeout(seconds):
            return await start()

    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(copy_context().run, asyncio.run, bounded())
        try:
            return running.result()
        except BaseException:
            if not running.done():
                give_up()
                begun.result()()
            raise
