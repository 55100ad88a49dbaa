"""What a text says of order: `the highest`, `second most`, `more than`; and whether the reads say the same."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent_resources.grounding.days import DayMention
from agent_resources.grounding.evidence import Column, Row, Table
from agent_resources.grounding.numbers import Hedge, NumberKind, NumberMention
from agent_resources.grounding.scoped import rows_in
from agent_resources.grounding.statement import LabelMention, Scope, Statement
from agent_resources.grounding.words import named_share
from agent_resources.grounding.written import CARDINALS, ORDINALS

_MOST = (
    r"highest|record\s+for|most(?!\s+of\b)|largest|greatest|biggest|busiest|longest|maximum|peak|heaviest|strongest|wettest|windiest|top|"
    r"(?:more|higher|larger)\b[\w\s]{0,30}\bthan\s+any(?:\s+other)?"
)
_LEAST = (
    "lowest|fewest|least|smallest|shortest|minimum|quietest|lightest|driest|weakest|"
    r"(?:fewer|lower|less)\b[\w\s]{0,30}\bthan\s+any(?:\s+other)?"
)
_EITHER = "worst|best"
_PLACE = "|".join(sorted(ORDINALS, key=len, reverse=True))
_SUPERLATIVE = re.compile(
    rf"(?:\b(?P<ordinal>{_PLACE})[\s-]+)?(?<!at )(?<!almost )"
    rf"\b(?:(?P<most>{_MOST})|(?P<least>{_LEAST})|(?P<either>{_EITHER}))\b"
    r"(?!\s+(?:recent|likely|days\b|\d))",
    re.IGNORECASE,
)
_PLACED = re.compile(
    rf"\b(?P<held>{_PLACE})\s+place\b|\b(?:is|was|were|came|comes|come|ranks?|ranked|finish(?:es|ed)|placed|in)\s+(?:only\s+)?(?P<ordinal>{_PLACE})\b"
    r"(?!\s+(?:half|week|quarter|day|month))",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"\b(?:on|in|for|at|between|during|over|from|within|of|through|since|to|until|by|and)\s+(?:the\s+|both\s+)*$",
    re.IGNORECASE,
)
_SUCH = re.compile(
    r"(?:\b(?:(?:was|were|is|are)(?:\s+\w+ed)?|fell|came|occurred|belong(?:s|ed)?\s+to|goes\s+to|went\s+to)\b|:)(?:\s+(?:on|in|at|that|the|of))*\W*$",
    re.IGNORECASE,
)
_WAS = re.compile(r"\b(?:was|were|is|are)\s+(?:the\s+)?$", re.IGNORECASE)
_FEW = re.compile(rf"\b(?:\d+|{'|'.join(CARDINALS)})\s+(?:\w+\s+with\s+the\s+)?$", re.IGNORECASE)
_COMPARISON = re.compile(
    r"\b(?:(?P<more>more|higher|larger|greater|bigger|longer|busier|heavier)|(?P<less>fewer|less|lower|smaller|shorter|quieter))\b"
    r"(?P<what>[^.;,]*?)\bthan\b",
    re.IGNORECASE,
)
_WORDS_AFTER = 5
_LONGEST_PERIOD = 7


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """That something is `place`-th when sorted, or before another; from `start` to before `end` of the text. `is_down` is None where
    either order may be meant. Where no subject is named it is said of who has this `number`.
    """

    start: int
    end: int
    place: int
    is_down: bool | None
    subjects: tuple[DayMention | LabelMention, ...]
    below: tuple[DayMention | LabelMention, ...] = ()
    number: NumberMention | None = None


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """How a ranking comes about, by the read that it is from."""

    how: str
    read_id: str


def rankings_of(statement: Statement) -> Iterator[Ranking]:
    """What a text says of order, as far as it names who holds a place."""
    for match in (*_SUPERLATIVE.finditer(statement.text), *_PLACED.finditer(statement.text)):
        said = match.groupdict()
        is_of_few = _FEW.search(statement.text[: match.start()]) is not None
        subjects = () if is_of_few else _subjects(statement, match.start(), match.end())
        number = None if subjects or is_of_few else _number_near(statement, match.start())
        if not subjects and number is None:
            continue
        ways = {"most": True, "least": False}
        yield Ranking(
            start=match.start(),
            end=match.end(),
            place=ORDINALS.get((said["ordinal"] or said.get("held") or "").lower(), 1),
            is_down=next((is_down for name, is_down in ways.items() if said.get(name)), None),
            subjects=subjects,
            number=number,
        )
    for match in _COMPARISON.finditer(statement.text):
        if any(match.start() <= item.start < match.end() for item in statement.numbers):
            continue
        before = _last_before(statement, match.start())
        after = _first_after(statement, match.end())
        if (
            before
            and after
            and _is_alike(before, after)
            and not _is_number_near(statement, match.start())
        ):
            yield Ranking(
                start=match.start(),
                end=match.end(),
                place=1,
                is_down=match["more"] is not None,
                subjects=(before,),
                below=(after,),
            )


def ranked_by(ranking: Ranking, statement: Statement, tables: Sequence[Table]) -> Ranked | None:
    """By which of these reads a ranking holds; None where by none of them."""
    if ranking.number is not None:
        return _ranked_by_number(ranking, ranking.number, statement, tables)
    for table in tables:
        if _is_told_otherwise(ranking, table):
            return Ranked(how="not told apart by these names", read_id=table.read_id)
        scope = _scope_of_others(ranking, statement)
        rows = [row for row in rows_in(table, scope) if not row.is_previous]
        rows = _beyond_what_is_said(ranking, statement, table, rows)
        for column in _columns(ranking, statement, table):
            if _holds(ranking, table, column, rows):
                return Ranked(how=f"order of {column.name}", read_id=table.read_id)
    return None


def _ranked_by_number(
    ranking: Ranking, number: NumberMention, statement: Statement, tables: Sequence[Table]
) -> Ranked | None:
    """By which read the cell with this number holds the place; one that no read has is not ranked."""
    found = Ranked(how="a number that no cell has", read_id=tables[0].read_id if tables else "")
    is_read = False
    scope = statement.scope(number)
    for table in tables:
        for column in _columns(ranking, statement, table):
            factor = 100.0 if column.is_ratio and number.kind is NumberKind.PERCENT else 1.0
            within = rows_in(table, Scope(labels=scope.labels, days=scope.days))
            everything = [row for row in table.rows if not row.is_previous]
            for rows in (within, everything):
                cells = [
                    row.cells[column.name] * factor for row in rows if column.name in row.cells
                ]
                places = [
                    _places(cells, cell)
                    for cell in cells
                    if abs(cell - number.value) <= number.half_step + 1e-9
                ]
                is_read = is_read or bool(places)
                is_known = not table.is_cut or table.order[:1] == ((column.name, ranking.is_down),)
                if (
                    len(cells) > 1
                    and is_known
                    and any(ranking.place in _asked(ranking, place) for place in places)
                ):
                    return Ranked(how=f"order of {column.name}", read_id=table.read_id)
    return None if is_read else found


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
        if not re.search(
            r"\b(?:with|having|among|that had)\b", statement.text[start : number.start]
        ):
            continue
        words = statement.words((number.end, statement.clause(number.start)[1]))[:_WORDS_AFTER]
        for column in table.columns:
            if column.words == frozenset(words[:1]) or named_share(column.words, words[:2])[1] == 1:
                kept = [
                    row
                    for row in kept
                    if column.name in row.cells
                    and (
                        row.cells[column.name] >= number.value
                        if number.hedge is Hedge.OVER
                        else row.cells[column.name] <= number.value
                    )
                ]
    return kept


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


def _key_of(subject: DayMention | LabelMention, table: Table, row: Row) -> object:
    if isinstance(subject, DayMention):
        return row.period if table.has_periods else None
    return next(
        (row.labels[name] for name in sorted(subject.dimensions) if name in row.labels), None
    )


def _is_meant(key: object, subject: DayMention | LabelMention) -> bool:
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


def _subjects(statement: Statement, start: int, end: int) -> tuple[DayMention | LabelMention, ...]:
    """Who a superlative is said of: a label of its sentence, the nearest before it or else after it; or a day that is not only when it was."""
    first, last = statement.sentence(start)
    labels = [item for item in statement.labels if first <= item.start < last]
    if labels:
        before = [item for item in labels if item.end <= start]
        after = [item for item in labels if item.start >= end]
        is_told_after = after and _SUCH.search(statement.text[end : after[0].start])
        clause = statement.clause(start)[0]
        close = [item for item in before if clause <= item.start]
        near = [item for item in after if item.start < statement.clause(start)[1]]
        return tuple((close or (after[:1] if is_told_after else []) or before or near[:1])[-1:])
    days = [
        item
        for item in statement.days
        if first <= item.start < last and item.span and item.span.days <= _LONGEST_PERIOD
    ]
    before_days = [
        item
        for item in days
        if item.end <= start and not _PREPOSITION.search(statement.text[: item.start])
    ]
    after_days = [
        item
        for item in days
        if item.start >= end
        and (
            _SUCH.search(statement.text[end : item.start])
            or (
                _WAS.search(statement.text[:start])
                and statement.text[end : item.start].strip() in ("on", "in")
            )
        )
    ]
    return tuple(before_days[-1:] or after_days[:1])


def _number_near(statement: Statement, position: int) -> NumberMention | None:
    """The number of the clause, or else of the sentence, that a superlative stands nearest to."""
    for start, end in (statement.clause(position), statement.sentence(position)):
        near = [
            item
            for item in statement.numbers
            if start <= item.start < end
            and not item.is_written
            and item.kind in (NumberKind.PLAIN, NumberKind.PERCENT)
            and item.hedge not in (Hedge.OVER, Hedge.UNDER)
        ]
        if near:
            return min(near, key=lambda item: abs(item.start - position))
    return None


def _last_before(statement: Statement, position: int) -> DayMention | LabelMention | None:
    first, _ = statement.sentence(position)
    named = [it for it in (*statement.labels, *statement.days) if first <= it.start < position]
    return max(named, key=lambda item: item.start, default=None)


def _first_after(statement: Statement, position: int) -> DayMention | LabelMention | None:
    _, last = statement.sentence(position)
    named = [it for it in (*statement.labels, *statement.days) if position <= it.start < last]
    return min(named, key=lambda item: item.start, default=None)


def _is_alike(one: DayMention | LabelMention, other: DayMention | LabelMention) -> bool:
    if isinstance(one, DayMention) or isinstance(other, DayMention):
        spans = [item.span for item in (one, other) if isinstance(item, DayMention) and item.span]
        return len(spans) == 2 and spans[0].days == spans[1].days
    return one.dimensions == other.dimensions


def _is_number_near(statement: Statement, position: int) -> bool:
    """Whether a comparison says by how much: then the number is looked at, and its direction with it."""
    return any(0 <= position - item.end <= 2 for item in statement.numbers)
