"""What was refused before it came to the door: on record, the first of a kind at once and those that follow within a minute as one number,
so that whoever is refused cannot fill the record.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent_resources.mcp_server.sessions import PURPOSE
from semantic.ledger import Ledger, ReadContext, Record, RecordKind, uuid7
from semantic.ledger.sessions import REFUSED

_EVERY_SECONDS = 60.0
_NOBODY = "nobody known"


@dataclass
class _Following:
    since: float
    count: int = 0


class RefusedCalls:
    """Puts refusals on record. Safe for threads. `clock` gives seconds that only grow."""

    def __init__(self, ledger: Ledger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._clock = clock
        self._following: dict[tuple[str, str], _Following] = {}
        self._lock = threading.Lock()

    def add(self, reason: str, *, reader: str | None = None) -> None:
        """One more. `reason` is one of a few, and never a text from outside. Raises `LedgerUnavailable`."""
        who = reader or _NOBODY
        with self._lock:
            found = self._following.get((reason, who))
            if found is not None:
                found.count += 1
            else:
                self._write(reason, who, 1)
                self._following[reason, who] = _Following(since=self._clock())
        self.sweep()

    def sweep(self, *, all_of_them: bool = False) -> None:
        """Writes how many followed, of those kinds whose minute is over. Raises `LedgerUnavailable`."""
        with self._lock:
            now = self._clock()
            for (reason, who), item in list(self._following.items()):
                if all_of_them or now - item.since >= _EVERY_SECONDS:
                    if item.count:
                        self._write(reason, who, item.count)
                    del self._following[reason, who]

    def _write(self, reason: str, who: str, count: int) -> None:
        self._ledger.append(
            Record(
                record_id=str(uuid7()),
                kind=RecordKind.SESSION,
                reader=who,
                context=ReadContext(purpose=PURPOSE),
                reason=REFUSED,
                details={"why": reason, "calls": count},
            )
        )
