"""Takes out of what tools return what a chat model should not see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from agent_resources.guardrails.findings import Channel, Findings
from agent_resources.guardrails.screen import Screen, screen_value
from agent_resources.metric_tools import QUERY_METRICS, MetricReader, call_name

# Of a tool that reads metrics it is an id of ours.
_READ_ID = "read_id"


@dataclass
class ScreenedTools(WrapperToolset[MetricReader]):
    """Tools in whose results `[what it is]` stands for what the screens found. What they found is on record, and the model is told."""

    screens: Sequence[Screen]
    findings: Findings

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[MetricReader],
        tool: ToolsetTool[MetricReader],
    ) -> Any:
        """What the tool returns, screened."""
        result = await super().call_tool(name, tool_args, ctx, tool)
        screened = screen_value(result, self.screens)
        if not screened.found:
            return result
        read_id = result.get(_READ_ID) if name == QUERY_METRICS else None
        details = {_READ_ID: read_id} if read_id else {}
        await self.findings.record_soon(
            screened.found, Channel.RESULT, call_name(ctx), tool=name, **details
        )
        if not isinstance(screened.value, dict):
            return screened.value
        found = [f"{times} x {what}" for (_, what), times in sorted(screened.found.items())]
        return screened.value | {"screened": found} | details
