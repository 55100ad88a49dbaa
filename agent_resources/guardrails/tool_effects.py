"""Holds back what changes something outside until a person has approved it."""

from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from agent_resources.metric_tools import MetricReader, call_name
from agent_resources.tool import Effect, Tool
from agent_resources.tool_calls import ToolCall, ToolCalls

APPROVAL_NEEDED = "approval_needed"


def needs_approval(tool: str) -> dict[str, str]:
    """What a model is told of a call that a person has to approve."""
    return {
        "refused": APPROVAL_NEEDED,
        "message": f"The tool '{tool}' changes something outside, so that a person has to approve the call",
        "hint": "it was not done: it is proposed to a person together with your answer, so say there why",
    }


@dataclass
class ToolEffects(WrapperToolset[MetricReader]):
    """Tools of which those that write are not called: what was to be done is on record, for a person to approve."""

    tools: dict[str, Tool]
    calls: ToolCalls

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[MetricReader],
        tool: ToolsetTool[MetricReader],
    ) -> Any:
        """What the tool returns, or the refusal."""
        if self.tools[name].effect is not Effect.WRITE:
            return await super().call_tool(name, tool_args, ctx, tool)
        call = ToolCall(tool=self.tools[name], arguments=tool_args, name=call_name(ctx))
        told = needs_approval(name)
        return self.calls.propose(call, told["refused"], told["message"], told["hint"])
