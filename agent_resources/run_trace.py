"""The spans of an agent run: the run, its turns, and the tools that it calls in each. Requests to models and reads start their own.

invoke_agent operations_watch
turn 1
chat gpt-5-mini
execute_tool query_metrics
governed_read
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span
from pydantic_ai import RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from agent_resources.agent import AgentDefinition
from agent_resources.metric_tools import QUERY_METRICS, MetricReader
from semantic.ledger import ReadContext
from semantic.spans import Attributes, GenAi, Ours, span, start, tell


class RunTrace:
    """The span of a run, and of the turn that it is in."""

    def __init__(self, run: Span) -> None:
        self._run = run
        self._turn: Span | None = None
        self._turns = 0

    @classmethod
    @contextmanager
    def of(
        cls, definition: AgentDefinition, context: ReadContext, snapshot: str
    ) -> Iterator["RunTrace"]:
        """The trace of a run, which ends with the block."""
        attributes: Attributes = {
            GenAi.OPERATION: "invoke_agent",
            GenAi.AGENT: definition.name,
            GenAi.AGENT_VERSION: definition.hash,
            GenAi.CONVERSATION: context.root_run_id,
            Ours.DAGSTER_RUN: context.run_id,
            Ours.DAGSTER_STEP: context.step_key,
            Ours.SNAPSHOT: snapshot,
        }
        with span(f"invoke_agent {definition.name}", attributes) as run:
            made = cls(run)
            try:
                yield made
            finally:
                made.end_turn()

    def begin_turn(self) -> Span:
        """Ends the turn before, and begins the next one."""
        self.end_turn()
        self._turns += 1
        under = trace.set_span_in_context(self._run)
        self._turn = start(f"turn {self._turns}", {Ours.TURN: self._turns}, under=under)
        return self._turn

    def end_turn(self) -> None:
        """Ends the turn, if there is one."""
        if self._turn is not None:
            self._turn.end()
            self._turn = None

    @property
    def turn(self) -> Span:
        """The span of the turn, or of the run before there is one."""
        return self._turn or self._run

    def tell(self, attributes: Attributes) -> None:
        """Says how the run ended."""
        tell(self._run, attributes)


class TracedModel(WrapperModel):
    """A chat model each request to which begins a turn."""

    def __init__(self, model: Model, run: RunTrace) -> None:
        super().__init__(model)
        self._run = run

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The response. Raises what the model raises."""
        with trace.use_span(
            self._run.begin_turn(), record_exception=False, set_status_on_exception=False
        ):
            return await self.wrapped.request(messages, model_settings, model_request_parameters)


@dataclass
class TracedTools(WrapperToolset[MetricReader]):
    """Tools of which each call is a span of the turn that it is made in."""

    run: RunTrace

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[MetricReader],
        tool: ToolsetTool[MetricReader],
    ) -> Any:
        """What the tool returns."""
        attributes: Attributes = {
            GenAi.OPERATION: "execute_tool",
            GenAi.TOOL: name,
            GenAi.TOOL_CALL: ctx.tool_call_id,
        }
        under = trace.set_span_in_context(self.run.turn)
        with span(f"execute_tool {name}", attributes, under=under) as called:
            result = await super().call_tool(name, tool_args, ctx, tool)
            # What another tool returns is its own, and no attribute of a span.
            if name == QUERY_METRICS:
                told: Attributes = {
                    Ours.RECORD: result.get("read_id"),
                    Ours.REFUSED: result.get("refused"),
                }
                tell(called, told)
            return result
