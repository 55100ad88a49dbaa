"""The tools of an agent in a replay: none is called, each returns what it returned in the run. What its memory told is not kept, so it tells nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from agent_resources.guardrails.tool_effects import needs_approval
from agent_resources.metric_tools import MetricReader
from agent_resources.tool import Effect, Tool
from agent_resources.tool_calls import ToolCall


@dataclass
class ReplayedTools(WrapperToolset[MetricReader]):
    """Tools of which `returned` has what they returned, by the fingerprint of the call, and `not_recorded` the names of those that
    were called in another way.
    """

    tools: Mapping[str, Tool]
    returned: Mapping[str, Any]
    not_recorded: list[str] = field(default_factory=list)

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[MetricReader],  # noqa: ARG002
        tool: ToolsetTool[MetricReader],  # noqa: ARG002
    ) -> Any:
        """What the tool returned, or that the run did not call it so."""
        own = self.tools.get(name)
        if own and own.effect is Effect.WRITE:
            return needs_approval(name)
        call = ToolCall(tool=own, arguments=tool_args, name="") if own else None
        if call is not None and call.fingerprint in self.returned:
            return self.returned[call.fingerprint]
        self.not_recorded.append(name)
        return {
            "refused": "not_recorded",
            "message": f"In the run that is replayed '{name}' was not called with this",
            "hint": "go on without it",
        }
