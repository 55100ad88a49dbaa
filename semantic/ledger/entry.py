"""A record made ready to be written: all of it that does not depend on its time and its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from semantic.ledger.erasable import KeptValue, written
from semantic.ledger.read_index import scope_of
from semantic.ledger.record import Record

RecordKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a record says, its canonical bytes `content`, the number of what it touches, and the rows of its erasable values.

    `key` is the id and the kind that there can be once.
    """

    record: Record
    key: RecordKey
    said: Mapping[str, Any]
    content: bytes
    scope: int | None
    erasable: Sequence[KeptValue]

    @classmethod
    def of(cls, record: Record) -> Self:
        said = record.said()
        content, erasable = written(said, record.record_id)
        touches = said["touches"]
        return cls(
            record=record,
            key=(record.record_id, record.kind.value),
            said=said,
            content=content,
            scope=scope_of(touches) if touches else None,
            erasable=erasable,
        )
