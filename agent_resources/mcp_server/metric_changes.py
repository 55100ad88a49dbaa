"""Who is told when a metric changes: each of its own versions alone, so that nobody learns that something moved which they do not see."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent

from agent_resources.mcp_server.at_the_door import AtTheDoor
from agent_resources.mcp_server.metric_resources import CATALOG, version_of
from agent_resources.mcp_server.principal import Principal

_LOG = logging.getLogger(__name__)
_EVERY_SECONDS = 1.0
_MOST_OF_ONE = 32
_MOST = 1_024
_MOST_RESOURCES = 1_000
Tell = Callable[[str], Awaitable[None]]


@dataclass(eq=False)
class _Subscription:
    """Of whom, to which resources, and how they are told. `seen` are the versions that they know of."""

    principal: Principal
    tell: Tell
    seen: dict[str, str | None] = field(default_factory=dict)


class _Bus:
    """The events of one subscription, as the SDK's listener takes them."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[ServerEvent], None]] = []

    async def publish(self, event: ServerEvent) -> None:
        for listener in list(self._listeners):
            listener(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


class MetricChanges:
    """The subscriptions of a server. `run` looks what has been published, and tells."""

    def __init__(self, door: AtTheDoor) -> None:
        self._door = door
        self._subscriptions: list[_Subscription] = []
        self._standing: dict[tuple[Principal, str], _Subscription] = {}

    async def run(self) -> None:
        """Looks every second, until it is cancelled."""
        seen: object = None
        while True:
            await anyio.sleep(_EVERY_SECONDS)
            try:
                published = await self._door.beside(self._door.served.published.identity)
                if published != seen and self._subscriptions:
                    await self._tell_all()
                seen = published
            except Exception as error:
                # Whatever it is, the server goes on, and the next look finds what this one did not.
                _LOG.warning("nobody can be told of changes: %s", error)

    async def subscribe(
        self, principal: Principal, session: ServerSession, where: str, uri: str
    ) -> None:
        """Has a client of an older protocol be told of a resource over its connection `where`. Raises `MCPError` where it has too many."""
        found = self._standing.get((principal, where))
        if found is None:
            self._refuse_too_many(principal)

            async def tell(changed: str) -> None:
                await session.send_resource_updated(changed)

            found = _Subscription(principal=principal, tell=tell)
            self._standing[principal, where] = found
            self._subscriptions.append(found)
        if len(found.seen) >= _MOST_RESOURCES:
            raise MCPError(types.INVALID_REQUEST, f"{_MOST_RESOURCES:,} resources are subscribed")
        found.seen[uri] = (await self._versions(principal, [uri]))[uri]

    def unsubscribe(self, principal: Principal, where: str, uri: str) -> None:
        found = self._standing.get((principal, where))
        if found is not None:
            found.seen.pop(uri, None)
            if not found.seen:
                self._drop(found)

    async def listen(
        self,
        principal: Principal,
        context: ServerRequestContext[Any, Any],
        params: types.SubscriptionsListenRequestParams,
    ) -> types.SubscriptionsListenResult:
        """Serves one listening stream of protocol 2026-07-28, until its client goes. Raises `MCPError` where the principal has too many."""
        self._refuse_too_many(principal)
        bus = _Bus()

        async def tell(changed: str) -> None:
            await bus.publish(ResourceUpdated(uri=changed))
            if changed == CATALOG:
                await bus.publish(ResourcesListChanged())

        uris = [*(params.notifications.resource_subscriptions or ()), CATALOG]
        found = _Subscription(
            principal=principal, tell=tell, seen=await self._versions(principal, uris)
        )
        self._subscriptions.append(found)
        try:
            return await ListenHandler(bus)(context, params)
        finally:
            self._drop(found)

    async def _tell_all(self) -> None:
        for subscription in list(self._subscriptions):
            now = await self._versions(subscription.principal, list(subscription.seen))
            for uri, version in now.items():
                if subscription.seen.get(uri) == version:
                    continue
                subscription.seen[uri] = version
                try:
                    await subscription.tell(uri)
                except Exception as error:
                    _LOG.info("a client that subscribed is gone: %s", type(error).__name__)
                    self._drop(subscription)
                    break

    async def _versions(self, principal: Principal, uris: list[str]) -> dict[str, str | None]:
        def look() -> dict[str, str | None]:
            with self._door.served.looking(principal) as caller:
                return {uri: version_of(caller, uri) for uri in uris}

        return await self._door.beside(look)

    def _refuse_too_many(self, principal: Principal) -> None:
        own = sum(1 for it in self._subscriptions if it.principal == principal)
        if own >= _MOST_OF_ONE or len(self._subscriptions) >= _MOST:
            raise MCPError(types.INVALID_REQUEST, "There are too many subscriptions")

    def _drop(self, subscription: _Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        for key in [key for key, it in self._standing.items() if it is subscription]:
            del self._standing[key]
