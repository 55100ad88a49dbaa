"""A chat server on loopback that speaks the OpenAI protocol and answers by a script: what a real model's server looks like, and how one fails."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Closes without a word: the client is told that the connection was reset.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Failure:
    """A reply that is none: its status, with headers and a body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Reset:
    """No reply: the connection is reset."""


@dataclass(frozen=True)
class CutShort:
    """A reply whose connection is closed halfway through."""

    message: dict[str, Any]


@dataclass(frozen=True)
class Garbage:
    """A reply with the status 200 that is no chat completion."""

    body: bytes


@dataclass(frozen=True)
class Late:
    """A reply after some seconds."""

    message: dict[str, Any]
    seconds: float


Replied = dict[str, Any] | int | Failure | Reset | CutShort | Garbage | Late
Reply = Callable[[dict[str, Any]], Replied]


def tool_call(name: str, arguments: dict[str, Any] | str, call_id: str) -> dict[str, Any]:
    """An assistant message that calls one tool. Arguments that are a text are sent as they are."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": written},
            }
        ],
    }


class _Handler(BaseHTTPRequestHandler):
    reply: Callable[[dict[str, Any]], Replied]
    requests: list[dict[str, Any]]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        asked = json.loads(self.rfile.read(length))
        asked["_headers"] = {name.lower(): value for name, value in self.headers.items()}
        self.requests.append(asked)
        self._answer(self.reply(asked), asked["model"])

    def _answer(self, replied: Replied, model: str) -> None:
        match replied:
            case int(status):
                self._send(b"", status)
            case Failure(status, headers, body):
                self._send(body, status, headers)
            case Reset():
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                self.close_connection = True
                self.connection.close()
            case CutShort(message):
                body = self._completion(message, model)
                self._send(body[: len(body) // 2], promised=len(body))
                self.close_connection = True
            case Garbage(body):
                self._send(body)
            case Late(message, seconds):
                time.sleep(seconds)
                self._send(self._completion(message, model))
            case message:
                self._send(self._completion(message, model))

    def _completion(self, message: dict[str, Any], model: str) -> bytes:
        return json.dumps(
            {
                "id": f"chat-{len(self.requests)}",
                "object": "chat.completion",
                "created": 0,
                "model": model,
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            }
        ).encode()

    def _send(
        self,
        body: bytes,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        promised: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        # Who waited too long is gone.
        with suppress(OSError):
            self.wfile.write(body)

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def openai_server(reply: Reply) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The base URL of a running server, and the requests that it has had, with their headers under `_headers`.

    A reply that is a number is the status of an error.
    """
    requests: list[dict[str, Any]] = []
    handler = type("Handler", (_Handler,), {"reply": staticmethod(reply), "requests": requests})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
