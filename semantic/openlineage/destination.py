"""Where OpenLineage events go: a file, an address, or what the OpenLineage client is configured for. Only ways of which it is known that an event arrived."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openlineage.client import OpenLineageClient
from openlineage.client.transport import Transport
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import HttpConfig, HttpTransport

from semantic.errors import GovernedMetricsError

CONFIGURED = "configured"
_SECONDS = 10
# What gives events to nobody, says nothing of whether they arrived, or gives them to several of which one may fail.
_TELLS_NOTHING = {
    "noop": "OPENLINEAGE_DISABLED is true",
    "console": "the client is configured for nothing, and would write events into the log",
    "async_http": "async_http does not tell whether an event arrived: configure http",
    "datadog": "datadog does not tell whether an event arrived: configure http with its address",
    "composite": "of several transports one may fail after another had the event: send to each by itself",
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
        return _checked(None)
    if "://" in place:
        return _checked(_to_address(place))
    path = Path(place).expanduser().absolute()
    if path.is_dir():
        raise DestinationError(f"{path} is a folder", hint="name a file in it")
    return _checked(FileTransport(FileConfig(log_file_path=str(path), append=True)))


def _to_address(place: str) -> HttpTransport:
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DestinationError(
            f"{parts.scheme}:// is no address that events are sent to",
            hint=f"name one that begins with http:// or https://, or '{CONFIGURED}' for other transports of the client",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise DestinationError(
            "An address with a password or a key in it would stand on record",
            hint=f"configure the client, with its api key in the environment, and name '{CONFIGURED}'",
        )
    address = f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
    # Who could not be reached is asked again later, so not for long now.
    return HttpTransport(HttpConfig(url=address, timeout=_SECONDS, retry={"total": 0}))


def _checked(transport: Transport | None) -> Destination:
    """A client for a transport, or for what it is configured for, that loses no event without a word."""
    try:
        client = OpenLineageClient(transport=transport)
        last = list(_each(client.transport))[-1]
    except (
        Exception
    ) as error:  # a file, an environment and a transport of anybody's may be wrong in any way
        raise DestinationError(
            f"The OpenLineage client is configured wrongly: {_first_line(error)}",
            hint="see OPENLINEAGE_URL, OPENLINEAGE_CONFIG and openlineage.yml",
        ) from error
    if last.kind in _TELLS_NOTHING:
        raise DestinationError(
            f"No event would be known to arrive: {_TELLS_NOTHING[last.kind]}",
            hint="set OPENLINEAGE_URL, or name a file or an address",
        )
    if client.config.filters:
        raise DestinationError(
            "The filters of the OpenLineage client leave events out without a word",
            hint="remove them from OPENLINEAGE_CONFIG, openlineage.yml or the environment",
        )
    if isinstance(last, HttpTransport):
        # One that leads elsewhere would be followed without the event.
        last.session.max_redirects = 0
    return Destination(name=_name(last), client=client)


def _each(transport: Transport) -> Iterator[Transport]:
    """A transport, and those that it hands on to."""
    yield transport
    inner = getattr(transport, "transport", None)
    if isinstance(inner, Transport):
        yield from _each(inner)


def _name(transport: Transport) -> str:
    """What tells a destination from another, without keys and passwords."""
    config: Any = getattr(transport, "config", None)
    if isinstance(transport, HttpTransport):
        parts = urlsplit(transport.url)
        host = parts.netloc.rpartition("@")[2].lower()
        return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/{transport.endpoint.strip('/')}"
    if isinstance(transport, FileTransport):
        return str(Path(transport.config.log_file_path).absolute())
    servers = getattr(config, "config", None) or {}
    told = (getattr(config, "topic", ""), servers.get("bootstrap.servers", ""))
    kind = transport.kind or type(transport).__name__
    return " ".join(filter(None, (kind, *map(str, told))))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
