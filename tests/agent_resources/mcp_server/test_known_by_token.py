"""Who is known by a token, and who is not: each wrong one is refused in the same words, and why is on record."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from semantic.ledger import ReadQuestion, find_reads
from semantic.ledger.tokens import mint_token, revoke_token
from tests.agent_resources.mcp_server.listening import ISSUER, Listening, Login, listening
from tests.agent_resources.mcp_server.serving import Served
from tests.semantic.door import POLICY

ORDERS = {"metrics": ["orders"]}
AGENTS = (
    POLICY
    + """
  - permit: agents read orders
    readers: ["agent_*"]
    metrics: [orders, customers]
"""
)


@pytest.fixture
def login(tmp_path: Path) -> Login:
    return Login(tmp_path)


@pytest.fixture
def server(served: Served, login: Login) -> Iterator[Listening]:
    served.publish_policy(AGENTS)
    with listening(served, login) as found:
        yield found


def test_a_token_of_an_issuer_and_one_of_the_record_make_known(
    server: Listening, login: Login
) -> None:
    secret, _ = mint_token(server.served.ledger, "analyst_desk", by="the operator", days=1)
    for token in (login.token(server.url), secret):
        answered = server.call(token, "query_metrics", **ORDERS)
        assert answered.status_code == 200, answered.text
        assert not answered.json()["result"].get("isError")
    [first, second] = find_reads(server.served.ledger, ReadQuestion(agent="analyst_desk"))
    assert first.acting_for is second.acting_for is None


def hmac_with_public_key(login: Login, url: str) -> str:
    """A token that is signed with the text of the public key as a secret."""
    public = login.keys["first"].public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = part({"alg": "HS256", "typ": "JWT", "kid": "first"})
    now = int(time.time())
    body = part({"iss": ISSUER, "aud": url, "sub": "analyst_desk", "exp": now + 60})
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = algorithm.sign(f"{head}.{body}".encode(), pem)
    return f"{head}.{body}.{encoded(signature)}"


def without_signature(login: Login, url: str) -> str:
    now = int(time.time())
    body = part({"iss": ISSUER, "aud": url, "sub": "analyst_desk", "exp": now + 60})
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{body}."


def with_another_body(login: Login, url: str) -> str:
    head, body, signature = login.token(url).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{part({**claims, 'sub': 'north'})}.{signature}"


def part(content: dict[str, Any]) -> str:
    return encoded(json.dumps(content).encode())


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


NOW = int(time.time())
WRONG: dict[str, tuple[Callable[[Login, str], str], str]] = {
    "expired": (lambda it, url: it.token(url, exp=NOW - 120), "expired"),
    "early": (lambda it, url: it.token(url, nbf=NOW + 3_600), "not valid yet"),
    "issued in the future": (lambda it, url: it.token(url, iat=NOW + 3_600), "not valid yet"),
    "for another": (lambda it, url: it.token("https://other.example.com/mcp"), "made for another"),
    "for a longer path": (lambda it, url: it.token(f"{url}/more"), "made for another"),
    "for nobody": (lambda it, url: it.token(url, aud=None), "a claim is missing"),
    "of another issuer": (lambda it, url: it.token(url, iss=f"{ISSUER}/"), "of another issuer"),
    "of no issuer": (lambda it, url: it.token(url, iss=None), "of another issuer"),
    "of several issuers": (lambda it, url: part_only(it, url, iss=[ISSUER]), "of another issuer"),
    "of nobody": (lambda it, url: it.token(url, sub=None), "a claim is missing"),
    "without an end": (lambda it, url: it.token(url, exp=None), "a claim is missing"),
    "for too long": (lambda it, url: it.token(url, exp=NOW + 10_000_000), "made for too long"),
    "no algorithm": (without_signature, "another algorithm"),
    "key confusion": (hmac_with_public_key, "another algorithm"),
    "another algorithm": (lambda it, url: it.token(url, algorithm="PS256"), "another algorithm"),
    "another key": (
        lambda it, url: it.token(url, key=rsa.generate_private_key(65_537, 2_048)),
        "wrong signature",
    ),
    "an algorithm that is not the key's": (
        lambda it, url: it.token(
            url, key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"
        ),
        "another algorithm",
    ),
    "an unknown key": (
        lambda it, url: it.token(url, header={"kid": "../../etc/passwd"}),
        "signed with an unknown key",
    ),
    "a key of its own": (
        lambda it, url: it.token(
            url,
            key=rsa.generate_private_key(65_537, 2_048),
            header={"jku": "https://evil.example/keys"},
        ),
        "wrong signature",
    ),
    "another body": (with_another_body, "wrong signature"),
    "truncated": (lambda it, url: it.token(url)[:-21], "not a token"),
    "cut in its body": (lambda it, url: it.token(url)[:60], "not a token"),
    "too long": (lambda it, url: "a" * 9_000, "not a token"),
    "empty": (lambda it, url: "x", "not a token"),
    "the refresh": (lambda it, url: it.token(url, sub="refresh"), "no name of a reader"),
    "one it may not vouch for": (
        lambda it, url: it.token(url, sub="boss"),
        "a reader that the issuer may not vouch for",
    ),
    "acting for one it may not": (
        lambda it, url: it.token(url, sub="boss", act={"sub": "analyst_desk"}),
        "a reader that the issuer may not vouch for",
    ),
    "an actor that is a text": (
        lambda it, url: it.token(url, act="analyst_desk"),
        "a claim is not understood",
    ),
    "a name of control characters": (
        lambda it, url: it.token(url, sub="analyst_\x1b[31m"),
        "no name of a reader",
    ),
    "never minted": (lambda it, url: f"gat_{'a' * 43}", "not known, ended or revoked"),
}


def part_only(login: Login, url: str, **claims: Any) -> str:
    """A token with claims that the library would not write."""
    head, body, signature = login.token(url).split(".")
    known = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{part({**known, **claims})}.{signature}"


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_token_makes_nobody_known(server: Listening, login: Login, case: str) -> None:
    make, why = WRONG[case]
    answered = server.call(make(login, server.url), "query_metrics", **ORDERS)
    nobody = server.call(None, "query_metrics", **ORDERS)
    assert answered.status_code == nobody.status_code == 401
    assert answered.text == nobody.text
    assert answered.headers["www-authenticate"] == nobody.headers["www-authenticate"]
    [body] = server.served.records("session")
    assert body["details"]["why"] == f"token: {why}"
    assert not list(find_reads(server.served.ledger, ReadQuestion()))


def test_a_token_that_is_revoked_or_has_ended_makes_nobody_known(server: Listening) -> None:
    ledger = server.served.ledger
    secret, token = mint_token(ledger, "analyst_desk", by="the operator", days=1)
    assert server.call(secret, "query_metrics", **ORDERS).status_code == 200
    revoke_token(ledger, token.token_id, by="the operator", reason="it was lost")
    assert server.call(secret, "query_metrics", **ORDERS).status_code == 401
    long_ago = datetime.now(UTC) - timedelta(days=2)
    ended, _ = mint_token(ledger, "analyst_desk", by="the operator", days=1, now=long_ago)
    assert server.call(ended, "query_metrics", **ORDERS).status_code == 401


def test_keys_are_rotated_and_the_old_ones_count_no_more(
    server: Listening, login: Login, served: Served
) -> None:
    before = login.token(server.url)
    assert server.call(before, "list_metrics").status_code == 200
    login.rotate()
    with listening(served, login) as other:
        after = login.token(other.url)
        assert other.call(after, "list_metrics").status_code == 200
        stale = login.token(other.url, header={"kid": "first"})
        assert other.call(stale, "list_metrics").status_code == 401


def test_who_acts_for_another_has_what_both_have_and_both_are_on_record(
    server: Listening, login: Login
) -> None:
    both = login.token(server.url, sub="analyst_desk", act={"sub": "agent_7"})
    assert "result" in server.call(both, "query_metrics", metrics=["orders"]).json()
    refused = server.call(both, "query_metrics", metrics=["customers"]).json()["result"]
    assert refused["structuredContent"]["refused"] == "not_available"
    reads = list(find_reads(server.served.ledger, ReadQuestion(agent="agent_7")))
    assert {(it.acting_for, it.outcome) for it in reads} == {
        ("analyst_desk", "allowed"),
        ("analyst_desk", "refused"),
    }
    alone = login.token(server.url, sub="agent_7")
    answered = server.call(alone, "query_metrics", metrics=["customers"]).json()["result"]
    assert not answered.get("isError")


def test_scopes_take_away_and_a_call_that_lacks_one_is_told_which(
    served: Served, login: Login
) -> None:
    served.publish_policy()
    scopes = {"metrics.orders": {"metrics": ["orders"]}, "metrics.money": {"metrics": ["revenue*"]}}
    with listening(served, login, scopes=scopes) as server:
        token = login.token(server.url, scope="openid metrics.orders")
        assert "result" in server.call(token, "query_metrics", metrics=["orders"]).json()
        listed = server.call(token, "list_metrics").json()["result"]["structuredContent"]
        assert [it["name"] for it in listed["metrics"]] == ["orders"]
        for tool, arguments in (
            ("query_metrics", {"metrics": ["orders", "revenue"]}),
            ("describe_metric", {"name": "revenue"}),
        ):
            lacking = server.call(token, tool, **arguments)
            assert lacking.status_code == 403
            said = lacking.headers["www-authenticate"]
            assert 'error="insufficient_scope"' in said
            assert 'scope="metrics.money"' in said
            assert "/.well-known/oauth-protected-resource/mcp" in said
        other = server.call(token, "query_metrics", metrics=["customers"])
        assert other.status_code == 200
        assert other.json()["result"]["structuredContent"]["refused"] == "not_available"
        more = login.token(server.url, scope=["metrics.orders", "metrics.money"])
        assert "result" in server.call(more, "query_metrics", metrics=["revenue"]).json()
    why = [it["details"].get("why") for it in served.records("session")]
    assert "a scope is missing" in why
