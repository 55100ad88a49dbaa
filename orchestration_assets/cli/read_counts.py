"""How many reads there were, as `governed-agents reads --by` gives it."""

from collections.abc import Sequence
from typing import Any

from orchestration_assets.cli.columns import Columns, Holds
from semantic.ledger import Period, ReadCount
from semantic.ledger.read_counts import Key, key_named

MEASURES = {
    "reads": Holds.NUMBER,
    "refused": Holds.NUMBER,
    "rows": Holds.NUMBER,
    "last_at": Holds.MOMENT,
}


def keys_named(by: Sequence[str]) -> list[Key]:
    """What reads are counted by, each once: options that were repeated, or parted by commas."""
    names = [name.strip() for text in by for name in text.split(",")]
    return [key_named(name) for name in dict.fromkeys(names)]


def count_columns(by: Sequence[Key]) -> Columns:
    return {**{key.value: Holds.TEXT for key in by}, **MEASURES}


def plain_count(count: ReadCount) -> dict[str, Any]:
    """A count as a program takes it."""
    return {
        **{key.value: value for key, value in count.by.items()},
        "reads": count.reads,
        "refused": count.refused,
        "rows": count.rows,
        "last_at": count.last_at,
    }


def default_order(by: Sequence[Key]) -> str:
    """What counts are sorted by: by a period in the order of time, else the largest first."""
    by_time = any(isinstance(key, Period) for key in by)
    return by[0].value if by_time else "-reads"
