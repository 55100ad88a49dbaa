"""Rows that were read before, for as long as nothing has changed that could change them or who may see them.

Off unless a door is given one. A read that finds its rows here goes the same path and is on record like any other.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

_MOST_CELLS = 2_000_000


class ResultCache:
    """The rows of the last plans, values, policies and snapshots. Safe for threads. `cells` bounds how much is kept."""

    def __init__(self, *, cells: int = _MOST_CELLS) -> None:
        self._most = cells
        self._kept = 0
        self._rows: OrderedDict[str, list[tuple[Any, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def key(policy: str, snapshot: str, plan: str, values: Mapping[str, Any]) -> str:
        """What makes two reads the same: the plan has the masks and restrictions, the values those that these compare with."""
        written = sorted(
            (name, type(value).__name__, repr(value)) for name, value in values.items()
        )
        return hashlib.sha256(repr((policy, snapshot, plan, written)).encode()).hexdigest()

    def get(self, key: str) -> list[tuple[Any, ...]] | None:
        with self._lock:
            if key not in self._rows:
                return None
            self._rows.move_to_end(key)
            return list(self._rows[key])

    def put(self, key: str, rows: list[tuple[Any, ...]]) -> None:
        size = _cells(rows)
        if size > self._most // 4:
            return
        with self._lock:
            if key in self._rows:
                return
            self._rows[key] = list(rows)
            self._kept += size
            while self._kept > self._most:
                _, dropped = self._rows.popitem(last=False)
                self._kept -= _cells(dropped)


def _cells(rows: list[tuple[Any, ...]]) -> int:
    return 1 + sum(map(len, rows))
