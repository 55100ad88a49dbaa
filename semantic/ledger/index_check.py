"""Whether the index by which reads are found says what the records say."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from semantic.ledger.erasable import is_value_of
from semantic.ledger.read_index import end_of, rows_of, scope_rows
from semantic.ledger.schema import erasable_values, reads, scopes

Row = dict[str, Any]

_OPEN: Row = {"outcome": "open", "reason": None, "rows": None, "ended_at": None}
_OTHER = "the metrics it is found by are not those of its body"


class IndexCheck:
    """Compares the index with one body after another. `find` is told the record and what is wrong."""

    def __init__(self, connection: sa.Connection, find: Callable[[int, str], None]) -> None:
        self._connection = connection
        self._find = find
        self._open: dict[str, tuple[int, list[Row]]] = {}
        self._scopes: set[tuple[str, str, int]] = set()
        self._seen_scopes: set[str] = set()
        self._seen = 0
        self._last = 0

    def between(self, first: int, last: int) -> dict[int, list[Row]]:
        """By record, the rows by which its metrics are found."""
        rows = self._connection.execute(sa.select(reads).where(reads.c.seq.between(first, last)))
        found: dict[int, list[Row]] = {}
        for row in rows.mappings():
            found.setdefault(row["seq"], []).append(dict(row))
        return found

    def compare(self, record: Any, said: Mapping[str, Any], indexed: list[Row]) -> None:
        """Checks what the index holds of one record, and the end that an outcome gives to a read."""
        self._last = record.seq
        self._seen += len(indexed)
        match said["kind"]:
            case "intent":
                self._check_begin(record, said, indexed)
            case "refusal":
                self._check(
                    record.seq, list(rows_of(said, record.seq, record.recorded_at)), indexed
                )
            case _ if indexed:
                self._find(record.seq, _OTHER)
        if said["kind"] == "outcome":
            self._check_end(said["id"], end_of(said, record.recorded_at))
        if said.get("touches"):
            self._remember_scope(said["touches"])

    def end(self) -> None:
        """Checks what only shows when all records have been seen."""
        for read_id in list(self._open):
            self._check_end(read_id, _OPEN)
        count = self._connection.execute(sa.select(sa.func.count()).select_from(reads)).scalar_one()
        if count != self._seen:
            self._find(
                self._last,
                f"there are {count - self._seen:,} reads in the index that no record tells of",
            )
        self._check_values()
        kept = {
            tuple(row)
            for row in self._connection.execute(
                sa.select(scopes.c.what, scopes.c.name, scopes.c.scope)
            )
        }
        if kept != self._scopes:
            self._find(self._last, "the index of what queries touch is not the one of the records")

    def _check_values(self) -> None:
        """What is kept of erasable values is what their digests were made of. That some were erased is no harm."""
        for row in self._connection.execute(sa.select(erasable_values)):
            if not is_value_of(row.digest, row.key, row.value):
                self._find(
                    self._last, f"a value of {row.record_id} is kept that is not the one on record"
                )

    def _check_begin(self, record: Any, said: Mapping[str, Any], indexed: list[Row]) -> None:
        begun = list(rows_of(said, record.seq, record.recorded_at))
        self._check(record.seq, begun, [item | _OPEN for item in indexed])
        ends = [{name: item[name] for name in _OPEN} for item in indexed]
        self._open[said["id"]] = record.seq, ends

    def _check_end(self, read_id: str, end: Row) -> None:
        seq, ends = self._open.pop(read_id, (0, []))
        if any(item != end for item in ends):
            self._find(seq, "the index does not say how this read ended")

    def _check(self, seq: int, expected: list[Row], indexed: list[Row]) -> None:
        if sorted(expected, key=_metric) != sorted(indexed, key=_metric):
            self._find(seq, _OTHER)

    def _remember_scope(self, touches: Mapping[str, Any]) -> None:
        key = repr(touches)
        if key not in self._seen_scopes:
            self._seen_scopes.add(key)
            self._scopes.update(
                (row["what"], row["name"], row["scope"]) for row in scope_rows(touches)
            )


def _metric(row: Row) -> str:
    return str(row["metric"])
