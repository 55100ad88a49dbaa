"""Whether the reads say the same of an order as a text does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_resources.grounding.days import DayMention
from agent_resources.grounding.evidence import Column, Row, Table
from agent_resources.grounding.numbers import Hedge, NumberKind, NumberMention
from agent_resources.grounding.rankings import Ranking
from agent_resources.grounding.scoped import rows_in
from agent_resources.grounding.statement import LabelMention, Mention, Scope, Statement
from agent_resources.grounding.words import named_share

_WORDS_AFTER = 5
_EXACT = 1e-9
_AMONG = re.compile(r"\b(?:with|having|among|that had)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """How a ranking comes about, by the read that it is from."""

    how: str
    read_id: str


def is_told(ranking: Ranking, statement: Statement, tables: Sequence[Table]) -> bool:
    """Whether some read has what a ranking is said of: under these names, or a cell with its number. Of another one it says nothing."""
    if ranking.number is None:
        return not tables or not all(_is_told_otherwise(ranking, table) for table in tables)
    return any(
        _has_number(cell, ranking.number)
        for table in tables
        for column in _columns(ranking, statement, table)
        for cell in _cells(table.rows, column, ranking.number)
    )


def ranked_by(ranking: Ranking, statement: Statement, tables: Sequence[Table]) -> Ranked | None:
    """By which of these reads a ranking holds; None where by none of them."""
    for table in tables:
        for column in _columns(ranking, statement, table):
            if ranking.number is not None:
                is_held = _number_holds(ranking, ranking.number, statement, table, column)
            else:
                rows = rows_in(table, _scope_of_others(ranking, statement))
                rows = [row for row in rows if not row.is_previous]
                rows = _beyond_what_is_said(ranking, statement, table, rows)
                is_held = _holds(ranking, table, column, rows)
            if is_held:
                return Ranked(how=f"order of {column.name}", read_id=table.read_id)
    return None


def _number_holds(
    ranking: Ranking, number: NumberMention, statement: Statement, table: Table, column: Column
) -> bool:
    """Whether the cell with this number holds the place, among the rows that the number is said of or among all."""
    if table.is_cut and table.order[:1] != ((column.name, ranking.is_down),):
        return False
    everything = [row for row in table.rows if not row.is_previous]
    for rows in (rows_in(table, statement.scope(number)), everything):
        cells = _cells(rows, column, number)
        held = [_places(cells, cell) for cell in cells if _has_number(cell, number)]
        if len(cells) > 1 and any(ranking.place in _asked(ranking, place) for place in held):
            return True
    return False


def _cells(rows: Sequence[Row], column: Column, number: NumberMention) -> list[float]:
    """The cells of a metric, as a number of this kind counts them."""
    factor = 100.0 if column.is_ratio and number.kind is NumberKind.PERCENT else 1.0
    return [row.cells[column.name] * factor for row in rows if column.name in row.cells]


def _has_number(cell: float, number: NumberMention) -> bool:
    return abs(cell - number.value) <= number.half_step + _EXACT


def _places(cells: Sequence[float], cell: float) -> tuple[int, int]:
    """The place of a cell among distinct ones, downwards and upwards."""
    distinct = sorted(set(cells))
    return len(distinct) - distinct.index(cell), distinct.index(cell) + 1


def _asked(ranking: Ranking, places: tuple[int, int]) -> tuple[int, ...]:
    if ranking.is_down is None:
        return places
    return places[:1] if ranking.is_down else places[1:]


def _is_told_otherwise(ranking: Ranking, table: Table) -> bool:
    """Whether a read tells the subjects apart, but calls them something else: by code, where the text has a name."""
    one = ranking.subjects[0]
    if isinstance(one, DayMention) or one.dimensions & table.dimensions:
        return False
    roots = {name.partition("__")[0] for name in one.dimensions}
    return bool(roots & {name.partition("__")[0] for name in table.dimensions})


def _beyond_what_is_said(
    ranking: Ranking, statement: Statement, table: Table, rows: Sequence[Row]
) -> list[Row]:
    """The rows that a threshold of the sentence leaves: `among carriers with at least 1,000 flights`."""
    start, end = statement.sentence(ranking.start)
    kept = list(rows)
    for number in statement.numbers:
        if not start <= number.start < end or number.hedge not in (Hedge.OVER, Hedge.UNDER):
            continue
        if not _AMONG.search(statement.text[start : number.start]):
            continue
        words = statement.words((number.end, statement.clause(number.start)[1]))[:2]
        for column in table.columns:
            if column.words == frozenset(words[:1]) or named_share(column.words, words)[1] == 1:
                kept = [row for row in kept if _lies_beyond(row.cells.get(column.name), number)]
    return kept


def _lies_beyond(cell: float | None, number: NumberMention) -> bool:
    if cell is None:
        return False
    return cell >= number.value if number.hedge is Hedge.OVER else cell <= number.value


def _holds(ranking: Ranking, table: Table, column: Column, rows: Sequence[Row]) -> bool:
    groups = _totals(ranking, table, column, rows)
    subjects = {key for key in groups if any(_is_meant(key, it) for it in ranking.subjects)}
    if len(groups) < 2 or not subjects:
        return False
    if ranking.below:
        below = {key for key in groups if any(_is_meant(key, it) for it in ranking.below)}
        if not below:
            return False
        one, other = (groups[next(iter(keys))] for keys in (subjects, below))
        return one > other if ranking.is_down else one < other
    ways = (True, False) if ranking.is_down is None else (ranking.is_down,)
    for is_down in ways:
        if table.is_cut and (column.name, is_down) not in table.order[:1]:
            continue
        values = sorted(set(groups.values()), reverse=is_down)
        held = {groups[key] for key in subjects}
        first = ranking.place - 1
        if held and held <= set(values[first : first + len(subjects)]):
            return True
    return False


def _totals(
    ranking: Ranking, table: Table, column: Column, rows: Sequence[Row]
) -> dict[object, float]:
    """The value of each group that the subject is one of."""
    totals: dict[object, list[float]] = {}
    for row in rows:
        key = _key_of(ranking.subjects[0], table, row)
        if key is not None and column.name in row.cells:
            totals.setdefault(key, []).append(row.cells[column.name])
    return {
        key: sum(cells)
        for key, cells in totals.items()
        if len(cells) == 1 or not (column.is_ratio or column.is_percent)
    }


def _key_of(subject: Mention, table: Table, row: Row) -> object:
    if isinstance(subject, DayMention):
        return row.period if table.has_periods else None
    return next(
        (row.labels[name] for name in sorted(subject.dimensions) if name in row.labels), None
    )


def _is_meant(key: object, subject: Mention) -> bool:
    return key == subject.span if isinstance(subject, DayMention) else key in subject.values


def _scope_of_others(ranking: Ranking, statement: Statement) -> Scope:
    """What a ranking is said of, but for who is ranked."""
    start, end = statement.sentence(ranking.start)
    one = ranking.subjects[0]
    ranked = (*ranking.subjects, *ranking.below)
    labels = [
        item
        for item in statement.labels
        if start <= item.start < end
        and item not in ranked
        and not (isinstance(one, LabelMention) and item.dimensions == one.dimensions)
    ]
    days = [
        item for item in statement.days if item.span and item not in ranked and item.start < end
    ]
    if isinstance(one, DayMention):
        days = [item for item in days if item.span and one.span and item.span.days > one.span.days]
    clause = statement.clause(ranking.start)
    near = [item for item in days if clause[0] <= item.start < clause[1]]
    near = near or [item for item in days if start <= item.start] or days[-1:]
    return Scope(labels=tuple(labels), days=tuple(item.span for item in near if item.span))


def _columns(ranking: Ranking, statement: Statement, table: Table) -> list[Column]:
    start, end = statement.clause(ranking.start)
    after = statement.words((ranking.end, end))[:_WORDS_AFTER]
    for words in (
        after,
        statement.words((start, end)),
        statement.words(statement.sentence(ranking.start)),
    ):
        shares = {column.name: named_share(column.words, words) for column in table.columns}
        best = max(shares.values(), default=(0, 0.0))
        if best[0]:
            named = [column for column in table.columns if shares[column.name] == best]
            return (
                [column for column in named if not column.is_ratio] if "number" in words else named
            )
    return list(table.columns)
