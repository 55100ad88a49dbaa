"""Whether the index by which reads are found says what the records say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from semantic.ledger.erasable import is_value_of
from semantic.ledger.finding import Finding, edited
from semantic.ledger.read_index import END, OPEN, end_of, rows_of, scope_of, scope_rows
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import erasable_values, reads, scopes

Row = tuple[Any, ...]
Indexed = Mapping[int, Sequence[Row]]

_OTHER = "the metrics it is found by are not those of its body"


def indexed_between(connection: sa.Connection, first: int, last: int) -> dict[int, list[Row]]:
    """By record, the rows by which its metrics are found."""
    rows = connection.execute(sa.select(reads).where(reads.c.seq.between(first, last)))
    found: dict[int, list[Row]] = {}
    for row in rows.all():
        found.setdefault(row[0], []).append(tuple(row))
    return found


@dataclass(kw_only=True)
class IndexSeen:
    """What a stretch of records tells of the index.

    `begun` are reads that end in no record of it: by id, the number of the record and the ends that the index holds. `ended` are the ends
    of reads that began in no record of it. `touched` is what queries touch, by the number that the index has for it.
    """

    rows: int = 0
    begun: dict[str, tuple[int, list[Row]]] = field(default_factory=dict)
    ended: dict[str, Row] = field(default_factory=dict)
    touched: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def compare(self, seq: int, at: str, said: Mapping[str, Any], indexed: Sequence[Row]) -> None:
        """Compares what the index holds of one record, and the end that an outcome gives to a read, with what the record says."""
        self.rows += len(indexed)
        kind = said["kind"]
        if kind == RecordKind.INTENT:
            self._compare(seq, [row[:-END] for row in rows_of(said, seq, at)], indexed, until=-END)
            self.begun[said["id"]] = seq, [row[-END:] for row in indexed]
        elif kind == RecordKind.REFUSAL:
            self._compare(seq, rows_of(said, seq, at), indexed)
        elif indexed:
            self.findings.append(edited(seq, _OTHER))
        if kind == RecordKind.OUTCOME:
            self._end(said["id"], end_of(said, at))
        if touches := said.get("touches"):
            self.touched.setdefault(scope_of(touches), touches)

    def _compare(
        self, seq: int, expected: Sequence[Row], indexed: Sequence[Row], until: int | None = None
    ) -> None:
        found = [row[:until] for row in indexed]
        if found != expected and sorted(found, key=_metric) != sorted(expected, key=_metric):
            self.findings.append(edited(seq, _OTHER))

    def _end(self, read_id: str, end: Row) -> None:
        if read_id in self.begun:
            self.findings += _other_end(self.begun.pop(read_id), end)
        else:
            self.ended[read_id] = end


class IndexCheck:
    """Puts together what the stretches of a record tell of the index, in their order."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._open: dict[str, tuple[int, list[Row]]] = {}
        self._touched: dict[int, Mapping[str, Any]] = {}
        self._rows = 0

    def take(self, seen: IndexSeen) -> list[Finding]:
        """What is wrong in the next stretch, and in the reads that end in it."""
        self._rows += seen.rows
        found = list(seen.findings)
        for read_id, end in seen.ended.items():
            if read_id in self._open:
                found += _other_end(self._open.pop(read_id), end)
        self._open |= seen.begun
        self._touched |= seen.touched
        return found

    def end(self, last: int, *, deleted_through: int) -> list[Finding]:
        """What only shows when all records have been seen, up to the last one, but those until `deleted_through`: they are not there."""
        found = self._still_open()
        of_deleted = self._count(reads.c.seq.between(1, deleted_through))
        if of_deleted:
            text = f"{of_deleted:,} reads of deleted months are in the index: their deletion was ended halfway, or somebody put them there"
            found.append(edited(deleted_through, text))
        more = self._count(sa.true()) - of_deleted - self._rows
        if more:
            found.append(
                edited(last, f"there are {more:,} reads in the index that no record tells of")
            )
        found += self._check_values(last)
        told = {tuple(row) for touches in self._touched.values() for row in scope_rows(touches)}
        # What only records of deleted months name stays in the index.
        kept = {
            row for row in self._kept_scopes() if not deleted_through or row[-1] in self._touched
        }
        if told != kept:
            text = "the index of what queries touch is not the one of the records"
            found.append(edited(last, text))
        return found

    def _still_open(self) -> list[Finding]:
        """What the index says of reads that end in no record. It is asked again: some may have ended while others looked through the record."""
        found = []
        for seq, ends in self._open.values():
            if any(row != OPEN for row in ends):
                rows = indexed_between(self._connection, seq, seq).get(seq, ())
                found += _other_end((seq, [row[-END:] for row in rows]), OPEN)
        return found

    def _count(self, which: sa.ColumnElement[bool]) -> int:
        count = sa.select(sa.func.count()).select_from(reads).where(which)
        return int(self._connection.execute(count).scalar_one())

    def _kept_scopes(self) -> set[tuple[Any, ...]]:
        kept = sa.select(scopes.c.what, scopes.c.name, scopes.c.scope)
        return {tuple(row) for row in self._connection.execute(kept)}

    def _check_values(self, last: int) -> list[Finding]:
        """What is kept of erasable values is what their digests were made of. That some were erased is no harm."""
        return [
            edited(last, f"a value of {row.record_id} is kept that is not the one on record")
            for row in self._connection.execute(sa.select(erasable_values))
            if not is_value_of(row.digest, row.key, row.value)
        ]


def _other_end(begun: tuple[int, list[Row]], end: Row) -> list[Finding]:
    """That the index has a read end in another way than this."""
    seq, ends = begun
    if any(row != end for row in ends):
        return [edited(seq, "the index does not say how this read ended")]
    return []


def _metric(row: Row) -> str:
    return str(row[1])
