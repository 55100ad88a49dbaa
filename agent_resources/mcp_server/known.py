"""Who is known by a token, and that nobody is."""

from dataclasses import dataclass

from agent_resources.mcp_server.principal import Principal


class Unknown(Exception):
    """Nobody is known by a token. `why` is one of a few words, for the record: who has the token is told the same for each."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, kw_only=True)
class Known:
    """A principal that is known by a token until a moment, in seconds since 1970; and the issuer of the token, None where it is one of the ledger's."""

    principal: Principal
    issuer: str | None
    ends_at: int
