"""A boss who reads, and then proposes what a test wants of him."""

from collections.abc import Generator
from typing import Any

from agent_resources.decision import Decision
from agent_resources.models import Told, ToolStep, query_metrics

PROPOSED: list[tuple[str, dict[str, Any]]] = []


def proposing() -> Generator[ToolStep, Told, Decision]:
    told = yield query_metrics("revenue")
    [record] = told.records()
    for tool, arguments in PROPOSED:
        yield ToolStep(tool=tool, arguments=arguments)
    return Decision(answer=f"Revenue is {record['revenue']}, somebody should know.", confidence=1.0)
