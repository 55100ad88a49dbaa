"""By what people are known: shown once, kept as a hash, ending by itself, revoked for good."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_resources.guardrails.credentials import without_secrets
from semantic.errors import GovernedMetricsError, QuestionError
from semantic.ledger import Ledger
from semantic.ledger.tokens import TokenRefused, holder_of, mint_token, revoke_token, tokens

OpenLedger = Callable[[], Ledger]


@pytest.fixture
def ledger(open_ledger: OpenLedger) -> Ledger:
    return open_ledger()


def test_its_holder_is_known_by_it(ledger: Ledger, open_ledger: OpenLedger) -> None:
    secret, made = mint_token(ledger, "ana", by="ops", days=30)
    other, _ = mint_token(ledger, "bob", by="ops", days=30)
    assert (made.holder, made.by) == ("ana", "ops")
    assert holder_of(open_ledger(), secret) == made
    assert holder_of(ledger, other).holder == "bob"
    assert [it.holder for it in tokens(ledger)] == ["ana", "bob"]
    assert ledger.verify().is_whole


def test_it_stands_nowhere(ledger: Ledger, place: Path | str) -> None:
    secret, _ = mint_token(ledger, "ana", by="ops", days=30)
    ledger.seal()
    if isinstance(place, Path):
        files = [path.read_bytes() for path in place.parent.iterdir() if path.is_file()]
        assert not any(secret.encode() in content for content in files)
    with ledger.reading() as connection:
        bodies = connection.exec_driver_sql("SELECT body FROM records").scalars().all()
    assert not any(secret.encode() in bytes(body) for body in bodies)
    assert "ana" in str(tokens(ledger))
    assert secret not in repr(tokens(ledger))


def test_it_ends_by_itself(ledger: Ledger) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    secret, made = mint_token(ledger, "ana", by="ops", days=2, now=now)
    last = now + timedelta(days=2) - timedelta(milliseconds=1)
    assert holder_of(ledger, secret, now=last) == made
    with pytest.raises(TokenRefused):
        holder_of(ledger, secret, now=now + timedelta(days=2))


def test_who_it_was_revoked_for_is_not_known_any_more(ledger: Ledger) -> None:
    secret, made = mint_token(ledger, "ana", by="ops", days=30)
    kept, _ = mint_token(ledger, "ana", by="ops", days=30)
    revoked = revoke_token(ledger, made.token_id, by="chief", reason="left the team")
    assert revoked.revoked_by == "chief"
    with pytest.raises(TokenRefused):
        holder_of(ledger, secret)
    assert holder_of(ledger, kept).holder == "ana"
    again = revoke_token(ledger, made.token_id, by="somebody", reason="once more")
    assert again == revoked


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it[:-1],
        lambda it: it + "x",
        lambda it: it.swapcase(),
        lambda it: it[:-1] + ("A" if it[-1] != "A" else "B"),
        lambda it: f" {it}",
        lambda it: it.removeprefix("gat_"),
        lambda it: "",
        lambda it: "gat_" + "\u0661" * 43,
        lambda it: it + "\n",
    ],
)
def test_nothing_else_is_one(ledger: Ledger, change: Callable[[str], str]) -> None:
    secret, _ = mint_token(ledger, "ana", by="ops", days=30)
    refused = []
    for text in (change(secret), "gat_" + "A" * 43):
        with pytest.raises(TokenRefused) as raised:
            holder_of(ledger, text)
        refused.append(str(raised.value))
    assert len(set(refused)) == 1, "why is told to nobody"


@pytest.mark.parametrize("holder", ["", "  ", "a" * 201, "a\nb", "a\0b", "\ud800"])
def test_a_name_that_is_none_gets_none(ledger: Ledger, holder: str) -> None:
    with pytest.raises(QuestionError):
        mint_token(ledger, holder, by="ops", days=30)
    assert tokens(ledger) == []


@pytest.mark.parametrize("days", [0, -1, 100_000])
def test_a_time_that_is_none_gets_none(ledger: Ledger, days: int) -> None:
    with pytest.raises(QuestionError):
        mint_token(ledger, "ana", by="ops", days=days)


def test_what_cannot_be_revoked_is_said(ledger: Ledger) -> None:
    for _ in range(2):
        mint_token(ledger, "ana", by="ops", days=30)
    with pytest.raises(QuestionError, match="No tokens begin with 'ffff'"):
        revoke_token(ledger, "ffff", by="ops", reason="x")
    with pytest.raises(QuestionError, match="No tokens begin with ''"):
        revoke_token(ledger, "", by="ops", reason="x")
    with pytest.raises(QuestionError, match="2 tokens begin with '0'"):
        revoke_token(ledger, "0", by="ops", reason="x")
    with pytest.raises(GovernedMetricsError, match="does not say why"):
        revoke_token(ledger, tokens(ledger)[0].token_id, by="ops", reason=" ")


def test_it_is_taken_out_of_texts(ledger: Ledger) -> None:
    secret, _ = mint_token(ledger, "ana", by="ops", days=30)
    assert without_secrets(f"I am {secret}.") == "I am [credential]."
