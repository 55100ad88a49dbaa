"""Who is known by a signed token of an issuer: RFC 9068 access tokens, with the actor of RFC 8693 where one acts for another."""

import time
from collections.abc import Mapping
from typing import Any

import jwt

from agent_resources.mcp_server.key_set import KeySet
from agent_resources.mcp_server.known import Known, Unknown
from agent_resources.mcp_server.principal import Principal
from agent_resources.mcp_server.serve_file import IssuerText
from semantic.ledger.longest import fits_reader
from semantic.pattern import matches_any
from semantic.policy import REFRESH

_LEEWAY_SECONDS = 30
_REQUIRED = ["exp", "iss", "aud", "sub"]
_WHY: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not valid yet",
    jwt.InvalidAudienceError: "made for another",
    jwt.InvalidIssuerError: "of another issuer",
    jwt.InvalidAlgorithmError: "another algorithm",
    jwt.InvalidSignatureError: "wrong signature",
    jwt.MissingRequiredClaimError: "a claim is missing",
}


class Issuer:
    """Takes the tokens of one issuer that were made for `audience`."""

    def __init__(
        self,
        text: IssuerText,
        *,
        audience: str,
        has_scopes: bool,
    ) -> None:
        self._text = text
        self._audience = text.audience or audience
        self._has_scopes = has_scopes
        self._keys = KeySet(text.keys)

    def known(self, token: str, header: Mapping[str, Any]) -> Known:
        """Who is known by a token. Raises `Unknown` and `KeysUnavailable`."""
        algorithm = header.get("alg")
        if algorithm not in self._text.algorithms:
            raise Unknown("another algorithm")
        key_id = header.get("kid")
        key = self._keys.key(key_id if isinstance(key_id, str) else None)
        if key is None:
            raise Unknown("signed with an unknown key")
        try:
            # PyJWK binds a key to the algorithm that it was published for.
            claims = jwt.decode(
                token,
                key,
                algorithms=list(self._text.algorithms),
                audience=self._audience,
                issuer=self._text.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED, "strict_aud": False},
            )
        except jwt.PyJWTError as error:
            raise Unknown(_WHY.get(type(error), "not a token")) from error
        return self._known(claims)

    def _known(self, claims: Mapping[str, Any]) -> Known:
        ends_at = int(claims["exp"])
        if ends_at - time.time() > self._text.longest_minutes * 60 + _LEEWAY_SECONDS:
            raise Unknown("made for too long")
        subject = self._name(claims)
        actor = claims.get("act")
        name, acting_for = subject, None
        if actor is not None:
            if not isinstance(actor, Mapping):
                raise Unknown("a claim is not understood")
            name, acting_for = self._name(actor), subject
        scopes = _scopes(claims) if self._has_scopes else None
        token_id = claims.get("jti")
        evidence = {"by": "token of an issuer", "issuer": self._text.issuer} | (
            {"token": token_id[:200]}
            if isinstance(token_id, str) and token_id.isprintable()
            else {}
        )
        principal = Principal(
            name=name,
            acting_for=acting_for if acting_for != name else None,
            scopes=scopes,
            evidence=evidence,
        )
        return Known(principal=principal, issuer=self._text.issuer, ends_at=ends_at)

    def _name(self, claims: Mapping[str, Any]) -> str:
        """The name of a reader that this issuer may vouch for."""
        found = claims.get(self._text.reader_claim, claims.get("sub"))
        is_name = isinstance(found, str) and bool(found.strip()) and found.isprintable()
        if not is_name or not fits_reader(found) or found == REFRESH:
            raise Unknown("no name of a reader")
        if not matches_any(found, self._text.readers):
            raise Unknown("a reader that the issuer may not vouch for")
        return str(found)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of a token, written as RFC 9068 has them or as a list."""
    found = claims.get("scope", claims.get("scp", ""))
    names = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
    return frozenset(name for name in names if isinstance(name, str))
