"""AgentCards: what they say, and that a signature holds for just that."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent_resources.agent_card import CardSigner, agent_card
from semantic.errors import QuestionError

AGENT: dict[str, Any] = {
    "agent": "operations_watch",
    "asset": "agents/operations_watch",
    "description": "Watches cancellations – and délais.",
    "definition_hash": "7c48",
    "is_given": ["flights", "on_time_rate"],
    "owner": "ops@example.com",
    "team": None,
}
DAGSTER = "https://dagster.example.com/"


def verified(card: dict[str, Any], key_set: dict[str, Any]) -> Any:
    """What was signed, by a library that is not ours, over the canonical form as RFC 8785 has it."""
    [signature] = card["signatures"]
    unsigned = {key: it for key, it in card.items() if key != "signatures" and it != {}}
    payload = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    encoded = jwt.utils.base64url_encode(payload.encode()).decode()
    key = jwt.PyJWKSet.from_dict(key_set).keys[0]
    token = f"{signature['protected']}.{encoded}.{signature['signature']}"
    return jwt.api_jws.decode(token, key, algorithms=["EdDSA"])


def test_a_card_says_what_an_agent_is_and_bears_a_signature() -> None:
    signer = CardSigner(Ed25519PrivateKey.generate())
    card = signer.sign(agent_card(AGENT, DAGSTER))
    assert json.loads(verified(card, signer.key_set))["name"] == "operations_watch"
    [interface] = card["supportedInterfaces"]
    assert interface["url"] == "https://dagster.example.com/assets/agents/operations_watch"
    assert card["skills"][0]["tags"] == ["metric:flights", "metric:on_time_rate"]
    assert json.loads(json.dumps(card)) == card


@pytest.mark.parametrize("field", ["name", "version", "description", "documentationUrl"])
def test_a_card_that_was_changed_does_not_hold(field: str) -> None:
    signer = CardSigner(Ed25519PrivateKey.generate())
    card = signer.sign(agent_card(AGENT, DAGSTER))
    with pytest.raises(jwt.InvalidSignatureError):
        verified({**card, field: "another"}, signer.key_set)
    other = CardSigner(Ed25519PrivateKey.generate())
    with pytest.raises(jwt.InvalidSignatureError):
        verified(card, other.key_set)


@pytest.mark.parametrize("url", ["", "dagster", "ftp://x.example", "https://user@x.example"])
def test_a_place_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(QuestionError, match="no address of a Dagster UI"):
        agent_card(AGENT, url)
