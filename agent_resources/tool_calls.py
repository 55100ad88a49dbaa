"""Calls of the tools that an agent's author gave it: each on record before it is made, and with what it came to before the model is told.

A call that an earlier try of the run has made is not made again: its result is kept in the journal of the run.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from agent_resources.approval import ProposedAction
from agent_resources.run_journal import RunJournal
from agent_resources.tool import Tool
from semantic.ledger import Erasable, Ledger, RecordKind, Settlement, derived_id
from semantic.read_session import ReadSession
from semantic.recordable import recordable, recordable_value

_LONGEST_RESULT = 100_000
_LONGEST_RECORDED = 10_000
_LONGEST_NAME = 300


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """One call: the tool, what it is given, and the name of the call within its run."""

    tool: Tool
    arguments: Mapping[str, Any]
    name: str

    @property
    def written(self) -> str:
        """What it is given, as JSON, the same in every process."""
        plain = to_jsonable_python(_in_order(self.arguments), fallback=repr)
        return json.dumps(plain, sort_keys=True)

    @property
    def fingerprint(self) -> str:
        """The digest of what is asked of which tool."""
        return hashlib.sha256(f"{self.tool.call} {self.written}".encode()).hexdigest()


class ToolCalls:
    """The calls of one run, on record. `called` are the names of the tools that were; `proposed` those that a person has to approve, by what is asked of which
    tool.
    """

    def __init__(self, session: ReadSession, *, ledger: Ledger, journal: RunJournal) -> None:
        self._session = session
        self._ledger = ledger
        self._journal = journal
        self.called: set[str] = set()
        self.proposed: dict[str, ProposedAction] = {}

    async def make(self, call: ToolCall, act: Callable[[], Awaitable[Any]]) -> Any:
        """What the tool returns, as JSON values, or how it failed, as the model is told. Raises `LedgerUnavailable`."""
        self.called.add(call.tool.name)
        kept = self._journal.found(f"tool {call.name}", call.fingerprint)
        if kept is not None:
            return kept["result"]
        record_id = self._id_of(call)
        await asyncio.to_thread(self._write, call, record_id)
        started = time.perf_counter()
        try:
            result = _as_json(await act())
        except (Exception, SystemExit) as error:
            failed = _failed(call, error)
            await asyncio.to_thread(
                self._end, call, record_id, started, failed, reason="failed", error=error
            )
            return failed
        except BaseException:
            self._end(call, record_id, started, None, reason="stopped")
            raise
        await asyncio.to_thread(self._end, call, record_id, started, result)
        return result

    def propose(self, call: ToolCall, reason: str, message: str, hint: str) -> dict[str, str]:
        """A call that a person has to approve, as the model is told, on record, once. Raises `LedgerUnavailable`."""
        if len(call.written) > _LONGEST_RECORDED:
            return self.refuse(
                call,
                "too_long",
                f"What is given to '{call.tool.name}' is longer than the {_LONGEST_RECORDED:,} characters that can be proposed",
                "give it less",
            )
        told = self.refuse(call, reason, message, hint)
        arguments = json.loads(call.written)
        record_id = self._first_id_of(call)
        self.proposed[call.fingerprint] = ProposedAction(
            tool=call.tool.call, arguments=arguments, record_id=record_id
        )
        return told

    def refuse(
        self, call: ToolCall, reason: str, message: str, hint: str, **why: Any
    ) -> dict[str, str]:
        """A refusal as the model is told, on record with `why`, once. Raises `LedgerUnavailable`."""
        self._write(call, self._first_id_of(call), reason=reason, **why)
        return {"refused": reason, "message": message, "hint": hint}

    def refuse_unknown(self, tool: str, arguments: object, name: str) -> None:
        """Writes that a model called a tool that it was not shown. Raises `LedgerUnavailable`."""
        written = json.dumps(to_jsonable_python(arguments, fallback=repr), sort_keys=True)
        tool = recordable(tool)
        details = {"tool": Erasable(tool[:_LONGEST_NAME]), "arguments": _recorded(written)}
        self._session.record(
            RecordKind.TOOL_CALL,
            details,
            record_id=self._journal.record_id("unknown tool", name, tool, written),
            reason="not_available",
        )

    def _write(
        self, call: ToolCall, record_id: str, *, reason: str | None = None, **why: Any
    ) -> None:
        details = {
            "tool": call.tool.call,
            "effect": call.tool.effect.value,
            "arguments": _recorded(call.written),
            **why,
        }
        self._session.record(RecordKind.TOOL_CALL, details, record_id=record_id, reason=reason)

    def _end(
        self,
        call: ToolCall,
        record_id: str,
        started: float,
        result: Any,
        *,
        reason: str | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Writes how a call ended, and keeps in the same commit what it came to."""
        body = json.dumps(result, sort_keys=True)
        details = {
            "latency_us": int((time.perf_counter() - started) * 1_000_000),
            "bytes": len(body),
            **({"error": type(error).__name__} if error else {}),
        }
        is_told = reason != "stopped"
        kept = self._journal.entry(f"tool {call.name}", call.fingerprint, {"result": result})
        self._session.record(
            RecordKind.OUTCOME,
            details,
            record_id=record_id,
            reason=reason,
            terms=Settlement(kept=kept if is_told else None),
        )

    def _id_of(self, call: ToolCall) -> str:
        """The id of a call: the same in another try of the run, unless one with it began already and nobody knows how it ended."""
        found = self._first_id_of(call)
        while self._ledger.body_here(found, RecordKind.TOOL_CALL) is not None:
            found = derived_id("tool call", [found])
        return found

    def _first_id_of(self, call: ToolCall) -> str:
        return self._journal.record_id("tool call", call.name, call.fingerprint)


def _in_order(value: Any) -> Any:
    """A value in which sets are lists in an order of their own: that of a set is another one in each process."""
    match value:
        case dict():
            return {key: _in_order(item) for key, item in value.items()}
        case list() | tuple():
            return [_in_order(item) for item in value]
        case set() | frozenset():
            return sorted((_in_order(item) for item in value), key=repr)
        case _:
            return value


def _recorded(written: str) -> Erasable:
    return Erasable(written[:_LONGEST_RECORDED])


def _as_json(result: Any) -> Any:
    """What a tool returned, as JSON values. Raises `ValueError` where it is none, or too long for a model."""
    try:
        plain = recordable_value(to_jsonable_python(result))
        written = json.dumps(plain, allow_nan=False)
    except (PydanticSerializationError, TypeError) as error:
        raise ValueError("what it returned is no JSON") from error
    if len(written) > _LONGEST_RESULT:
        raise ValueError(f"what it returned is longer than {_LONGEST_RESULT:,} characters")
    return plain


def _failed(call: ToolCall, error: BaseException) -> dict[str, str]:
    """How a tool failed, as the model is told: the text of an error may hold what nobody meant to tell."""
    return {
        "failed": type(error).__name__,
        "message": f"The tool '{call.tool.name}' failed",
        "hint": "go on without it, and say what you could not do",
    }
