"""The tools as a client is told of them: the same for everybody, in one order."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import mcp_types as types
from pydantic import BaseModel

from agent_resources.mcp_server.arguments import (
    DescribeMetric,
    DimensionValues,
    ListMetrics,
    ListSavedQueries,
    QueryMetrics,
    plain_schema,
)
from agent_resources.mcp_server.results import (
    Answer,
    ExplanationView,
    MetricList,
    MetricView,
    SavedQueryList,
)

_TOOLS: Mapping[str, tuple[str, type[BaseModel], type[BaseModel]]] = {
    "describe_metric": ("Describe a metric", DescribeMetric, MetricView),
    "dimension_values": ("List the values of a dimension", DimensionValues, Answer),
    "explain_query": ("Explain a query", QueryMetrics, ExplanationView),
    "list_metrics": ("List metrics", ListMetrics, MetricList),
    "list_saved_queries": ("List saved queries", ListSavedQueries, SavedQueryList),
    "query_metrics": ("Read metrics", QueryMetrics, Answer),
}


@cache
def tools() -> tuple[types.Tool, ...]:
    """Every tool, by name."""
    return tuple(
        types.Tool(
            name=name,
            title=title,
            description=prompt(name),
            input_schema=plain_schema(taken, "validation"),
            output_schema=plain_schema(given, "serialization"),
            annotations=types.ToolAnnotations(
                read_only_hint=True,
                destructive_hint=False,
                idempotent_hint=True,
                open_world_hint=False,
            ),
        )
        for name, (title, taken, given) in sorted(_TOOLS.items())
    )


def input_schema(name: str) -> Mapping[str, Any] | None:
    """The schema of what a tool takes, None where there is no such tool."""
    return next((tool.input_schema for tool in tools() if tool.name == name), None)


@cache
def prompt(name: str) -> str:
    """The text of `prompts/<name>.md`."""
    folder = resources.files("agent_resources.mcp_server").joinpath("prompts")
    return folder.joinpath(f"{name}.md").read_text(encoding="utf-8").strip()
