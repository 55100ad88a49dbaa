"""How many reads there were, as `governed-agents reads --by` gives it."""

from collections.abc import Sequence
from typing import Any

from orchestration_assets.cli.columns import Columns, Holds
from semantic.errors import QuestionError, did_you_mean
from semantic.ledger import Period, ReadCount
from semantic.ledger.page_token import page_token, place_in
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


def counts_page(
    counts: Sequence[ReadCount],
    by: Sequence[Key],
    *,
    sort: str | None,
    limit: int | None,
    after: str | None,
) -> tuple[list[ReadCount], str | None]:
    """Counts in their order, at most `limit` of those `after` another page, and the token of the next page if there is one.

    By a period they are in the order of time, else the largest first. Raises `QuestionError`.
    """
    by_time = any(isinstance(key, Period) for key in by)
    wanted = sort or (by[0].value if by_time else "-reads")
    ordered = _ordered(counts, by, wanted, is_given=sort is not None or not by_time)
    order = f"{wanted} of {','.join(by)}"
    if after is not None:
        ordered = ordered[_begin(ordered, place_in(after, order)) :]
    shown = ordered[:limit]
    has_more = len(shown) < len(ordered)
    return shown, page_token(order, list(shown[-1].by.values())) if has_more else None


def _ordered(
    counts: Sequence[ReadCount], by: Sequence[Key], sort: str, *, is_given: bool
) -> list[ReadCount]:
    """What is equal stays in the order of what the counts are by; what is not known comes last."""
    name = sort.removeprefix("-")
    columns = count_columns(by)
    if name not in columns:
        raise QuestionError(
            f"These counts cannot be sorted by {name!r}",
            hint=did_you_mean(name, columns) or f"one of {', '.join(columns)}",
        )
    if not is_given:
        return list(counts)
    values = [(plain_count(count)[name], count) for count in counts]
    known = sorted(
        (item for item in values if item[0] is not None),
        key=lambda item: item[0],
        reverse=sort.startswith("-"),
    )
    return [count for _, count in known] + [count for value, count in values if value is None]


def _begin(counts: Sequence[ReadCount], place: list[Any]) -> int:
    for number, count in enumerate(counts, 1):
        if list(count.by.values()) == place:
            return number
    raise QuestionError("The count that this page comes after is not among these")
