"""By what people are known, and agents from outside: tokens that are shown once, kept as a hash, end by themselves and can be revoked.

A token holds 256 random bits, so its plain SHA-256 tells nobody anything of it, and needs no salt.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from semantic.errors import GovernedMetricsError, QuestionError
from semantic.ledger.chain import content_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.longest import fits_reader
from semantic.ledger.moment import as_recorded
from semantic.ledger.reason import refuse_empty
from semantic.ledger.record import Record, RecordKind, uuid7
from semantic.ledger.schema import records

PREFIX = "gat_"
_WHOLE = rf"{PREFIX}[A-Za-z0-9_-]{{43}}"
# As one stands in a text.
PATTERN = rf"\b{_WHOLE}"
_LONGEST_DAYS = 3_660
_MINTED, _REVOKED = "minted", "revoked"


class TokenRefused(GovernedMetricsError):
    """A token that nobody is known by now: it never was one, it has ended or it was revoked. Which of these is not told to who has it."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """That somebody is known by a token: `holder` is the person or the agent, `by` who minted it. Moments are as the ledger writes them."""

    token_id: str
    holder: str
    by: str
    minted_at: str
    ends_at: str
    revoked_at: str | None = None
    revoked_by: str | None = None

    def stands(self, now: datetime) -> bool:
        """Whether its holder is known by it at a moment."""
        return self.revoked_at is None and as_recorded(now) < self.ends_at


def mint_token(
    ledger: Ledger, holder: str, *, by: str, days: int, now: datetime | None = None
) -> tuple[str, Token]:
    """Makes a token for somebody, for so many days, and puts on record that it was, and its hash. Returns the token, which nobody can be shown again.

    Raises `QuestionError` for a name or a time that is none, and `LedgerUnavailable`.
    """
    if not holder.strip() or not holder.isprintable() or not fits_reader(holder):
        raise QuestionError(
            f"{holder[:40]!r} is no name that a token can be minted for",
            hint="name the person or the agent that is to be known by it, in at most 200 printable characters",
        )
    if not 1 <= days <= _LONGEST_DAYS:
        raise QuestionError(
            f"A token for {days} days is none", hint=f"name 1 to {_LONGEST_DAYS:,} days"
        )
    secret = f"{PREFIX}{secrets.token_urlsafe(32)}"
    token_id = str(uuid7())
    ends_at = as_recorded((now or datetime.now(UTC)) + timedelta(days=days))
    record = Record(
        record_id=token_id,
        kind=RecordKind.TOKEN,
        reader=by,
        reason=_MINTED,
        details={"holder": holder, "hash": _hash(secret), "ends_at": ends_at},
    )
    ledger.append(record)
    [made] = [it for it in tokens(ledger) if it.token_id == token_id]
    return secret, made


def revoke_token(ledger: Ledger, token_id: str, *, by: str, reason: str) -> Token:
    """Puts on record that nobody is known by a token any more, and why. Returns it; one that was revoked before stays as it was.

    Raises `QuestionError` where there is no such token, `GovernedMetricsError` where the reason is empty, and `LedgerUnavailable`.
    """
    refuse_empty(reason, of="a token is revoked")
    found = [it for it in tokens(ledger) if it.token_id.startswith(token_id)] if token_id else []
    if len(found) != 1:
        raise QuestionError(
            f"{len(found) or 'No'} tokens begin with {token_id!r}",
            hint="governed-agents tokens list shows their ids",
        )
    if found[0].revoked_at is not None:
        return found[0]
    record = Record(
        record_id=str(uuid7()),
        kind=RecordKind.TOKEN,
        reader=by,
        reason=_REVOKED,
        details={"token": found[0].token_id, "why": reason},
    )
    ledger.append(record)
    [revoked] = [it for it in tokens(ledger) if it.token_id == found[0].token_id]
    return revoked


def holder_of(ledger: Ledger, secret: str, *, now: datetime | None = None) -> Token:
    """Who is known by a token. Raises `TokenRefused`, the same for each reason, and `LedgerUnavailable`."""
    known = {item[0]: item[1] for item in _minted(ledger)} if _is_one(secret) else {}
    found = known.get(_hash(secret))
    if found is None or not found.stands(now or datetime.now(UTC)):
        raise TokenRefused(
            "The token is not known, has ended or was revoked",
            hint="ask who minted it for another: governed-agents tokens mint",
        )
    return found


def tokens(ledger: Ledger) -> list[Token]:
    """Every token that was minted, in the order in which they were. Raises `LedgerUnavailable`."""
    return [token for _, token in _minted(ledger)]


def _minted(ledger: Ledger) -> list[tuple[str, Token]]:
    """Each with its hash."""
    asked = (
        sa.select(records).where(records.c.kind == RecordKind.TOKEN.value).order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        rows = connection.execute(asked).all()
    found: dict[str, tuple[str, Token]] = {}
    for row in rows:
        details: dict[str, Any] = content_of(row.body)["details"]
        if row.reason == _MINTED:
            token = Token(
                token_id=row.record_id,
                holder=details["holder"],
                by=row.reader,
                minted_at=row.recorded_at,
                ends_at=details["ends_at"],
            )
            found[row.record_id] = details["hash"], token
        elif details["token"] in found:
            digest, token = found[details["token"]]
            if token.revoked_at is None:
                ended = replace(token, revoked_at=row.recorded_at, revoked_by=row.reader)
                found[token.token_id] = digest, ended
    return list(found.values())


def _is_one(text: str) -> bool:
    return re.fullmatch(_WHOLE, text) is not None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
