"""What an agent may propose for a failed Dagster run: a closed set of tools. A call asks for a remedy and does nothing by itself; the sensor of recoveries does what was allowed, and looks what
came of it.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from agent_resources.tool import Effect, Tool

RunId = Annotated[str, Field(min_length=8, max_length=64)]
Why = Annotated[str, Field(min_length=1, max_length=500)]
Minutes = Annotated[int, Field(ge=1, le=1_440)]


class Remedy(StrEnum):
    """What may be done about a failed run."""

    RETRY = "retry"
    RETRY_WITH_MORE_RESOURCES = "retry_with_more_resources"
    REFRESH_UPSTREAM = "refresh_upstream"
    WAIT = "wait"
    ESCALATE = "escalate"


def retry(run_id: RunId, why: Why, idempotency_key: str) -> dict[str, Any]:
    """Makes again what a failed run did not make, in a new run. For what passes by itself: a connection that broke, a lock, a service that was away."""
    return _asked(Remedy.RETRY, run_id, why, idempotency_key)


def retry_with_more_resources(run_id: RunId, why: Why, idempotency_key: str) -> dict[str, Any]:
    """Makes again what a failed run did not make, with the greater resources that the operator set. For a run that was out of memory or time."""
    return _asked(Remedy.RETRY_WITH_MORE_RESOURCES, run_id, why, idempotency_key)


def refresh_upstream(run_id: RunId, why: Why, idempotency_key: str) -> dict[str, Any]:
    """Makes the assets anew that the failed ones are made from, and then these. For data that came too late, is stale or incomplete."""
    return _asked(Remedy.REFRESH_UPSTREAM, run_id, why, idempotency_key)


def wait(run_id: RunId, minutes: Minutes, why: Why, idempotency_key: str) -> dict[str, Any]:
    """Does nothing for some minutes, and then looks whether what failed was made by then. For what somebody or something else is about to mend."""
    return _asked(Remedy.WAIT, run_id, why, idempotency_key, minutes=minutes)


def escalate(run_id: RunId, why: Why, idempotency_key: str) -> dict[str, Any]:
    """Tells the people who are named for it that a failed run needs them. For an error in code or configuration, and where nothing else has helped."""
    return _asked(Remedy.ESCALATE, run_id, why, idempotency_key)


_CALLS: Mapping[Remedy, Callable[..., Any]] = {
    Remedy(function.__name__): function
    for function in (retry, retry_with_more_resources, refresh_upstream, wait, escalate)
}


def tool_of(remedy: Remedy) -> Tool:
    """The tool by which an agent proposes a remedy. A policy permits it by the name of the remedy."""
    return Tool(call=f"{__name__}:{_CALLS[remedy].__name__}", effect=Effect.WRITE)


def remedy_of(tool: str) -> Remedy | None:
    """The remedy that a recorded call of a tool asks for, None where that is none of these."""
    module, _, name = tool.partition(":")
    return Remedy(name) if module == __name__ and name in set(Remedy) else None


def _asked(remedy: Remedy, run_id: str, why: str, key: str, **more: int) -> dict[str, Any]:
    return {"asked_for": remedy.value, "run_id": run_id, "why": why, "key": key, **more}
