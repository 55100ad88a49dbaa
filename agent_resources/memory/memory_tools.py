"""The tools by which a chat model uses its agent's memory: remember a fact, recall facts, look at past runs and at what others decided."""

from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import FunctionToolset

from agent_resources.agent import MemoryOf
from agent_resources.memory.memory import Memory
from agent_resources.metric_tools import MetricReader, call_name, prompt


def build_memory_toolset(memory: Memory, asked: MemoryOf) -> FunctionToolset[MetricReader]:
    """The tools over a memory: those for facts, for past runs and for the decisions of others, as they are asked for."""
    toolset: FunctionToolset[MetricReader] = FunctionToolset(max_retries=3)

    def remember_fact(
        context: RunContext[MetricReader], fact: str, read_ids: list[str]
    ) -> dict[str, Any]:
        return memory.remember(fact, read_ids, context.deps, call_name(context))

    def recall_facts(context: RunContext[MetricReader], about: str = "") -> dict[str, Any]:
        return memory.facts(about, call_name(context))

    def recall_past_runs(context: RunContext[MetricReader], about: str = "") -> dict[str, Any]:
        return memory.past_runs(about, call_name(context))

    def recall_decisions(
        context: RunContext[MetricReader], agent: str, about: str = ""
    ) -> dict[str, Any]:
        return memory.decisions(agent, about, call_name(context))

    if asked.facts:
        toolset.add_function(remember_fact, description=prompt("remember_fact"))
        toolset.add_function(recall_facts, description=prompt("recall_facts"))
    if asked.past_runs:
        toolset.add_function(recall_past_runs, description=prompt("recall_past_runs"))
    if asked.decisions_of:
        whose = f"{prompt('recall_decisions')}\n`agent` is one of: {', '.join(asked.decisions_of)}."
        toolset.add_function(recall_decisions, description=whose)
    return toolset
