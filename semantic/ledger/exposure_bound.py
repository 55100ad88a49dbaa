"""Bounds what is exposed for as long as somebody writes: who writes a record that is too many, or after one that is too old, seals.

It does so after its own commit, so that its record is durable whatever becomes of the checkpoint. A ledger that nobody writes to needs
no watching, and there is no thread that could be missing when a process forks or ends.
"""

import logging
import threading
from dataclasses import dataclass

from semantic.ledger.exposure import MostExposed
from semantic.ledger.moment import later
from semantic.ledger.sealer import Sealer
from semantic.ledger.writer import Written

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Look:
    """When to look at the record again: from a number on, from a time on, and where the clock has been set back."""

    number: int
    since: str
    until: str

    def is_due(self, written: Written) -> bool:
        return written.number >= self.number or not self.since <= written.at < self.until


class ExposureBound:
    """The bound of one ledger in one process. Safe for threads: one of them seals, and the others go on."""

    def __init__(self, sealer: Sealer, most: MostExposed) -> None:
        self._sealer = sealer
        self._most = most
        self._looking = threading.Lock()
        self._next = _Look(number=0, since="", until="")

    def keep(self, written: Written) -> None:
        """Seals where this was too much. Raises nothing: where it cannot be sealed, that is logged, and tried again after as much."""
        if not self._next.is_due(written) or not self._looking.acquire(blocking=False):
            return
        try:
            self._next = self._look(written)
        finally:
            self._looking.release()

    def _look(self, written: Written) -> _Look:
        try:
            left = self._sealer.seal_exposed(self._most)
            if left is not None:
                return self._from(left.through, left.at, min(left.since or left.at, left.at))
        except Exception as error:
            _log.warning("The record could not be sealed, which is tried again later: %s", error)
        return self._from(written.number, written.at, written.at)

    def _from(self, number: int, at: str, oldest: str) -> _Look:
        """The look that is due where the oldest of what comes after a number is from then."""
        return _Look(
            number=number + self._most.records, since=at, until=later(oldest, self._most.seconds)
        )
