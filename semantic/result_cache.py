"""Rows that were read before, for as long as nothing has changed that could change them or who may see them.

Off unless a door is given one. A read that finds its rows here goes the same path and is on record like any other.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from semantic.open_snapshot import Fetched

_MOST_CELLS = 2_000_000


class ResultCache:
    """The rows of the last plans, values, policies and snapshots. Safe for threads. `cells` bounds how much is kept."""

    def __init__(self, *, cells: int = _MOST_CELLS) -> None:
        self._most = cells
        self._kept = 0
        self._found: OrderedDict[str, Fetched] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def key(policy: str, snapshot: str, plan: str, values: Mapping[str, Any]) -> str:
        """What makes two reads the same: the plan has the masks and restrictions, the values those that these compare with."""
        written = sorted(
            (name, type(value).__name__, repr(value)) for name, value in values.items()
        )
        return hashlib.sha256(repr((policy, snapshot, plan, written)).encode()).hexdigest()

    def get(self, key: str) -> Fetched | None:
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def put(self, key: str, found: Fetched) -> None:
        size = _cells(found)
        if size > self._most // 4:
            return
        with self._lock:
            if key in self._found:
                return
            self._found[key] = found
            self._kept += size
            while self._kept > self._most:
                _, dropped = self._found.popitem(last=False)
                self._kept -= _cells(dropped)


def _cells(found: Fetched) -> int:
    return 1 + sum(map(len, found.rows))
