"""The server over streamable HTTP: who calls is known by a token, and the page, the name and the size of each request are looked at first."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import (
    RequestBodyLimitMiddleware,
    TransportSecurityMiddleware,
    TransportSecuritySettings,
)
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_resources.mcp_server.at_the_door import AtTheDoor
from agent_resources.mcp_server.issuer import Issuer
from agent_resources.mcp_server.known_by_token import KnownByToken
from agent_resources.mcp_server.patience import Patience
from agent_resources.mcp_server.principal import Principal
from agent_resources.mcp_server.serve_file import ServeSettings
from agent_resources.mcp_server.server import build_server
from agent_resources.mcp_server.step_up import StepUp
from semantic.errors import GovernedMetricsError

_LOG = logging.getLogger(__name__)
PATH = "/mcp"
_WELL_KNOWN = "/.well-known/oauth-protected-resource"
FORGED = "a host or an origin that is none of the server's"


def build_http_app(
    door: AtTheDoor,
    settings: ServeSettings,
    *,
    host: str,
    port: int,
) -> Starlette:
    """The application that listens on a host and a port."""
    url = url_of(settings, host, port)
    metadata_url = _metadata_url(url) if settings.issuers else None
    server = build_server(door, _principal)
    security = _security(settings, url, host, port)
    manager = StreamableHTTPSessionManager(
        app=server,
        security_settings=security,
        max_request_body_size=settings.limits.request_bytes,
    )
    known = KnownByToken(door, _issuers(settings, url), url=url)
    endpoint = RequireAuthMiddleware(
        RequestBodyLimitMiddleware(
            StepUp(StreamableHTTPASGIApp(manager), door, metadata_url),
            settings.limits.request_bytes,
        ),
        [],
        AnyHttpUrl(metadata_url) if metadata_url else None,
    )
    routes = [Route(PATH, endpoint=endpoint)]
    if metadata_url:
        routes += [
            Route(path, endpoint=_metadata(settings, url), methods=["GET"])
            for path in {_WELL_KNOWN, urlsplit(metadata_url).path}
        ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    return Starlette(
        routes=routes,
        middleware=[
            Middleware(_Unavailable),
            Middleware(Patience, seconds=settings.limits.patience_seconds),
            Middleware(_FromHere, door=door, security=security),
            Middleware(
                AuthenticationMiddleware,
                backend=BearerAuthBackend(known, resource_server_url=AnyHttpUrl(url)),
            ),
        ],
        lifespan=lifespan,
    )


def url_of(settings: ServeSettings, host: str, port: int) -> str:
    """By what clients name the server."""
    return settings.url or f"http://{_in_url(host)}:{port}{PATH}"


class _Unavailable:
    """Answers where the record or the keys of an issuer cannot be read, and where a client was too slow. Why is for the operator's log: who asks may be anybody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def sent(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except (GovernedMetricsError, TimeoutError) as error:
            is_slow = isinstance(error, TimeoutError)
            if not is_slow:
                _LOG.warning("a request cannot be answered: %s", error)
            if not has_begun:
                said = {"error": "request_timeout" if is_slow else "temporarily_unavailable"}
                await JSONResponse(said, status_code=408 if is_slow else 503)(scope, receive, send)


class _FromHere:
    """Refuses what names another host, or comes from a web page that may not call."""

    def __init__(self, app: ASGIApp, door: AtTheDoor, security: TransportSecuritySettings) -> None:
        self._app = app
        self._door = door
        self._security = TransportSecurityMiddleware(security)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = await self._security.validate_request(Request(scope), is_post=False)
            if refusal is not None:
                await self._door.beside(lambda: self._door.refused.add(FORGED))
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _principal(context: ServerRequestContext[Any, Any]) -> Principal:
    """Who is known by the token of a request: of this one, whatever came before over the same connection."""
    user = getattr(context.request, "user", None)
    principal = getattr(getattr(user, "access_token", None), "principal", None)
    assert isinstance(principal, Principal), "nobody is known by this request"
    return principal


def _issuers(settings: ServeSettings, url: str) -> dict[str, Issuer]:
    return {
        text.issuer: Issuer(text, audience=url, has_scopes=bool(settings.scopes))
        for text in settings.issuers
    }


def _security(settings: ServeSettings, url: str, host: str, port: int) -> TransportSecuritySettings:
    """The names by which the server may be called, and the pages from which."""
    public = urlsplit(url)
    hosts = {public.netloc, f"{_in_url(host)}:{port}", f"127.0.0.1:{port}", f"localhost:{port}"}
    if public.port is None and public.hostname:
        hosts.add(f"{public.hostname}:{443 if public.scheme == 'https' else 80}")
    own = {f"{public.scheme}://{public.netloc}"}
    return TransportSecuritySettings(
        allowed_hosts=sorted(hosts),
        allowed_origins=sorted(own | {origin.rstrip("/") for origin in settings.origins}),
    )


def _metadata_url(url: str) -> str:
    """Where RFC 9728 has the metadata of a resource."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path.rstrip('/')}"


def _metadata(settings: ServeSettings, url: str) -> Any:
    async def metadata(_: Request) -> Response:
        return JSONResponse(
            {
                "resource": url,
                "authorization_servers": [item.issuer for item in settings.issuers],
                "bearer_methods_supported": ["header"],
                "scopes_supported": list(settings.metric_scopes.names),
                "resource_name": "Governed metrics",
            }
        )

    return metadata


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
