"""The server on a port of loopback, and an issuer whose tokens it takes."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from agent_resources.mcp_server.http_app import build_http_app
from agent_resources.mcp_server.serve_file import ServeSettings
from tests.agent_resources.mcp_server.serving import Served

VERSION = "2026-07-28"
ISSUER = "https://login.example.com"


@dataclass
class Login:
    """An issuer: its keys in a file as it publishes them, and the tokens that it makes."""

    folder: Path
    keys: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys["first"] = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self.publish()

    @property
    def file(self) -> Path:
        return self.folder / "keys.json"

    def publish(self) -> None:
        found = []
        for key_id, key in self.keys.items():
            is_rsa = isinstance(key, rsa.RSAPrivateKey)
            algorithm = jwt.algorithms.RSAAlgorithm if is_rsa else jwt.algorithms.ECAlgorithm
            public = algorithm.to_jwk(key.public_key(), as_dict=True)
            alg = "RS256" if is_rsa else "ES256"
            found.append({**public, "kid": key_id, "use": "sig", "alg": alg})
        self.file.write_text(json.dumps({"keys": found}))

    def rotate(self) -> None:
        """Other keys from now on."""
        self.keys = {"second": ec.generate_private_key(ec.SECP256R1())}
        self.publish()

    def token(
        self,
        url: str,
        *,
        key: Any = None,
        algorithm: str | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A token as a client gets one; a claim that is None is left out."""
        [(key_id, own)] = list(self.keys.items())[:1]
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": url, "sub": "analyst_desk", "iat": now, "exp": now + 600}
        written = {name: it for name, it in (usual | claims).items() if it is not None}
        alg = algorithm or ("RS256" if isinstance(own, rsa.RSAPrivateKey) else "ES256")
        return jwt.encode(
            written, key if key is not None else own, alg, headers={"kid": key_id, **(header or {})}
        )


@dataclass
class Listening:
    """A server that listens. `url` is where."""

    served: Served
    url: str

    def post(
        self, body: Any, token: str | None = None, *, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """What it answers to a body, as JSON unless it is bytes."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        method = body.get("method") if isinstance(body, dict) else None
        usual = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": VERSION,
            **({"mcp-method": method} if isinstance(method, str) else {}),
            **({"authorization": f"Bearer {token}"} if token is not None else {}),
        }
        return httpx.post(self.url, content=sent, headers=usual | (headers or {}), timeout=30)

    def call(self, token: str | None, tool: str, /, **arguments: Any) -> httpx.Response:
        """What it answers to the call of a tool, in the protocol of now."""
        return self.post(
            request("tools/call", name=tool, arguments=arguments),
            token,
            headers={"mcp-name": tool},
        )


def request(method: str, /, **params: Any) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}


@contextmanager
def listening(served: Served, login: Login | None = None, **settings: Any) -> Iterator[Listening]:
    """A server over the shop, on a free port, that takes the tokens of a login too."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        url = f"http://127.0.0.1:{port}/mcp"
        issuer = {
            "issuer": ISSUER,
            "keys": str(login.file) if login else "",
            "algorithms": ["RS256", "ES256"],
            "readers": ["analyst_*", "north", "agent_*"],
        }
        text = {"issuers": [issuer], "url": url} if login else {}
        written = ServeSettings.model_validate(text | settings)
        served.door.served.scopes = written.metric_scopes
        app = build_http_app(served.door, written, host="127.0.0.1", port=port)
        config = uvicorn.Config(
            app, log_level="critical", ws="none", timeout_graceful_shutdown=5, lifespan="on"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: server.run(sockets=[taken]), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Listening(served, url)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()
