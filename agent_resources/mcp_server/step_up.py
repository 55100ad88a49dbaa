"""What a token's scopes do not let ask for, told before the call as OAuth has it: 403 with the scopes that would do. Only where the policy permits the
metric: of others nobody learns anything here.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_resources.mcp_server.at_the_door import AtTheDoor
from agent_resources.mcp_server.known_by_token import KnownToken
from agent_resources.mcp_server.metric_resources import METRIC
from agent_resources.mcp_server.principal import Principal
from semantic.errors import GovernedMetricsError
from semantic.governed_metrics import GovernedMetrics

LACKS_SCOPE = "a scope is missing"


class StepUp:
    """Answers calls that lack a scope, and passes all others on."""

    def __init__(self, app: ASGIApp, door: AtTheDoor, metadata_url: str | None) -> None:
        self._app = app
        self._door = door
        self._metadata_url = metadata_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = getattr(scope.get("user"), "access_token", None)
        principal = token.principal if isinstance(token, KnownToken) else None
        if principal is None or principal.scopes is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        # Whole: how large it may be was looked at before.
        message = await receive()
        body: bytes = message.get("body", b"")
        lacking = await self._door.beside(lambda: self._lacking(principal, body))
        if lacking:
            await self._refuse(principal, lacking, send)
            return
        await self._app(scope, _again(message, receive), send)

    def _lacking(self, principal: Principal, body: bytes) -> tuple[str, ...]:
        try:
            door = self._door.served.published.current()
            return self._door.served.missing_scopes(principal, _metrics_in(body, door))
        except GovernedMetricsError:
            # Told where the call itself is made.
            return ()

    async def _refuse(self, principal: Principal, lacking: tuple[str, ...], send: Send) -> None:
        await self._door.beside(lambda: self._door.refused.add(LACKS_SCOPE, reader=principal.name))
        parts = ['error="insufficient_scope"', f'scope="{" ".join(lacking)}"']
        if self._metadata_url:
            parts.append(f'resource_metadata="{self._metadata_url}"')
        told = json.dumps({"error": "insufficient_scope", "scope": " ".join(lacking)}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(told)).encode()),
            (b"www-authenticate", f"Bearer {', '.join(parts)}".encode()),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": told})


def _again(first: Message, receive: Receive) -> Receive:
    """The same message once more, and then what follows."""
    left = [first]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


def _metrics_in(body: bytes, door: GovernedMetrics) -> tuple[str, ...]:
    """The metrics that a request names, as far as it can be understood here."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    params = request.get("params") if isinstance(request, Mapping) else None
    if not isinstance(params, Mapping):
        return ()
    uri = params.get("uri")
    if isinstance(uri, str):
        return (uri.removeprefix(METRIC),)
    arguments = params.get("arguments")
    return _named(arguments, door) if isinstance(arguments, Mapping) else ()


def _named(arguments: Mapping[str, Any], door: GovernedMetrics) -> tuple[str, ...]:
    named = arguments.get("metrics", arguments.get("name"))
    names = named if isinstance(named, list) else [named]
    saved = arguments.get("saved_query")
    if isinstance(saved, str) and saved in door.catalog.saved_queries:
        names = [*names, *door.catalog.saved_queries[saved].metrics]
    return tuple(name for name in names if isinstance(name, str))
