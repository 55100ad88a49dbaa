"""Who is behind a request to the server."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks, as a configuration or a token says, and never as the client says of itself.

    `name` is the reader by which it is on record, `acting_for` the one on whose behalf it reads: it has what both have. `scopes` are those of its
    token, None where scopes do not limit it. `evidence` is what it is known by, for the record: where from, the id of the token, the issuer.
    """

    name: str
    acting_for: str | None = None
    scopes: frozenset[str] | None = None
    evidence: Mapping[str, str] = field(default_factory=dict, compare=False)
