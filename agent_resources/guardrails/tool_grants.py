"""Lets an agent call only the tools that the central policy grants it, whoever put them into its file."""

from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from agent_resources.metric_tools import MetricReader, call_name
from agent_resources.tool import Tool
from agent_resources.tool_calls import ToolCall, ToolCalls
from semantic.policy import Policy, Reader


@dataclass
class ToolGrants(WrapperToolset[MetricReader]):
    """Tools of an author's own, without those that the policy does not permit. It is asked again when one is called."""

    tools: dict[str, Tool]
    policy: Policy
    reader: Reader
    calls: ToolCalls

    async def get_tools(
        self, ctx: RunContext[MetricReader]
    ) -> dict[str, ToolsetTool[MetricReader]]:
        """Those that may be called, by name."""
        return {
            name: tool
            for name, tool in (await super().get_tools(ctx)).items()
            if self.policy.may_call(self.reader, name).is_permitted
        }

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[MetricReader],
        tool: ToolsetTool[MetricReader],
    ) -> Any:
        """What the tool returns, or the refusal."""
        verdict = self.policy.may_call(self.reader, name)
        if verdict.is_permitted:
            return await super().call_tool(name, tool_args, ctx, tool)
        call = ToolCall(tool=self.tools[name], arguments=tool_args, name=call_name(ctx))
        return self.calls.refuse(
            call,
            "not_permitted",
            f"The tool '{name}' is not permitted to '{self.reader.name}'",
            "go on without it, and say what you could not do",
            rules=list(verdict.rules),
            why=verdict.why,
        )
