"""An agent as pydantic-ai runs it: its prompt, its tools, and what stands around them, the outermost first.

TracedTools -> RepeatedCalls -> ScreenedTools -> the tools that read metrics
                                              -> ToolGrants -> ToolEffects -> the author's own
                                              -> those of its memory
TracedModel -> Unfinished -> UnknownTools -> ShortConversation -> ConstrainedModel -> RecordedModel -> the chat models
"""

from collections.abc import Sequence

from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.models import Model
from pydantic_ai.toolsets import AbstractToolset, CombinedToolset

from agent_resources.agent import AgentDefinition, Guardrails
from agent_resources.decision import Answered
from agent_resources.guardrails.credentials import Credentials
from agent_resources.guardrails.findings import Channel, Findings
from agent_resources.guardrails.injections import Injections
from agent_resources.guardrails.links import Links
from agent_resources.guardrails.personal_data import PersonalData
from agent_resources.guardrails.repeated_calls import RepeatedCalls
from agent_resources.guardrails.screen import Screen, screen_value
from agent_resources.guardrails.screened_answer import ScreenedAnswer
from agent_resources.guardrails.screened_tools import ScreenedTools
from agent_resources.guardrails.unfinished import Unfinished
from agent_resources.guardrails.unknown_tools import UnknownTools
from agent_resources.memory.conversation import ShortConversation
from agent_resources.metric_tools import MetricReader, prompt
from agent_resources.output_type import answered_type
from agent_resources.run_trace import RunTrace, TracedModel, TracedTools
from agent_resources.tool_calls import ToolCalls
from semantic.answer import MetricAnswer
from semantic.recordable import recordable

Engine = Agent[MetricReader, Answered]


def build_engine(
    definition: AgentDefinition,
    model: Model,
    toolsets: Sequence[AbstractToolset[MetricReader]],
    *,
    calls: ToolCalls,
    findings: Findings,
    trace: RunTrace,
) -> Engine:
    """The engine of one run of an agent, over the tools that it has."""
    if definition.memory.conversation_tokens is not None:
        model = ShortConversation(model, definition.memory.conversation_tokens)
    screened = ScreenedTools(
        CombinedToolset(toolsets),
        screens=_screens_of_results(definition.guardrails),
        findings=findings,
    )
    engine = Agent(
        TracedModel(Unfinished(UnknownTools(model, calls)), trace),
        name=definition.name,
        deps_type=MetricReader,
        output_type=answered_type(definition.output),
        instructions=f"{definition.instructions}\n\n{prompt('rules')}",
        toolsets=[TracedTools(RepeatedCalls(screened, agent=definition.name), run=trace)],
        retries=3,
    )
    answer = ScreenedAnswer(_screens_of_answers(definition.guardrails), findings)

    @engine.output_validator
    async def passes(context: RunContext[MetricReader], decision: Answered) -> Answered:
        await answer.check(decision, f"{context.run_step:03}")
        _refuse_uncited(context.deps, decision)
        return decision

    return engine


def screened_question(question: str, definition: AgentDefinition, findings: Findings) -> str:
    """A person's question as the chat model is asked it. What was taken out is on record."""
    screened = screen_value(recordable(question), _screens_of_questions(definition.guardrails))
    findings.record(screened.found, Channel.QUESTION, "question")
    return str(screened.value)


def screened_data(text: str, definition: AgentDefinition, findings: Findings) -> str:
    """What a run is told of data before it has asked for any. What was taken out is on record."""
    screened = screen_value(recordable(text), _screens_of_results(definition.guardrails))
    findings.record(screened.found, Channel.RESULT, "because")
    return str(screened.value)


def _screens_of_questions(guardrails: Guardrails) -> Sequence[Screen]:
    """A person's own words are instructions: they are not looked through for any."""
    personal = (PersonalData(),) if guardrails.personal_data == "mask" else ()
    return (Credentials(), *personal)


def _screens_of_results(guardrails: Guardrails) -> Sequence[Screen]:
    injections = Injections(is_withheld=guardrails.injections == "withhold")
    return (injections, *_screens_of_questions(guardrails))


def _screens_of_answers(guardrails: Guardrails) -> Sequence[Screen]:
    links = (Links(),) if guardrails.links == "refuse" else ()
    return (*_screens_of_questions(guardrails), *links)


def _refuse_uncited(reader: MetricReader, decision: Answered) -> None:
    """Raises `ModelRetry` where a figure cites what is no answer of this run."""
    answered = {
        item.result.read_id for item in reader.reads if isinstance(item.result, MetricAnswer)
    }
    for figure in decision.figures():
        if figure.read_id not in answered:
            raise ModelRetry(
                f"The figure '{figure.name}' cites {figure.read_id!r}, which is no answer of this run. "
                f"Cite one of: {', '.join(sorted(answered)) or 'nothing was answered'}"
            )
