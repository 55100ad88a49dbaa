"""The tools that an agent's author gave it, as its chat model is shown them: granted, held back where they write, and on record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset, ToolsetTool, WrapperToolset

from agent_resources.errors import AgentDefinitionError
from agent_resources.guardrails.tool_effects import ToolEffects
from agent_resources.guardrails.tool_grants import ToolGrants
from agent_resources.metric_tools import MetricReader, call_name
from agent_resources.tool import Tool
from agent_resources.tool_calls import ToolCall, ToolCalls
from semantic.policy import Policy, Reader


@dataclass
class _Recorded(WrapperToolset[MetricReader]):
    """Tools of which every call is on record."""

    tools: dict[str, Tool]
    calls: ToolCalls

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[MetricReader],
        tool: ToolsetTool[MetricReader],
    ) -> Any:
        call = ToolCall(tool=self.tools[name], arguments=tool_args, name=call_name(ctx))
        made = super().call_tool
        return await self.calls.make(call, lambda: made(name, tool_args, ctx, tool))


def build_own_toolset(
    tools: Sequence[Tool], *, policy: Policy, reader: Reader, calls: ToolCalls, seconds: float
) -> AbstractToolset[MetricReader]:
    """The tools of an agent's author, each for at most so many seconds. Raises `AgentDefinitionError` where one cannot be imported any more."""
    by_name = {tool.name: tool for tool in tools}
    functions: FunctionToolset[MetricReader] = FunctionToolset(max_retries=3, timeout=seconds)
    for tool in tools:
        try:
            functions.add_function(tool.load_as_shown(), takes_ctx=False, name=tool.name)
        except (ImportError, AttributeError) as error:
            raise AgentDefinitionError(f"The tool '{tool.call}' cannot be imported") from error
    recorded = _Recorded(functions, tools=by_name, calls=calls)
    held_back = ToolEffects(recorded, tools=by_name, calls=calls)
    return ToolGrants(held_back, tools=by_name, policy=policy, reader=reader, calls=calls)
