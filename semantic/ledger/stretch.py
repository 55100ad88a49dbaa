"""A stretch of the record: what can be told of so many records without those before and after them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from semantic.ledger.finding import Finding, edited
from semantic.ledger.index_check import Indexed, IndexSeen, Row
from semantic.ledger.schema import records

# What reading a body raises that is no JSON, or not of a record.
NOT_WRITTEN_HERE = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
# A forger may have left a text where bytes belong.
BODY = sa.cast(records.c.body, sa.LargeBinary).label("body")
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


class _Look:
    def __init__(self) -> None:
        self.stretch = Stretch()
        self._runs: dict[str, tuple[Run, int, str]] = {}

    def at(self, row: Sequence[Any], indexed: Sequence[Row]) -> None:
        seq, record_id, kind, at, reader, acting_for, run, root_run, reason, body, *place = row
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
    """The columns by which a record is found, as its body has them."""
    return (
        said.get("id"),
        said.get("kind"),
        parsed["at"],
        said.get("reader"),
        said.get("acting_for"),
        said.get("run_id"),
        said.get("root_run_id"),
        said.get("reason"),
        parsed.get("stream"),
        parsed.get("position"),
    )
