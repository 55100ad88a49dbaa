"""A doctor who looks at what failed, and then proposes what a test wants of it."""

from collections.abc import Generator
from typing import Any

from agent_resources.decision import Decision
from agent_resources.models import Told, ToolStep, query_metrics

PROPOSED: list[tuple[str, dict[str, Any]]] = []


def doctor() -> Generator[ToolStep, Told, Decision]:
    told = yield query_metrics(
        "dagster_failures",
        group_by=["dagster_failure__message", "dagster_failure__run", "dagster_failure__asset"],
    )
    failed = {
        record["dagster_failure__run"]: record["dagster_failure__asset"]
        for record in told.records()
    }
    last_by_message = list(failed)[-1] if failed else ""
    for remedy, arguments in PROPOSED:
        if remedy == "break":
            raise RuntimeError("the script broke")
        yield ToolStep(
            tool=remedy, arguments={"run_id": last_by_message, "why": "so it is", **arguments}
        )
    return Decision(answer="Something failed and is looked after.", confidence=1.0)
