"""Agents of the registry as AgentCards of A2A 1.0, signed as it says: JWS over the canonical JSON of RFC 8785.

A card says what an agent is for and where it is to be found. Nobody calls an agent by it: its interface is the asset in the Dagster UI.
"""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.canonical import canonical_json
from semantic.errors import QuestionError
from semantic.keys import public_hex

# What may be asked of an agent over its interface is Dagster's own, which no binding of A2A is.
BINDING = "DAGSTER_ASSET"
_PROTOCOL = "1.0"
_KEY_ID = 16


def agent_card(agent: Mapping[str, Any], dagster: str) -> dict[str, Any]:
    """The card of an agent as the registry shows it. `dagster` is where the UI is. Raises `QuestionError` where that is no address."""
    parts = urlsplit(dagster)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise QuestionError(
            f"{dagster!r} is no address of a Dagster UI",
            hint="write one as in https://dagster.example.com",
        )
    name, metrics = str(agent["agent"]), [str(it) for it in agent["is_given"]]
    page = f"{dagster.rstrip('/')}/assets/{quote(str(agent['asset']))}"
    described = str(agent["description"])
    card: dict[str, Any] = {
        "name": name,
        "description": described,
        "version": str(agent["definition_hash"]),
        "supportedInterfaces": [
            {"url": page, "protocolBinding": BINDING, "protocolVersion": _PROTOCOL}
        ],
        "capabilities": {},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain", "application/json"],
        "skills": [
            {
                "id": name,
                "name": name.replace("_", " "),
                "description": described,
                "tags": [f"metric:{it}" for it in metrics] or ["no metrics"],
            }
        ],
        "documentationUrl": page,
    }
    owner = agent.get("team") or agent.get("owner")
    if owner:
        card["provider"] = {"organization": str(owner), "url": dagster}
    return card


class CardSigner:
    """Signs cards with a key that others can be given the public half of, as `key_set`."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key()

    @property
    def key_id(self) -> str:
        return public_hex(self._public)[:_KEY_ID]

    @property
    def key_set(self) -> dict[str, Any]:
        """The public key, as RFC 8037 writes it."""
        key = {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": self.key_id,
            "x": _encoded(self._public.public_bytes_raw()),
        }
        return {"keys": [key]}

    def sign(self, card: Mapping[str, Any]) -> dict[str, Any]:
        """The card with a signature over everything in it that is not empty, as A2A has it."""
        header = {"alg": "EdDSA", "kid": self.key_id, "typ": "JOSE"}
        protected = _encoded(canonical_json(header))
        payload = _encoded(canonical_json(_without_empty(dict(card))))
        signature = _encoded(self._key.sign(f"{protected}.{payload}".encode()))
        return {**card, "signatures": [{"protected": protected, "signature": signature}]}


def _without_empty(value: Any) -> Any:
    """Without empty texts, lists and mappings, which do not count."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ("", [], {}, None)}
    if isinstance(value, list):
        return [it for it in map(_without_empty, value) if it not in ("", [], {}, None)]
    return value


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
