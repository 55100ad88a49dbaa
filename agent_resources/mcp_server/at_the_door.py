"""Calls at the door from an event loop: each in a thread of its own, not too many at once, and stopped when nobody waits for them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

from agent_resources.mcp_server.caller import Caller
from agent_resources.mcp_server.principal import Principal
from agent_resources.mcp_server.refused_calls import RefusedCalls
from agent_resources.mcp_server.served_metrics import ServedMetrics
from semantic.errors import GovernedMetricsError, LedgerUnavailable

ResultT = TypeVar("ResultT")
BUSY = "too many at once"


class TooMany(GovernedMetricsError):
    """A principal has as many calls under way as it may."""


@dataclass(frozen=True, kw_only=True)
class CallLimits:
    """How many calls run at once, of all principals together, and how many of one may run or wait."""

    at_once: int = 16
    of_one: int = 32


@dataclass
class _Ended(Generic[ResultT]):
    """How a call ended, as the thread leaves it."""

    results: list[ResultT] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)


class AtTheDoor:
    """Runs calls of principals at the door."""

    def __init__(
        self,
        served: ServedMetrics,
        refused: RefusedCalls,
        limits: CallLimits | None = None,
    ) -> None:
        self.served = served
        self.refused = refused
        self._limits = limits or CallLimits()
        self._under_way: dict[Principal, int] = {}
        self._threads = CapacityLimiter(self._limits.at_once)
        self._beside = CapacityLimiter(self._limits.at_once)

    async def call(
        self, principal: Principal, client: Mapping[str, str], act: Callable[[Caller], ResultT]
    ) -> ResultT:
        """What `act` gives. Where the call is cancelled its query is stopped, and that is on record before this returns.

        Raises `TooMany`, what opening the door raises, and what `act` raises.
        """
        async with self._counted(principal):
            return await self._call(principal, client, act)

    async def beside(self, act: Callable[[], ResultT]) -> ResultT:
        """Something that reads no metrics and takes the record or a network, in a thread. Calls at the door cannot keep it waiting."""
        return await to_thread.run_sync(act, limiter=self._beside)

    def sweep(self) -> None:
        """Ends sessions that are over, and writes how many calls were refused. What cannot be written now is tried again."""
        with suppress(LedgerUnavailable):
            self.served.sessions.sweep()
            self.refused.sweep()

    def close(self) -> None:
        """Ends every session. Raises `LedgerUnavailable`."""
        self.served.sessions.close()
        self.refused.sweep(all_of_them=True)

    async def _call(
        self, principal: Principal, client: Mapping[str, str], act: Callable[[Caller], ResultT]
    ) -> ResultT:
        ended: _Ended[ResultT] = _Ended()
        opened: list[Caller] = []
        is_stopped = False

        def work() -> None:
            try:
                with self.served.caller(principal, client) as caller:
                    opened.append(caller)
                    if is_stopped:
                        caller.session.cancel()
                    ended.results.append(act(caller))
            except Exception as error:
                ended.errors.append(error)

        async def in_thread() -> None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(work, limiter=self._threads)
            finished.set()

        finished = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(in_thread)
            try:
                await finished.wait()
            except anyio.get_cancelled_exc_class():
                is_stopped = True
                for caller in opened:
                    caller.session.cancel()
                raise
        if ended.errors:
            raise ended.errors[0]
        return ended.results[0]

    @asynccontextmanager
    async def _counted(self, principal: Principal) -> AsyncIterator[None]:
        count = self._under_way.get(principal, 0)
        if count >= self._limits.of_one:
            await self.beside(lambda: self.refused.add(BUSY, reader=principal.name))
            raise TooMany(
                f"'{principal.name}' has {count} calls under way, and no more are taken",
                hint="wait for answers before you ask on",
            )
        self._under_way[principal] = count + 1
        try:
            yield
        finally:
            self._under_way[principal] -= 1
            if not self._under_way[principal]:
                del self._under_way[principal]
