"""A server of governed metrics as its clients call it: tools of the Model Context Protocol (2026-07-28), one request over HTTP for each call."""

import itertools
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx

from semantic.canonical import exact_value
from semantic.errors import NotAdmitted, ServerUnavailable

VERSION = "2026-07-28"
_PREFIX = "io.modelcontextprotocol/"
_CLIENT = {"name": "governed-metrics-client", "version": "1"}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TOLD = 300


class MetricsServer:
    """A server at a URL, called with a token. Safe for threads. Raises `ServerUnavailable` for a URL over which a token would be sent in the clear."""

    def __init__(self, url: str, token: str | Callable[[], str], *, seconds: float) -> None:
        _refuse_unsafe(url)
        self._url = url
        self._token = token
        self._seconds = seconds
        self._ids = itertools.count(1)

    @cached_property
    def _client(self) -> httpx.Client:
        # A connection that could not be made is tried again. What was sent is not: it may have been read.
        return httpx.Client(timeout=self._seconds, transport=httpx.HTTPTransport(retries=2))

    def close(self) -> None:
        """Closes the connections."""
        if "_client" in vars(self):
            self._client.close()

    def call(self, tool: str, arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
        """What a tool tells, and whether that is a refusal. Arguments that are None are not sent. Raises `NotAdmitted` and `ServerUnavailable`."""
        given = {name: value for name, value in arguments.items() if value is not None}
        number = next(self._ids)
        result = self._result_of(self._send(tool, given, number), number)
        told = result.get("structuredContent")
        if not isinstance(told, Mapping):
            raise self.not_understood("its answer has no structured content")
        return told, result.get("isError") is True

    def not_understood(self, why: str) -> ServerUnavailable:
        """The error of an answer that is none of a server of metrics."""
        return ServerUnavailable(
            f"The server at {self._url} is not understood: {why[:_TOLD]}",
            hint="is this the URL that `governed-agents serve --http` says it listens on?",
        )

    def _send(self, tool: str, arguments: Mapping[str, Any], number: int) -> httpx.Response:
        meta = {
            f"{_PREFIX}protocolVersion": VERSION,
            f"{_PREFIX}clientInfo": _CLIENT,
            f"{_PREFIX}clientCapabilities": {},
            **_trace_context(),
        }
        body = {
            "jsonrpc": "2.0",
            "id": number,
            "method": "tools/call",
            "params": {"name": tool, "arguments": arguments, "_meta": meta},
        }
        token = self._token() if callable(self._token) else self._token
        content = json.dumps(body, default=exact_value)
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "authorization": f"Bearer {token}",
            "mcp-protocol-version": VERSION,
            "mcp-method": "tools/call",
            "mcp-name": tool,
        }
        try:
            response = self._client.post(self._url, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerUnavailable(
                f"The server at {self._url} does not answer: {str(error)[:_TOLD] or type(error).__name__}",
                hint="is it started, with `governed-agents serve --http`? Whether a call that was sent was read is on record there",
            ) from error
        self._refuse_status(response)
        return response

    def _refuse_status(self, response: httpx.Response) -> None:
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise NotAdmitted(
                f"The server at {self._url} knows nobody by this token",
                hint="it may have ended or been revoked, or be for another server: "
                "mint one with `governed-agents tokens mint`, or ask the issuer for one for this URL",
            )
        if response.status_code == httpx.codes.FORBIDDEN:
            challenge = response.headers.get("www-authenticate", "")
            raise NotAdmitted(
                f"The token lacks a scope at the server at {self._url}",
                hint=challenge[:_TOLD] or None,
            )
        if not response.is_success:
            raise ServerUnavailable(
                f"The server at {self._url} answered with status {response.status_code}",
                hint="why is in the server's log and, of a request that was refused, on its record",
            )

    def _result_of(self, response: httpx.Response, number: int) -> Mapping[str, Any]:
        try:
            message = _message_of(response, number)
        except ValueError as error:
            raise self.not_understood(str(error)) from error
        if "error" in message:
            raise self.not_understood(f"it tells of an error: {message['error']}")
        result = message.get("result")
        if not isinstance(result, Mapping):
            raise self.not_understood("its answer has no result")
        return result


def _message_of(response: httpx.Response, number: int) -> Mapping[str, Any]:
    """The message that answers a request. Raises `ValueError` where there is none."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        found = [
            json.loads(line.removeprefix("data:"))
            for line in response.text.split("\n")
            if line.startswith("data:") and line.strip() != "data:"
        ]
    else:
        found = [response.json()]
    for message in found:
        if isinstance(message, Mapping) and message.get("id") == number:
            return message
    raise ValueError("no message answers the request")


def _refuse_unsafe(url: str) -> None:
    if not _is_safe(url):
        raise ServerUnavailable(
            f"{url!r} is no address to send a token to",
            hint="it begins with https://, or is http:// on this machine (127.0.0.1)",
        )


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    )


def _trace_context() -> Mapping[str, str]:
    """The span of now, where this program has any: the server's spans are joined to it."""
    try:
        from opentelemetry import propagate
    except ImportError:
        return {}
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier
