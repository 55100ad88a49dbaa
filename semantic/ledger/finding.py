"""What a walk over the record finds."""

from dataclasses import dataclass
from enum import StrEnum


class Harm(StrEnum):
    """What was done to the record."""

    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    ROLLED_BACK = "rolled back"
    DAMAGED = "damaged"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One harm, and the number of the first record that it concerns; 0 where it is of the file and not of a record."""

    harm: Harm
    seq: int
    text: str


def edited(seq: int, text: str) -> Finding:
    """That this record is not what was written."""
    return Finding(harm=Harm.EDITED, seq=seq, text=text)
