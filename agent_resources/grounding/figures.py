"""What a number in a text may be: a cell, what cells of one column come to, or what two cells are to each other."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean, median

from agent_resources.grounding.evidence import Column, Row, Table
from agent_resources.grounding.numbers import Hedge, NumberKind, NumberMention
from agent_resources.grounding.scoped import rows_in
from agent_resources.grounding.statement import LabelMention, Scope, Statement
from agent_resources.grounding.words import is_same_word, named_share, words_of
from semantic.time_range import DaySpan

_ABOUT = 0.05
_EXACT = 1e-9
_WORDS_AFTER = 4
_MOST_COUNTED = 62
_WORDS_BEFORE = 3
_MEASURES = {
    **{
        name: name
        for name in (
            "minute minutes hour hours second seconds mile miles inch inches km kilometre kilometres kilometer kilometers mm "
            "knots dollar dollars euro euros usd eur seat seats celsius fahrenheit"
        ).split()
    },
    "mph": "miles per hour",
    "min": "minutes",
    "mins": "minutes",
    "hrs": "hours",
    "in": "inches",
}
_COUNTED = frozenset("day days week weeks month months hour hours quarter quarters year years time times".split())
_ROSE = "rose rise risen increase grew growth gain higher more up above surge jump climb exceed extra additional ahead".split()
_FELL = "fell fall fallen drop decline decrease lower less fewer down below reduction reduced shrank slower behind loss lost short".split()
_CHANGED = "change differ difference gap compared versus against than from margin by apart swing clear lead".split()
_AVERAGE = "average mean typical usual median normal daily".split()
_AVERAGED = "averaged average mean daily".split()
_MEANS = frozenset("average mean median rate".split())
_SHARE = "share of accounted account percent made portion proportion out every".split()
_TOTAL = "total together combined overall altogether sum all".split()


_OF_WHOLE = re.compile(
    r"\b(?:(?<!total )of|out of|out of a total of|from|against|versus|vs\.?|than)\s+(?:the\s+|its\s+|all\s+|a\s+total\s+of\s+|\w+'s\s+)*$",
    re.IGNORECASE,
)
_OF_NUMBER = re.compile(r"\s+(?:of|out of)\s+(?:the\s+|its\s+)?\d", re.IGNORECASE)
_EACH = re.compile(
    r"\s*(?:(?!within|in|of|on|for|from|to)\w+\s+){0,2}(?:a|per|each)\s+(?:day|week|month)\b", re.IGNORECASE
)
_THESE = re.compile(r"\b(?:the|all|these|those|other|first|last|top)\s+$", re.IGNORECASE)
_UNNAMED = re.compile(r"(?<=[a-z,]\s)[A-Z][a-z]+")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A value that a number may be, in the way that it is counted; `how` it comes about in words, and the read that it is from."""

    value: float
    how: str
    read_id: str
    is_change: bool = False


@dataclass(frozen=True, kw_only=True)
class Context:
    """A number with what it is said of, and the words around it."""

    number: NumberMention
    scope: Scope
    statement: Statement
    tolerance: float

    @property
    def clause_words(self) -> list[str]:
        return self.statement.words(self.statement.clause(self.number.start))

    @property
    def sentence_words(self) -> list[str]:
        return self.statement.words(self.statement.sentence(self.number.start))

    @property
    def is_alone(self) -> bool:
        """Whether its sentence states no other number that may be of another metric."""
        start, end = self.statement.sentence(self.number.start)
        run = self.statement.run_of(self.number)
        return not any(
            start <= item.start < end and item not in run and not item.is_written
            for item in self.statement.numbers
        )

    @property
    def is_of_whole(self) -> bool:
        """Whether the words before it say that it is what something is a part of, or is held against."""
        return _OF_WHOLE.search(self.statement.text[: self.number.hedge_start]) is not None

    @property
    def following(self) -> list[str]:
        """The words right after the number, up to the end of its clause or the next number."""
        end = self.statement.clause(self.number.start)[1]
        later = [item.start for item in self.statement.numbers if item.start > self.number.start]
        return self.statement.words((self.number.end, min([end, *later])))[:_WORDS_AFTER]

    @property
    def around(self) -> list[str]:
        """The words right before the list of numbers that it stands in, and those that follow it."""
        first = self.statement.run_of(self.number)[0].start
        start = self.statement.clause(first)[0]
        earlier = [item.end for item in self.statement.numbers if item.end <= first]
        return [*self.statement.words((max([start, *earlier]), first))[-_WORDS_BEFORE:], *self.following]

    def has_cue(self, cues: Sequence[str]) -> bool:
        return any(any(is_same_word(cue, word) for word in self.sentence_words) for cue in cues)

    def is_met_by(self, candidate: Candidate) -> bool:
        """Whether the number says this value, as exactly as it is stated."""
        value = candidate.value
        if candidate.is_change and not self._has_direction(value):
            return False
        value, stated = (abs(value), abs(self.number.value)) if candidate.is_change else (value, self.number.value)
        slack = self.number.half_step + _EXACT + self.tolerance * abs(value)
        match self.number.hedge:
            case Hedge.EXACT:
                if self.number.kind is NumberKind.TIMES:
                    slack = max(slack, _ABOUT * abs(value)) if self.number.is_written else slack
                elif self.number.is_written:
                    slack = _EXACT
                return abs(value - stated) <= slack
            case Hedge.ABOUT:
                return abs(value - stated) <= max(slack if not self.number.is_written else 0.0, _ABOUT * abs(value))
            case Hedge.OVER:
                return value >= stated - slack
            case Hedge.UNDER:
                return value <= stated + slack

    def _has_direction(self, change: float) -> bool:
        rose, fell = (
            any(any(is_same_word(cue, word) for word in self.clause_words) for cue in cues)
            for cues in (_ROSE, _FELL)
        )
        if rose == fell:
            return True
        return change >= 0 if rose else change <= 0


def candidates(context: Context, tables: Sequence[Table]) -> Iterator[Candidate]:
    """What a number may be, by the reads that are cited."""
    for scoped in _scopes(context):
        for table in tables:
            rows = rows_in(table, scoped.scope)
            if _is_count(scoped, table):
                yield from _counts(scoped, table, rows)
                continue
            for column in _columns(scoped, table):
                yield from _of_column(scoped, table, column, rows)
            if scoped.number.kind in (NumberKind.PERCENT, NumberKind.TIMES):
                yield from _of_two_columns(scoped, table, rows)
            for column in table.columns:
                yield from _shares(scoped, table, column, rows)
            for column in _narrowed(scoped, table.columns):
                yield from _changes(scoped, table, column)


def _scopes(context: Context) -> Iterator[Context]:
    """A number with what it is said of; one of a whole also without the labels that its part has."""
    yield context
    if context.is_of_whole:
        yield replace(context, scope=replace(context.scope, labels=()))
        yield replace(context, scope=replace(context.scope, days=()))
        yield replace(context, scope=Scope())


def _is_count(context: Context, table: Table) -> bool:
    """Whether a number counts groups or days, and not what a metric measures: `three airports`."""
    number = context.number
    if number.kind is not NumberKind.PLAIN or not (number.is_written or number.value <= _MOST_COUNTED):
        return False
    if number.value != int(number.value) or _measure(context):
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
    return is_of_these or words[0].endswith("s") or bool(set(words) & _COUNTED)


def _columns(context: Context, table: Table) -> list[Column]:
    """The metrics that the words at a number name; all of them where they name none."""
    columns = [column for column in table.columns if _is_counted_so(context.number, column)]
    measure = _measure(context)
    if measure:
        columns = [
            column
            for column in columns
            if all(
                any(is_same_word(word, item) for item in words_of(column.unit or ""))
                for word in words_of(measure)
            )
        ]
    if context.is_of_whole or _OF_NUMBER.match(context.statement.text, context.number.end):
        return columns
    return _narrowed(context, columns)


def _narrowed(context: Context, columns: Sequence[Column]) -> list[Column]:
    """Those of these metrics that the words at a number name best; all of them where they name none.

    A unit that several have tells them apart only where no other word does: `472 flights were cancelled`.
    """
    kept = list(columns)
    units = [word for column in columns for word in words_of(column.unit or "")]
    shared = {word for word in units if units.count(word) > 1}
    for words, is_all in (
        (context.around, False),
        (context.clause_words, False),
        (context.sentence_words if context.is_alone else [], False),
        (context.around, True),
        (context.clause_words, True),
    ):
        if len(kept) < 2:
            break
        said = [word for word in words if is_all or not any(is_same_word(word, it) for it in shared)]
        shares = {column.name: named_share(column.words, said) for column in kept}
        best = max(shares.values())
        if best[0]:
            kept = [column for column in kept if shares[column.name] == best]
    return kept


def _measure(context: Context) -> str | None:
    """The unit of measure that a number is stated in, None for one that is none: in `14 hours of rain` the hours may be counted."""
    if context.number.kind is not NumberKind.PLAIN:
        return None
    return next(
        (
            _MEASURES[word]
            for place, word in enumerate(context.following[:2])
            if word in _MEASURES and (place == 0 or word != "in") and word != "in"
        ),
        None,
    )


def _is_counted_so(number: NumberMention, column: Column) -> bool:
    match number.kind:
        case NumberKind.PERCENT:
            return column.is_ratio or column.is_percent
        case NumberKind.PLAIN:
            return True
        case NumberKind.POINTS | NumberKind.TIMES:
            return False


def _of_column(
    context: Context, table: Table, column: Column, rows: Sequence[Row]
) -> Iterator[Candidate]:
    factor = 100.0 if column.is_ratio and context.number.kind is NumberKind.PERCENT else 1.0
    values = [row.cells[column.name] * factor for row in rows if column.name in row.cells]
    now = [
        row.cells[column.name] * factor
        for row in rows
        if column.name in row.cells and not row.is_previous
    ]
    is_mean = len(now) > 1 and _is_averaged(context) and not (column.is_ratio or column.words & _MEANS)
    for value in dict.fromkeys(() if is_mean else values):
        yield Candidate(value=value, how=f"{column.name}", read_id=table.read_id)
    if len(now) == 1 and _is_averaged(context) and not column.is_ratio and rows[0].period:
        days = rows[0].period.days
        yield Candidate(value=now[0] / days, how=f"{column.name} per day", read_id=table.read_id)
    if len(now) < 2:
        return
    if not (column.is_ratio or column.is_percent) and (
        context.scope.labels or context.scope.days or not table.is_cut or context.has_cue(_TOTAL)
    ):
        how = f"sum of {column.name} over {len(now)} rows"
        yield Candidate(value=sum(now), how=how, read_id=table.read_id)
        if len(values) > len(now):
            yield Candidate(value=sum(values) - sum(now), how=f"{how} before", read_id=table.read_id)
    if context.has_cue(_AVERAGE) or is_mean:
        yield Candidate(value=fmean(now), how=f"mean of {column.name}", read_id=table.read_id)
        yield Candidate(value=median(now), how=f"median of {column.name}", read_id=table.read_id)


def _is_averaged(context: Context) -> bool:
    if _EACH.match(context.statement.text, context.number.end):
        return True
    return any(is_same_word(cue, word) for cue in _AVERAGED for word in context.clause_words)


def _counts(context: Context, table: Table, rows: Sequence[Row]) -> Iterator[Candidate]:
    """How many groups lie beyond another number of the sentence; where it states none, any part of the groups that were read."""
    start, end = context.statement.sentence(context.number.start)
    now = [row for row in table.rows if not row.is_previous]
    is_beyond = False
    for other in context.statement.numbers:
        if not start <= other.start < end or other.hedge not in (Hedge.OVER, Hedge.UNDER):
            continue
        threshold = replace(context, number=other)
        for column in _columns(threshold, table):
            is_beyond = True
            factor = 100.0 if column.is_ratio and other.kind is NumberKind.PERCENT else 1.0
            cells = [row.cells[column.name] * factor for row in now if column.name in row.cells]
            yield Candidate(
                value=sum(_lies_beyond(cell, other) for cell in cells),
                how=f"count of {column.name} {other.hedge.value} {other.value:g}",
                read_id=table.read_id,
            )
    if is_beyond:
        yield Candidate(value=len(now), how="count of rows", read_id=table.read_id)
        return
    spans = {row.period for row in now if row.period} | ({table.span} if table.span else set())
    days = (max(it.end for it in spans) - min(it.start for it in spans)).days + 1 if spans else 0
    if set(context.following[:2]) & _COUNTED or context.number.is_written:
        if context.number.value <= max(len(now), days):
            yield Candidate(
                value=context.number.value, how="count of groups or days", read_id=table.read_id
            )
        return
    named = {item.values for item in context.statement.labels if start <= item.start < end}
    groups = [len({row.labels[name] for row in now if name in row.labels}) for name in sorted(table.dimensions)]
    for count in (len(now), len(named), *groups):
        yield Candidate(value=count, how="count of groups", read_id=table.read_id)


def _lies_beyond(cell: float, other: NumberMention) -> bool:
    return cell > other.value if other.hedge is Hedge.OVER else cell < other.value


def _of_two_columns(context: Context, table: Table, rows: Sequence[Row]) -> Iterator[Candidate]:
    """One metric as a share or a multiple of another, in one row or over all of them."""
    factor = 100.0 if context.number.kind is NumberKind.PERCENT else 1.0
    now = [row for row in rows if not row.is_previous]
    for over in table.columns:
        for under in table.columns:
            if over is under or over.is_ratio or under.is_ratio:
                continue
            pairs = [
                (row.cells[over.name], row.cells[under.name])
                for row in now
                if over.name in row.cells and under.name in row.cells
            ]
            how = f"{over.name} / {under.name}"
            for top, bottom in [*pairs, (sum(it[0] for it in pairs), sum(it[1] for it in pairs))]:
                if bottom and (factor == 1.0 or 0 <= top <= bottom):
                    yield Candidate(value=factor * top / bottom, how=how, read_id=table.read_id)


def _shares(
    context: Context, table: Table, column: Column, rows: Sequence[Row]
) -> Iterator[Candidate]:
    """What a part is of the whole, where all groups were read."""
    if context.number.kind is not NumberKind.PERCENT or not context.has_cue(_SHARE):
        return
    if column.is_ratio or column.is_percent or table.is_cut:
        return
    for name, whole in (
        ("all", [row for row in table.rows if not row.is_previous]),
        ("these days", rows_in(table, replace(context.scope, labels=()))),
        ("these groups", rows_in(table, replace(context.scope, days=()))),
    ):
        part = sum(row.cells.get(column.name, 0.0) for row in rows if not row.is_previous)
        total = sum(row.cells.get(column.name, 0.0) for row in whole if not row.is_previous)
        if total and part < total:
            yield Candidate(
                value=100 * part / total, how=f"{column.name} as a share of {name}", read_id=table.read_id
            )


def _changes(context: Context, table: Table, column: Column) -> Iterator[Candidate]:
    """What one value is to another, where the text sets them side by side."""
    if not (
        context.number.kind in (NumberKind.POINTS, NumberKind.TIMES)
        or any(context.has_cue(cues) for cues in (_ROSE, _FELL, _CHANGED))
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
                statement.text[one.start : one.end] + " to " + statement.text[other.start : other.end],
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
    if context.has_cue(_AVERAGE):
        yield from _to_the_usual(context, table, column)


def _unmentioned(statement: Statement, start: int, end: int) -> str:
    """A sentence with its mentions left blank."""
    text = statement.text[:end]
    for item in (*statement.labels, *statement.days):
        text = text[: item.start] + " " * (item.end - item.start) + text[item.end :]
    return text[start:end]


def _to_any_other(
    context: Context, table: Table, column: Column
) -> Iterator[tuple[float, float, str]]:
    """A group beside each other one: where a sentence names one that no read calls so."""
    mine = [row for row in rows_in(table, context.scope) if not row.is_previous]
    if len(mine) != 1 and context.scope.labels:
        return
    for row in mine:
        for other in rows_in(table, replace(context.scope, labels=())):
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
    """Each row beside the same group in the period before: read with it, or the row just before."""
    rows = rows_in(table, context.scope)
    previous = {
        tuple(sorted(row.labels.items())): row for row in table.rows if row.is_previous
    } if sum(row.is_previous for row in table.rows) else {}
    by_end = {
        (row.period.end, tuple(sorted(row.labels.items()))): row
        for row in table.rows
        if row.period and table.has_periods
    }
    for row in rows:
        group = tuple(sorted(row.labels.items()))
        earlier = previous.get(group) if not table.has_periods else _twin(table, row)
        before = earlier
        if before is None and row.period and not row.is_previous:
            day = row.period.start.toordinal() - 1
            before = next(
                (it for (end, labels), it in by_end.items() if end.toordinal() == day and labels == group),
                None,
            )
        if before is None or row.is_previous:
            continue
        if column.name in row.cells and column.name in before.cells:
            yield row.cells[column.name], before.cells[column.name], "to the period before"


def _twin(table: Table, row: Row) -> Row | None:
    """The row of the previous period that was read beside a row: it stands right after it."""
    position = next(place for place, it in enumerate(table.rows) if it is row) + 1
    after = table.rows[position] if position < len(table.rows) else None
    return after if after is not None and after.is_previous and not row.is_previous else None


def _to_the_usual(
    context: Context, table: Table, column: Column
) -> Iterator[tuple[float, float, str]]:
    value = _value(table, column, context.scope)
    everything = [row for row in table.rows if not row.is_previous and column.name in row.cells]
    others = [row for row in everything if row not in rows_in(table, context.scope)]
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
