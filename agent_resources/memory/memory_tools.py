"""The tools by which a chat model uses its agent's memory: remember a fact, recall facts, look at past runs."""

from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import FunctionToolset

from agent_resources.agent import MemoryOf
from agent_resources.memory.memory import Memory
from agent_resources.metric_tools import MetricReader, call_name, prompt


def build_memory_toolset(memory: Memory, asked: MemoryOf) -> FunctionToolset[MetricReader]:
    """The tools over a memory: those for facts, and the one for past runs, as they are asked for."""
    toolset: FunctionToolset[MetricReader] = FunctionToolset(max_retries=3)

    def remember_fact(
        context: RunContext[MetricReader], fact: str, read_ids: list[str]
    ) -> dict[str, Any]:
        return memory.remember(fact, read_ids, context.deps, call_name(context))

    def recall_facts(context: RunContext[MetricReader], about: str = "") -> dict[str, Any]:
        return memory.facts(about, call_name(context))

    def recall_past_runs(context: RunContext[MetricReader], about: str = "") -> dict[str, Any]:
        return memory.past_runs(about, call_name(context))

    if asked.facts:
        toolset.add_function(remember_fact, description=prompt("remember_fact"))
        toolset.add_function(recall_facts, description=prompt("recall_facts"))
    if asked.past_runs:
        toolset.add_function(recall_past_runs, description=prompt("recall_past_runs"))
    return toolset
