"""Stops a model that goes in a circle."""

import hashlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset
from pydantic_core import to_jsonable_python

from agent_resources.errors import LimitReached
from agent_resources.metric_tools import MetricReader

# A model that asks the same once or twice again may have lost sight of it.
MOST_OFTEN = 3


@dataclass
class RepeatedCalls(WrapperToolset[MetricReader]):
    """Tools that raise `LimitReached` where one of them is called with the same arguments too often in a run: the data of a run does not
    change.
    """

    agent: str
    counted: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    async def call_tool(
        self,
        name: str,
        tool_args: dict[str, Any],
        ctx: RunContext[MetricReader],
        tool: ToolsetTool[MetricReader],
    ) -> Any:
        """What the tool returns."""
        written = json.dumps(
            [name, to_jsonable_python(tool_args, fallback=repr)], sort_keys=True
        ).encode("utf-8", "surrogatepass")
        with self.lock:
            digest = hashlib.sha256(written).hexdigest()
            self.counted[digest] += 1
            times = self.counted[digest]
        if times > MOST_OFTEN:
            raise LimitReached(
                f"Agent '{self.agent}' asked the same of '{name}' {times} times, and was going in a circle",
                hint="its data does not change during a run: say in its instructions what to do with what it read",
            )
        return await super().call_tool(name, tool_args, ctx, tool)
