"""The server on a port, until it is told to end."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from agent_resources.mcp_server.at_the_door import AtTheDoor
from agent_resources.mcp_server.http_app import build_http_app, url_of
from agent_resources.mcp_server.refused_calls import RefusedCalls
from agent_resources.mcp_server.serve_file import ServeError, ServeSettings, is_loopback
from agent_resources.mcp_server.served_metrics import ServedMetrics
from semantic.published_metrics import PublishedMetrics

_GRACE_SECONDS = 10


def serve_http(
    published: PublishedMetrics,
    settings: ServeSettings,
    *,
    host: str,
    port: int,
    on_listening: Callable[[str], None],
) -> None:
    """Serves until SIGINT or SIGTERM. Port 0 takes a free one; `on_listening` is told where clients find the server.

    Raises `ServeError` where the address is taken, or is one that others reach without TLS before it.
    """
    if not is_loopback(host) and not (settings.url or "").startswith("https://"):
        raise ServeError(
            f"{host} is reached from other machines, where tokens would be sent in the clear",
            hint="listen on 127.0.0.1 behind a proxy that ends TLS, and name its https:// url in --settings",
        )
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    door = AtTheDoor(
        ServedMetrics(published, scopes=settings.metric_scopes),
        RefusedCalls(published.ledger),
        settings.limits.calls,
    )
    config = uvicorn.Config(
        build_http_app(door, settings, host=host, port=port),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        h11_max_incomplete_event_size=16_384,
        limit_concurrency=settings.limits.connections,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    on_listening(url_of(settings, host, port))
    try:
        with _told_to_end():
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()
        door.close()


@contextmanager
def _told_to_end() -> Iterator[None]:
    """A signal ends the server and not the process: uvicorn raises it once more when it has ended, before sessions have."""
    before = {it: signal.signal(it, lambda *_: None) for it in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=256,
        )
    except OSError as error:
        raise ServeError(
            f"Cannot listen on {host}:{port}: {error.strerror}", hint="name another port"
        ) from error
