"""Who calls over HTTP, by a token of the ledger or of an issuer. What is refused is on record, and told to nobody in more words than that it is."""

from collections.abc import Mapping
from typing import Any

import jwt
from mcp.server.auth.provider import AccessToken
from pydantic import ConfigDict

from agent_resources.mcp_server.at_the_door import AtTheDoor
from agent_resources.mcp_server.issuer import Issuer
from agent_resources.mcp_server.known import Known, Unknown
from agent_resources.mcp_server.principal import Principal
from semantic.ledger.moment import parsed
from semantic.ledger.tokens import PREFIX, TokenRefused, holder_of
from semantic.policy import REFRESH

_LONGEST = 8_192


class KnownToken(AccessToken):
    """A token, and who is known by it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    principal: Principal


class KnownByToken:
    """What the SDK asks about each token."""

    def __init__(self, door: AtTheDoor, issuers: Mapping[str, Issuer], *, url: str) -> None:
        self._door = door
        self._issuers = issuers
        self._url = url

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token with its principal, None where nobody is known by it. Raises `LedgerUnavailable` and `KeysUnavailable`."""
        try:
            known = await self._door.beside(lambda: self._known(token))
        except Unknown as error:
            why = f"token: {error.why}"
            await self._door.beside(lambda: self._door.refused.add(why))
            return None
        principal = known.principal
        return KnownToken(
            token=token,
            client_id=principal.name,
            scopes=sorted(principal.scopes or ()),
            expires_at=known.ends_at,
            resource=self._url,
            subject=principal.acting_for or principal.name,
            claims={"iss": known.issuer or self._url},
            principal=principal,
        )

    def _known(self, token: str) -> Known:
        if len(token) > _LONGEST or not token.isascii():
            raise Unknown("not a token")
        if token.startswith(PREFIX):
            return self._holder(token)
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unknown("not a token") from error
        issuer = self._issuers.get(_issuer_of(claims))
        if issuer is None:
            raise Unknown("of another issuer")
        return issuer.known(token, header)

    def _holder(self, token: str) -> Known:
        try:
            found = holder_of(self._door.served.published.ledger, token)
        except TokenRefused as error:
            raise Unknown("not known, ended or revoked") from error
        if found.holder == REFRESH:
            raise Unknown("no name of a reader")
        principal = Principal(
            name=found.holder, evidence={"by": "token of the record", "token": found.token_id}
        )
        return Known(
            principal=principal, issuer=None, ends_at=int(parsed(found.ends_at).timestamp())
        )


def _issuer_of(claims: Mapping[str, Any]) -> str:
    found = claims.get("iss")
    return found if isinstance(found, str) else ""
