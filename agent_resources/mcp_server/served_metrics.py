"""The door as it is served: over what is published now, with the sessions of those who call."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from agent_resources.mcp_server.caller import Caller
from agent_resources.mcp_server.principal import Principal
from agent_resources.mcp_server.scopes import Scopes
from agent_resources.mcp_server.sessions import Sessions
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger.registry import registered_agent
from semantic.policy import Reader
from semantic.published_metrics import PublishedMetrics


class ServedMetrics:
    """Opens the door for principals. Safe for threads."""

    def __init__(
        self,
        published: PublishedMetrics,
        *,
        sessions: Sessions | None = None,
        scopes: Scopes | None = None,
    ) -> None:
        self.published = published
        self.scopes = scopes or Scopes({})
        self.sessions = sessions or Sessions(published.ledger)

    @contextmanager
    def caller(self, principal: Principal, client: Mapping[str, str]) -> Iterator[Caller]:
        """One who calls, for one call. Raises `SnapshotUnavailable`, `PolicyError` and `LedgerUnavailable`.

        `client` is what the client says of itself, for the record.
        """
        door = self.published.current()
        reader = self._reader(principal, door)
        with door.session(reader, self.sessions.context(principal, client)) as session:
            yield Caller(door, session)

    @contextmanager
    def looking(self, principal: Principal) -> Iterator[Caller]:
        """The same for somebody who asks nothing now: no session begins or goes on by it."""
        door = self.published.current()
        with door.session(self._reader(principal, door)) as session:
            yield Caller(door, session)

    def missing_scopes(self, principal: Principal, metrics: tuple[str, ...]) -> tuple[str, ...]:
        """The scopes that a token lacks for these metrics, of each the first that would do; none where scopes would not help, because the policy does not
        permit the metric. Raises what `caller` raises.
        """
        if principal.scopes is None:
            return ()
        door = self.published.current()
        granted = self._granted(principal)
        asked = self.scopes.asked(principal.scopes, door.catalog.metrics.values())
        lacked: dict[str, None] = {}
        for name in metrics:
            metric = door.catalog.metrics.get(name)
            if metric is None or name in asked or not door.policy.is_readable(granted, metric):
                continue
            lacked.update(dict.fromkeys(self.scopes.for_metric(metric)[:1]))
        return tuple(lacked)

    def _reader(self, principal: Principal, door: GovernedMetrics) -> Reader:
        granted = self._granted(principal)
        if principal.scopes is None:
            return granted
        in_scope = self.scopes.asked(principal.scopes, door.catalog.metrics.values())
        asks = in_scope if granted.asks is None else granted.asks & in_scope
        return replace(granted, asks=asks)

    def _granted(self, principal: Principal) -> Reader:
        """The reader with all that its definition asks for, where it is an agent that is registered."""
        definition = registered_agent(self.published.ledger, principal.name)
        return Reader(
            name=principal.name,
            asks=frozenset(definition["metrics"]) if definition else None,
            acting_for=principal.acting_for,
        )
