"""What is done once it was approved: the calls of tools, once each, on record before they are made and with what they came to."""

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import validate_call
from pydantic_core import to_jsonable_python

from agent_resources.agent import AgentDefinition
from agent_resources.tool import IDEMPOTENCY_KEY, Tool, takes_key
from semantic.governed_metrics import GovernedMetrics, ReadSession
from semantic.ledger import Erasable, ReadContext, RecordKind, derived_id
from semantic.ledger.approvals import Approval
from semantic.recordable import recordable_value

_LONGEST_RECORDED = 10_000


@dataclass(frozen=True, kw_only=True)
class Done:
    """A call that was made, or why it was not: `state` is done, failed, or unknown where an earlier try was cut off in it."""

    tool: str
    arguments: Mapping[str, Any]
    state: str
    returned: str


def act_on(
    approval: Approval,
    definition: AgentDefinition,
    metrics: GovernedMetrics,
    context: ReadContext,
    *,
    stopped: str | None = None,
) -> list[Done]:
    """Makes the calls of an approved proposal, each once, also where an earlier try was cut off. Where it was `stopped` since, none is begun any more.
    Raises `LedgerUnavailable`.
    """
    tools = {tool.call: tool for tool in definition.every_tool}
    with metrics.session(definition.reader, context) as session:
        return [
            _act(action, approval, tools, metrics, session, stopped) for action in approval.actions
        ]


def _act(
    action: str,
    approval: Approval,
    tools: Mapping[str, Tool],
    metrics: GovernedMetrics,
    session: ReadSession,
    stopped: str | None,
) -> Done:
    proposed = metrics.ledger.body(action, RecordKind.TOOL_CALL)
    details = proposed["details"] if proposed else {}
    tool = tools.get(details.get("tool", ""))
    arguments = recorded_arguments(details)
    if tool is None or arguments is None:
        named = str(details.get("tool", "?")).partition(":")[2]
        why = "it is of no tool of the agent any more" if arguments else "its arguments were erased"
        return Done(tool=named, arguments={}, state="failed", returned=f"not done: {why}")
    record_id = derived_id("action", [approval.approval_id, action])
    ended = metrics.ledger.body_here(record_id, RecordKind.OUTCOME)
    if ended is not None:
        return _done(
            tool, arguments, ended["reason"] or "done", str(ended["details"].get("returned", ""))
        )
    function = tool.load()
    if stopped and metrics.ledger.body_here(record_id, RecordKind.TOOL_CALL) is None:
        return _done(tool, arguments, "failed", f"not done: {stopped}")
    is_new = _begin(session, metrics, record_id, tool, approval, details)
    if not is_new and not takes_key(function):
        why = "an earlier try was cut off in it, and whether it was made nobody knows"
        _end(session, record_id, "unknown", {"returned": Erasable(why)})
        return _done(tool, arguments, "unknown", why)
    keyed = arguments | ({IDEMPOTENCY_KEY: record_id} if takes_key(function) else {})
    return _call(function, keyed, tool, arguments, session, record_id)


def _call(
    function: Callable[..., Any],
    keyed: Mapping[str, Any],
    tool: Tool,
    arguments: Mapping[str, Any],
    session: ReadSession,
    record_id: str,
) -> Done:
    started = time.perf_counter()
    try:
        called = validate_call(function)(**keyed)
        if inspect.isawaitable(called):
            called = asyncio.run(_awaited(called))
    except Exception as error:
        # The text of an error may hold what nobody meant to tell.
        told = type(error).__name__
        _end(session, record_id, "failed", _took(started, told))
        return _done(tool, arguments, "failed", told)
    plain = recordable_value(to_jsonable_python(called, fallback=repr))
    returned = json.dumps(plain, ensure_ascii=False)
    _end(session, record_id, None, _took(started, returned))
    return _done(tool, arguments, "done", returned)


async def _awaited(called: Awaitable[Any]) -> Any:
    return await called


def _begin(
    session: ReadSession,
    metrics: GovernedMetrics,
    record_id: str,
    tool: Tool,
    approval: Approval,
    details: Mapping[str, Any],
) -> bool:
    """Puts the call on record before it is made. Returns False where an earlier try did."""
    if metrics.ledger.body_here(record_id, RecordKind.TOOL_CALL) is not None:
        return False
    session.record(
        RecordKind.TOOL_CALL,
        {
            "tool": tool.call,
            "effect": tool.effect.value,
            "arguments": Erasable(str(details["arguments"])),
            "approval": approval.approval_id,
            "approved_by": approval.answered_by,
            IDEMPOTENCY_KEY: record_id,
        },
        record_id=record_id,
    )
    return True


def _end(
    session: ReadSession, record_id: str, reason: str | None, details: Mapping[str, object]
) -> None:
    session.record(RecordKind.OUTCOME, details, record_id=record_id, reason=reason)


def _took(started: float, returned: str) -> dict[str, object]:
    return {
        "latency_us": int((time.perf_counter() - started) * 1_000_000),
        "returned": Erasable(returned[:_LONGEST_RECORDED]),
    }


def recorded_arguments(details: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of a recorded call, None where they were erased or cut."""
    try:
        found = json.loads(str(details.get("arguments", "")))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _done(tool: Tool, arguments: Mapping[str, Any], state: str, returned: str) -> Done:
    return Done(tool=tool.name, arguments=arguments, state=state, returned=returned)
