"""A stretch of the record: what can be told of so many records without those before and after them."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from semantic.ledger.finding import Finding, edited
from semantic.ledger.index_check import Indexed, IndexSeen, Row, indexed_between
from semantic.ledger.schema import records

# What reading a body raises that is no JSON, or not of a record.
NOT_WRITTEN_HERE = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
# A forger may have left a text where bytes belong.
BODY = sa.cast(records.c.body, sa.LargeBinary).label("body")
# A record as it is written, whoever wrote it.
WHOLE = [BODY if column.name == "body" else column for column in records.c]
# After one number and until another.
Part = tuple[int, int]
_REPEATED = itemgetter("id", "kind", "reader", "acting_for", "run_id", "root_run_id", "reason")
_NO_ROWS: Sequence[Row] = ()


@dataclass(kw_only=True)
class Run:
    """Records of one stream, each with the hash of the one before: from `first` on in the stream, the first of them written after `previous`.

    `places` is where they are in their stretch.
    """

    stream: str
    first: int
    previous: Any
    places: list[int] = field(default_factory=list)


@dataclass(kw_only=True)
class Stretch:
    """The records that were looked through, by their numbers, with the hash of each body."""

    seqs: list[int] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    index: IndexSeen = field(default_factory=IndexSeen)
    findings: list[Finding] = field(default_factory=list)


def look_through(rows: Iterable[Sequence[Any]], indexed: Indexed) -> Stretch:
    """Looks through records, given as rows of their table, beside what the index holds of them."""
    look = _Look()
    for row in rows:
        look.at(row, indexed.get(row[0], _NO_ROWS))
    return look.stretch


def parts_of(connection: sa.Connection, after: int | None, at_once: int) -> Iterator[Part]:
    """Parts that the records in the database with numbers after one come in, so many numbers each. Where there are none for long, neither
    are parts.
    """
    newest: int = connection.execute(sa.select(sa.func.max(records.c.seq))).scalar_one()
    next_one = sa.select(sa.func.min(records.c.seq))
    while True:
        following = next_one if after is None else next_one.where(records.c.seq > after)
        first: int | None = connection.execute(following).scalar_one()
        if first is None:
            return
        after = min(first - 1 + at_once, newest)
        yield first - 1, after


def stretch_between(connection: sa.Connection, part: Part) -> Stretch:
    """Looks through the records of a part in the database."""
    after, until = part
    rows = connection.execute(
        sa.select(*WHOLE)
        .where(records.c.seq > after, records.c.seq <= until)
        .order_by(records.c.seq)
    )
    return look_through(rows.all(), indexed_between(connection, after + 1, until))


class _Look:
    def __init__(self) -> None:
        self.stretch = Stretch()
        self._runs: dict[str, tuple[Run, int, str]] = {}

    def at(self, row: Sequence[Any], indexed: Sequence[Row]) -> None:
        seq, record_id, kind, at, reader, acting_for, run, root_run, reason, body, *place = row
        # A damaged row may have lost it.
        body = body or b""
        leaf = hashlib.sha256(b"\x00" + body).digest()
        try:
            parsed = from_json(body)
            said = parsed.get("record", parsed)
            if "metrics" in said:
                columns = (record_id, kind, at, reader, acting_for, run, root_run, reason, *place)
                if columns != _columns_of(parsed, said):
                    self._find(seq, "its columns do not say what its body says")
                self.stretch.index.compare(seq, at, said, indexed)
            if "stream" in parsed:
                self._follow(parsed, leaf)
        except NOT_WRITTEN_HERE:
            self._find(seq, "its body is not what was written")
        self.stretch.seqs.append(seq)
        self.stretch.leaves.append(leaf)

    def _follow(self, parsed: Mapping[str, Any], leaf: bytes) -> None:
        """A record holds the hash of the one before it in its stream."""
        stream, position, previous = str(parsed["stream"]), parsed["position"], parsed["previous"]
        found = self._runs.get(stream)
        if found is not None and (position, previous) == found[1:]:
            run = found[0]
        else:
            run = Run(stream=stream, first=int(position), previous=previous)
            self.stretch.runs.append(run)
        run.places.append(len(self.stretch.seqs))
        self._runs[stream] = run, position + 1, leaf.hex()

    def _find(self, seq: int, text: str) -> None:
        self.stretch.findings.append(edited(seq, text))


def _columns_of(parsed: Mapping[str, Any], said: Mapping[str, Any]) -> tuple[Any, ...]:
    """The columns by which a record is found, as its body has them. Those of the first version name no stream."""
    record_id, kind, *others = _REPEATED(said)
    return record_id, kind, parsed["at"], *others, parsed.get("stream"), parsed.get("position")
