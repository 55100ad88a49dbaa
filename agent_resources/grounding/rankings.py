"""What a text says of order: `the highest`, `second most`, `more than`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent_resources.grounding.days import DayMention
from agent_resources.grounding.numbers import Hedge, NumberKind, NumberMention
from agent_resources.grounding.statement import Mention, Statement
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
    re.IGNORECASE | re.ASCII,
)
_PLACED = re.compile(
    rf"\b(?P<held>{_PLACE})\s+place\b|\b(?:is|was|were|came|comes|come|ranks?|ranked|finish(?:es|ed)|placed|in)\s+(?:only\s+)?(?P<ordinal>{_PLACE})\b"
    r"(?!\s+(?:half|week|quarter|day|month))",
    re.IGNORECASE | re.ASCII,
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
    subjects: tuple[Mention, ...]
    below: tuple[Mention, ...] = ()
    number: NumberMention | None = None


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


def _subjects(statement: Statement, start: int, end: int) -> tuple[Mention, ...]:
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


def _last_before(statement: Statement, position: int) -> Mention | None:
    first, _ = statement.sentence(position)
    named = [it for it in statement.mentions if first <= it.start < position]
    return max(named, key=lambda item: item.start, default=None)


def _first_after(statement: Statement, position: int) -> Mention | None:
    _, last = statement.sentence(position)
    named = [it for it in statement.mentions if position <= it.start < last]
    return min(named, key=lambda item: item.start, default=None)


def _is_alike(one: Mention, other: Mention) -> bool:
    if isinstance(one, DayMention) or isinstance(other, DayMention):
        spans = [item.span for item in (one, other) if isinstance(item, DayMention) and item.span]
        return len(spans) == 2 and spans[0].days == spans[1].days
    return one.dimensions == other.dimensions


def _is_number_near(statement: Statement, position: int) -> bool:
    """Whether a comparison says by how much: then the number is looked at, and its direction with it."""
    return any(0 <= position - item.end <= 2 for item in statement.numbers)
