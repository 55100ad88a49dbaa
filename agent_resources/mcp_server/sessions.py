"""Sessions: the reads of one principal that follow each other without a long pause. Protocol 2026-07-28 has none, so the door has its own.

A session is on record when it begins, with what its principal is known by and what the client says of itself. Each of its reads names it where
a read of a Dagster run names the run, so budgets per run hold for it, and it becomes one batch of lineage.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent_resources.mcp_server.principal import Principal
from semantic.catalog_text import shown
from semantic.ledger import Erasable, Ledger, ReadContext, Record, RecordKind, uuid7
from semantic.ledger.sessions import BEGAN, ENDED, OVER_AFTER
from semantic.recordable import recordable

PURPOSE = "mcp"
_LONGEST_CLIENT = 200
_MOST_KEPT = 10_000


@dataclass(frozen=True, kw_only=True)
class SessionLimits:
    """After how many seconds without a request a session is over, and after how many at the latest."""

    idle: float = 300
    longest: float = 3_600


@dataclass
class _Session:
    session_id: str
    principal: Principal
    began: float
    used: float


class Sessions:
    """The sessions of a server. Safe for threads. `clock` gives seconds that only grow."""

    def __init__(
        self,
        ledger: Ledger,
        limits: SessionLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._limits = limits or SessionLimits()
        self._clock = clock
        self._sessions: dict[Principal, _Session] = {}
        self._lock = threading.Lock()

    def context(self, principal: Principal, client: Mapping[str, str]) -> ReadContext:
        """Where a read of this principal happens. A session that this begins is on record before it is returned. Raises `LedgerUnavailable`.

        `client` is what the client says of itself.
        """
        with self._lock:
            now = self._clock()
            found = self._sessions.get(principal)
            if found is None or self._is_over(found, now):
                if found is not None:
                    self._end(found)
                found = self._begin(principal, client, now)
            found.used = now
            return ReadContext(
                run_id=found.session_id, root_run_id=found.session_id, purpose=PURPOSE
            )

    def sweep(self) -> None:
        """Ends the sessions that are over. Raises `LedgerUnavailable`."""
        with self._lock:
            now = self._clock()
            for session in [it for it in self._sessions.values() if self._is_over(it, now)]:
                self._end(session)

    def close(self) -> None:
        """Ends every session. Raises `LedgerUnavailable`."""
        with self._lock:
            for session in list(self._sessions.values()):
                self._end(session)

    def _is_over(self, session: _Session, now: float) -> bool:
        return now - session.used > self._limits.idle or now - session.began > self._limits.longest

    def _begin(self, principal: Principal, client: Mapping[str, str], now: float) -> _Session:
        session = _Session(session_id=str(uuid7()), principal=principal, began=now, used=now)
        said = {key: shown(recordable(text), _LONGEST_CLIENT) for key, text in client.items()}
        over_after = int(self._limits.longest + self._limits.idle) + 1
        details = {"client": Erasable(repr(said)), OVER_AFTER: over_after}
        self._write(session, BEGAN, {**principal.evidence, **details})
        if len(self._sessions) >= _MOST_KEPT:
            self._end(min(self._sessions.values(), key=lambda it: it.used))
        self._sessions[principal] = session
        return session

    def _end(self, session: _Session) -> None:
        self._write(session, ENDED, {})
        del self._sessions[session.principal]

    def _write(self, session: _Session, reason: str, details: Mapping[str, object]) -> None:
        self._ledger.append(
            Record(
                record_id=str(uuid7()),
                kind=RecordKind.SESSION,
                reader=session.principal.name,
                acting_for=session.principal.acting_for,
                context=ReadContext(
                    run_id=session.session_id, root_run_id=session.session_id, purpose=PURPOSE
                ),
                reason=reason,
                details=details,
            )
        )
