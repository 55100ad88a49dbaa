"""Numbers that count groups or days, and not what a metric measures: `three airports`, `two of the fourteen days`."""

import re
from collections.abc import Iterator
from dataclasses import replace

from agent_resources.grounding.columns import columns_of
from agent_resources.grounding.context import Candidate, Context
from agent_resources.grounding.cues import COUNTED
from agent_resources.grounding.evidence import Table
from agent_resources.grounding.numbers import Hedge, NumberKind, NumberMention
from agent_resources.grounding.words import is_same_word, named_share, words_of

_MOST_COUNTED = 62
_THESE = re.compile(r"\b(?:the|all|these|those|other|first|last|top)\s+$", re.IGNORECASE)


def is_count(context: Context, table: Table) -> bool:
    """Whether a number counts groups or days, and not what a metric measures: `three airports`."""
    number = context.number
    if number.kind is not NumberKind.PLAIN or not (
        number.is_written or number.value <= _MOST_COUNTED
    ):
        return False
    if number.value != int(number.value) or context.measure:
        return False
    words = context.following[:2]
    if words and (words[0].endswith("est") or words[0] in ("most", "top")):
        return True
    if not words or any(named_share(column.words, words)[0] for column in table.columns):
        return False
    units = [word for column in table.columns for word in words_of(column.unit or "")]
    if any(is_same_word(word, unit) for word in words for unit in units):
        return False
    if words[0] == "of":
        return number.is_written
    is_of_these = _THESE.search(context.statement.text[: number.start]) is not None
    return is_of_these or words[0].endswith("s") or bool(set(words) & COUNTED)


def counts(context: Context, table: Table) -> Iterator[Candidate]:
    """How many groups lie beyond another number of the sentence; where it states none, any part of the groups that were read."""
    start, end = context.statement.sentence(context.number.start)
    now = [row for row in table.rows if not row.is_previous]
    is_beyond = False
    for other in context.statement.numbers:
        if not start <= other.start < end or other.hedge not in (Hedge.OVER, Hedge.UNDER):
            continue
        threshold = replace(context, number=other)
        for column in columns_of(threshold, table):
            is_beyond = True
            factor = 100.0 if column.is_ratio and other.kind is NumberKind.PERCENT else 1.0
            cells = [row.cells[column.name] * factor for row in now if column.name in row.cells]
            yield Candidate(
                value=sum(_lies_beyond(cell, other) for cell in cells),
                how=f"count of {column.name} {other.hedge.value} {other.value:g}",
                read_id=table.read_id,
            )
    if is_beyond and not _THESE.search(context.statement.text[: context.number.start]):
        return
    if is_beyond:
        yield Candidate(value=len(now), how="count of rows", read_id=table.read_id)
        return
    spans = {row.period for row in now if row.period} | ({table.span} if table.span else set())
    days = (max(it.end for it in spans) - min(it.start for it in spans)).days + 1 if spans else 0
    if set(context.following[:2]) & COUNTED or context.number.is_written:
        if context.number.value <= max(len(now), days):
            yield Candidate(
                value=context.number.value, how="count of groups or days", read_id=table.read_id
            )
        return
    named = {item.values for item in context.statement.labels if start <= item.start < end}
    groups = [
        len({row.labels[name] for row in now if name in row.labels})
        for name in sorted(table.dimensions)
    ]
    for count in (len(now), len(named), *groups):
        yield Candidate(value=count, how="count of groups", read_id=table.read_id)


def _lies_beyond(cell: float, other: NumberMention) -> bool:
    return cell > other.value if other.hedge is Hedge.OVER else cell < other.value
