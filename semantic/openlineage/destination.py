"""Where OpenLineage events go: a file, an address, or what the OpenLineage client is configured for. Only ways of which it is known that an event arrived."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openlineage.client import OpenLineageClient
from openlineage.client.transport import Transport
from openlineage.client.transport.composite import CompositeTransport

from semantic.errors import GovernedMetricsError

CONFIGURED = "configured"
_SECONDS = 10
# What gives events to nobody, or says nothing of whether they arrived.
_TELLS_NOTHING = {
    "noop": "OPENLINEAGE_DISABLED is true",
    "console": "the client is configured for nothing, and would write events into the log",
    "async_http": "async_http does not tell whether an event arrived: configure http",
    "datadog": "datadog does not tell whether an event arrived: configure http with its address",
}


class DestinationError(GovernedMetricsError):
    """A place where events cannot be sent to, or not so that it is known that they arrived."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """`name` tells it from others on record, without passwords."""

    name: str
    client: OpenLineageClient


def destination(place: str) -> Destination:
    """A file, an address that begins with http:// or https://, or `configured`: what OPENLINEAGE_URL, OPENLINEAGE_CONFIG or openlineage.yml say.

    Raises `DestinationError`.
    """
    if not place.strip():
        raise DestinationError(
            "Events have no place to go",
            hint=f"name a file, an address like http://host:5000, or '{CONFIGURED}' for the client's own configuration",
        )
    if place == CONFIGURED:
        return _configured()
    if "://" in place:
        return _address(place)
    path = Path(place).expanduser().absolute()
    if path.is_dir():
        raise DestinationError(f"{path} is a folder", hint="name a file in it")
    config = {"type": "file", "log_file_path": str(path), "append": True}
    return Destination(name=f"file {path}", client=_client(config))


def _address(place: str) -> Destination:
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DestinationError(
            f"{parts.scheme}:// is no address that events are sent to",
            hint=f"name one that begins with http:// or https://, or '{CONFIGURED}' for other transports of the client",
        )
    if parts.username or parts.password:
        raise DestinationError(
            "An address with a password would stand on record",
            hint=f"configure the client, with its api key in the environment, and name '{CONFIGURED}'",
        )
    # Who could not be reached is asked again later, so not for long now.
    config = {"type": "http", "url": place, "timeout": _SECONDS, "retry": {"total": 0}}
    return Destination(name=f"address {place}", client=_client(config))


def _configured() -> Destination:
    try:
        client = OpenLineageClient()
        transports = list(_each(client.transport))
    except (
        Exception
    ) as error:  # a file, an environment and a transport of anybody's may be wrong in any way
        raise DestinationError(
            f"The OpenLineage client is configured wrongly: {_first_line(error)}",
            hint="see OPENLINEAGE_URL, OPENLINEAGE_CONFIG and openlineage.yml",
        ) from error
    for transport in transports:
        if transport.kind in _TELLS_NOTHING:
            raise DestinationError(
                f"No event would be known to arrive: {_TELLS_NOTHING[transport.kind]}",
                hint="set OPENLINEAGE_URL, or name a file or an address",
            )
    where = ", ".join(sorted({_where(it) for it in transports}))
    return Destination(name=f"{CONFIGURED} {where}", client=client)


def _each(transport: Transport) -> Iterable[Transport]:
    """The transports that a transport is made of. None of them may fail unnoticed."""
    if isinstance(transport, CompositeTransport):
        transport.config.continue_on_failure = False
        for item in transport.transports:
            yield from _each(item)
    else:
        yield transport


def _where(transport: Transport) -> str:
    config: Any = getattr(transport, "config", None)
    address = getattr(transport, "url", None) or getattr(config, "log_file_path", None)
    if address is None:
        return str(transport.kind or type(transport).__name__)
    parts = urlsplit(str(address))
    host = (
        parts._replace(netloc=parts.netloc.rpartition("@")[2], query="") if parts.netloc else None
    )
    return f"{transport.kind} {host.geturl() if host else address}"


def _client(transport: dict[str, Any]) -> OpenLineageClient:
    return OpenLineageClient(config={"transport": transport})


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
