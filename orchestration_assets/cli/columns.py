"""What the columns of an answer hold, for formats that have types."""

from collections.abc import Mapping
from enum import StrEnum


class Holds(StrEnum):
    """What a column holds. A moment is in UTC, as 2026-11-17T08:30:00.000Z; a day is 2026-11-17. Any of them can be unknown."""

    TEXT = "text"
    TEXTS = "texts"
    NUMBER = "number"
    TRUTH = "truth"
    MOMENT = "moment"
    DAY = "day"


Columns = Mapping[str, Holds]
