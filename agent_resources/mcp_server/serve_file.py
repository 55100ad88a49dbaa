"""`serve.yaml`: how the server is reached over HTTP, whose tokens it takes, and what their scopes let ask for.

url: https://metrics.example.com/mcp
issuers:
  - issuer: https://login.example.com
    keys: https://login.example.com/jwks.json
    algorithms: [RS256]
    readers: ["research_*"]
scopes:
  metrics.flights: {metrics: [flights, on_time_rate]}
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, model_validator

from agent_resources.mcp_server.at_the_door import CallLimits
from agent_resources.mcp_server.scopes import Scopes
from semantic.errors import GovernedMetricsError
from semantic.policy import Selector
from semantic.policy_words import Names, Word
from semantic.yaml_file import load_yaml, validate

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
SCOPE = r"^[\x21\x23-\x5B\x5D-\x7E]{1,100}$"


class ServeError(GovernedMetricsError):
    """The file that says how to serve does not parse, or would serve in a way that is not safe. The operator can act."""


def is_loopback(host: str) -> bool:
    """Whether a name or an address is that of this machine to itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _safe_url(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("is no URL with a host and a path alone")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
        return url
    raise ValueError("has to begin with https://, or with http:// on this machine")


def _keys_place(place: str) -> str:
    return _safe_url(place) if "://" in place else place


Url = Annotated[Word, AfterValidator(_safe_url)]


class _Text(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IssuerText(_Text):
    """Whose tokens are taken. `keys` is the URL of its key set, or a file beside this one; `readers` are those whom it may vouch for, and `reader_claim` names
    the claim by which they are known.
    """

    issuer: Word
    keys: Annotated[Word, AfterValidator(_keys_place)]
    algorithms: Annotated[list[Algorithm], Field(min_length=1)]
    readers: Annotated[Names, Field(min_length=1)]
    audience: Word | None = None
    reader_claim: Word = "sub"
    longest_minutes: Annotated[StrictInt, Field(ge=1, le=10_080)] = 1_440


class ScopeText(_Text):
    """The metrics that a scope lets ask for."""

    metrics: Names = []
    tags: Names = []
    tiers: Names = []
    owners: Names = []
    groups: Names = []

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError("a scope names metrics, tags, tiers, owners or groups")
        return self

    @property
    def selector(self) -> Selector:
        return Selector(
            names=frozenset(self.metrics),
            tags=frozenset(self.tags),
            tiers=frozenset(self.tiers),
            owners=frozenset(self.owners),
            groups=frozenset(self.groups),
        )


class LimitsText(_Text):
    """How much is taken at once."""

    calls_at_once: Annotated[StrictInt, Field(ge=1, le=256)] = CallLimits.at_once
    calls_of_one: Annotated[StrictInt, Field(ge=1, le=10_000)] = CallLimits.of_one
    connections: Annotated[StrictInt, Field(ge=1, le=100_000)] = 512
    request_bytes: Annotated[StrictInt, Field(ge=1_024, le=4_194_304)] = 262_144
    patience_seconds: Annotated[StrictInt, Field(ge=1, le=600)] = 30

    @property
    def calls(self) -> CallLimits:
        return CallLimits(at_once=self.calls_at_once, of_one=self.calls_of_one)


class ServeSettings(_Text):
    """How to serve over HTTP. `url` is by what clients name the server, and what tokens have to be made for; `origins` are the web pages that may call it."""

    url: Url | None = None
    origins: list[Url] = []
    issuers: list[IssuerText] = []
    scopes: dict[Annotated[str, Field(pattern=SCOPE)], ScopeText] = {}
    limits: LimitsText = LimitsText()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [item.issuer for item in self.issuers]
        if len(set(names)) != len(names):
            raise ValueError("names an issuer twice")
        if self.issuers and self.url is None:
            raise ValueError("tokens of an issuer are made for a url, and none is given")
        if self.scopes and not self.issuers:
            raise ValueError("scopes stand in tokens of an issuer, and none is given")
        return self

    @property
    def metric_scopes(self) -> Scopes:
        return Scopes({name: text.selector for name, text in self.scopes.items()})


def load_serve_settings(path: Path) -> ServeSettings:
    """How to serve, with files of keys found beside this one. Raises `ServeError` with file and line."""
    settings = validate(ServeSettings, load_yaml(path, ServeError), ServeError)
    issuers = [
        item
        if "://" in item.keys
        else item.model_copy(update={"keys": str(path.parent / item.keys)})
        for item in settings.issuers
    ]
    return settings.model_copy(update={"issuers": issuers})
