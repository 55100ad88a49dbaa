"""What one value is to another, where a text sets them side by side: a difference, a growth, a multiple."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from statistics import fmean, median

from agent_resources.grounding.context import Candidate, Context
from agent_resources.grounding.cues import AVERAGE, CHANGED, FELL, ROSE
from agent_resources.grounding.evidence import Column, Table
from agent_resources.grounding.numbers import NumberKind, NumberMention
from agent_resources.grounding.scoped import rows_in
from agent_resources.grounding.statement import LabelMention, Scope, Statement
from semantic.time_range import DaySpan

_MOST_PAIRS = 2_500
_UNNAMED = re.compile(r"(?<=[a-z,]\s)[A-Z][a-z]+")


def changes(context: Context, table: Table, column: Column) -> Iterator[Candidate]:
    """What one value is to another, where the text sets them side by side."""
    if not (
        context.number.kind in (NumberKind.POINTS, NumberKind.TIMES)
        or any(context.has_cue(cues) for cues in (ROSE, FELL, CHANGED))
    ):
        return
    for one, other, told in _pairs(context, table, column):
        for value in _to_each_other(context.number, column, one, other):
            yield Candidate(
                value=value,
                how=f"{column.name}: {told}",
                read_id=table.read_id,
                is_change=context.number.kind is not NumberKind.TIMES,
            )


def _to_each_other(
    number: NumberMention, column: Column, one: float, other: float
) -> Iterator[float]:
    match number.kind:
        case NumberKind.PLAIN:
            yield one - other
        case NumberKind.POINTS:
            yield (one - other) * (100 if column.is_ratio else 1)
        case NumberKind.PERCENT:
            if other:
                yield 100 * (one - other) / other
            if column.is_ratio:
                yield 100 * (one - other)
        case NumberKind.TIMES:
            if other:
                yield one / other
            if one and (number.is_written or number.value > 1) and abs(other) > abs(one):
                yield other / one


def _pairs(context: Context, table: Table, column: Column) -> Iterator[tuple[float, float, str]]:
    """Pairs of values that a sentence may set side by side, the one that is spoken of first."""
    statement = context.statement
    start, end = statement.sentence(context.number.start)
    is_than = "than" in context.sentence_words
    for labels in _label_groups(statement, start, end):
        for one, other in combinations(labels, 2):
            kept = tuple(it for it in context.scope.labels if it.dimensions != one.dimensions)
            yield from _side_by_side(
                table,
                column,
                replace(context.scope, labels=(*kept, one)),
                replace(context.scope, labels=(*kept, other)),
                statement.text[one.start : one.end]
                + " to "
                + statement.text[other.start : other.end],
            )
    if _UNNAMED.search(_unmentioned(statement, start, end)):
        yield from _to_any_other(context, table, column)
    days = _days_named(statement, start, end)
    for first, second in combinations(days, 2):
        ordered = (first, second) if is_than else _later_first(first, second)
        yield from _side_by_side(
            table,
            column,
            replace(context.scope, days=(ordered[0],)),
            replace(context.scope, days=(ordered[1],)),
            f"{ordered[0].start} to {ordered[1].start}",
        )
    yield from _from_first_to_last(context, table, column)
    yield from _to_what_was_before(context, table, column)
    if context.has_cue(AVERAGE):
        yield from _to_the_usual(context, table, column)


def _unmentioned(statement: Statement, start: int, end: int) -> str:
    """A sentence with its mentions left blank."""
    text = statement.text[:end]
    for item in statement.mentions:
        text = text[: item.start] + " " * (item.end - item.start) + text[item.end :]
    return text[start:end]


def _to_any_other(
    context: Context, table: Table, column: Column
) -> Iterator[tuple[float, float, str]]:
    """A group beside each other one: where a sentence names one that no read calls so."""
    mine = [row for row in rows_in(table, context.scope) if not row.is_previous]
    others = rows_in(table, replace(context.scope, labels=()))
    if (len(mine) != 1 and context.scope.labels) or len(mine) * len(others) > _MOST_PAIRS:
        return
    for row in mine:
        for other in others:
            if other is not row and column.name in row.cells and column.name in other.cells:
                yield row.cells[column.name], other.cells[column.name], "to another"


def _side_by_side(
    table: Table, column: Column, one: Scope, other: Scope, told: str
) -> Iterator[tuple[float, float, str]]:
    left, right = (_value(table, column, scope) for scope in (one, other))
    if left is not None and right is not None:
        yield left, right, told


def _value(table: Table, column: Column, scope: Scope) -> float | None:
    """The value of a scope: its one cell, or the sum of its cells."""
    cells = [
        row.cells[column.name]
        for row in rows_in(table, scope)
        if column.name in row.cells and not row.is_previous
    ]
    if not cells or (len(cells) > 1 and (column.is_ratio or column.is_percent)):
        return None
    return sum(cells)


def _from_first_to_last(
    context: Context, table: Table, column: Column
) -> Iterator[tuple[float, float, str]]:
    """The last of the days that a text names beside the first: from 1 to 9 February."""
    if not table.has_periods:
        return
    for span in context.scope.days:
        rows = rows_in(table, replace(context.scope, days=(span,)))
        rows = [row for row in rows if row.period and column.name in row.cells]
        ends = {row.period.start for row in rows if row.period}
        if len(rows) > 1 and len(ends) == len(rows):
            ordered = sorted(rows, key=lambda row: row.period.start if row.period else span.start)
            first, last = (ordered[place].cells[column.name] for place in (0, -1))
            yield last, first, f"{span.end} to {span.start}"


def _to_what_was_before(
    context: Context, table: Table, column: Column
) -> Iterator[tuple[float, float, str]]:
    """Each row beside the same group in the period before: the one that was read with it, or the one of the days just before."""
    twins = {
        id(row): after
        for row, after in zip(table.rows, table.rows[1:], strict=False)
        if after.is_previous and not row.is_previous
    }
    by_end = {
        (row.period.end, tuple(sorted(row.labels.items()))): row
        for row in table.rows
        if row.period and table.has_periods and not row.is_previous
    }
    for row in rows_in(table, context.scope):
        if row.is_previous:
            continue
        before = twins.get(id(row))
        if before is None and row.period:
            day = row.period.start - timedelta(days=1)
            before = by_end.get((day, tuple(sorted(row.labels.items()))))
        if before is not None and column.name in row.cells and column.name in before.cells:
            yield row.cells[column.name], before.cells[column.name], "to the period before"


def _to_the_usual(
    context: Context, table: Table, column: Column
) -> Iterator[tuple[float, float, str]]:
    value = _value(table, column, context.scope)
    everything = [row for row in table.rows if not row.is_previous and column.name in row.cells]
    mine = {id(row) for row in rows_in(table, context.scope)}
    others = [row for row in everything if id(row) not in mine]
    if value is None:
        return
    for told, rows in (("all", everything), ("the others", others)):
        cells = [row.cells[column.name] for row in rows]
        if cells:
            yield value, fmean(cells), f"to the mean of {told}"
            yield value, median(cells), f"to the median of {told}"


def _label_groups(statement: Statement, start: int, end: int) -> Iterator[list[LabelMention]]:
    named = [item for item in statement.labels if start <= item.start < end]
    for dimensions in dict.fromkeys(item.dimensions for item in named):
        yield [item for item in named if item.dimensions == dimensions]


def _days_named(statement: Statement, start: int, end: int) -> list[DaySpan]:
    """The days of a sentence; where it names one or none, those of the text before it as well."""
    named = [item.span for item in statement.days if start <= item.start < end and item.span]
    if len(named) < 2:
        named = [item.span for item in statement.days if item.start < end and item.span]
    return list(dict.fromkeys(named))


def _later_first(first: DaySpan, second: DaySpan) -> tuple[DaySpan, DaySpan]:
    return (second, first) if second.start > first.start else (first, second)
