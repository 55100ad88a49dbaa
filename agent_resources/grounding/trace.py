"""Each claim of a text with the read that carries it, or without one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from agent_resources.grounding.context import Candidate, Context
from agent_resources.grounding.days import DayMention
from agent_resources.grounding.evidence import Table
from agent_resources.grounding.figures import candidates
from agent_resources.grounding.numbers import NumberKind, NumberMention
from agent_resources.grounding.ranked import Ranked, is_told, ranked_by
from agent_resources.grounding.rankings import rankings_of
from agent_resources.grounding.statement import Statement, Vocabulary
from semantic.time_range import DaySpan

_LONG = 27
_LARGE = 10
_PERCENT = ("%", "percent", "per cent")


class ClaimKind(StrEnum):
    """What is claimed."""

    NUMBER = "number"
    PERCENTAGE = "percentage"
    DATE = "date"
    RANKING = "ranking"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that a text states, as it stands there."""

    kind: ClaimKind
    text: str


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A claim, how it comes about and the read that carries it. Both are None where no read that is cited does."""

    claim: Claim
    how: str | None = None
    read_id: str | None = None

    @property
    def is_grounded(self) -> bool:
        return self.read_id is not None


def trace_text(
    text: str, cited: Sequence[Table], vocabulary: Vocabulary, *, tolerance: float = 0.0
) -> list[Trace]:
    """Every claim of a text, traced to the reads that are cited. `vocabulary` is that of all reads of the run.

    `tolerance` is the share of a value by which a number may differ from it, beyond the digits that it is stated in.
    """
    statement = Statement.of(text, vocabulary, _days_of(cited))
    return [
        *_traced_numbers(statement, cited, tolerance),
        *_traced_days(statement, cited),
        *_traced_rankings(statement, cited),
    ]


def trace_figure(
    name: str,
    value: float,
    unit: str | None,
    cited: Sequence[Table],
    vocabulary: Vocabulary,
    *,
    tolerance: float = 0.0,
) -> Trace:
    """A figure with its name, traced to the reads that are cited, as exactly as its digits tell it."""
    written = format(Decimal(repr(value)), "f")
    is_percent = (unit or "").strip().lower() in _PERCENT
    text = f"{name}: {written}{'%' if is_percent else ''}"
    statement = Statement.of(text, vocabulary, _days_of(cited))
    stated = [item for item in statement.numbers if item.end == len(text)]
    traces = list(_traced_numbers(replace(statement, numbers=tuple(stated)), cited, tolerance))
    kind = ClaimKind.PERCENTAGE if is_percent else ClaimKind.NUMBER
    claim = Claim(kind=kind, text=text)
    return replace(traces[0], claim=claim) if traces else Trace(claim=claim)


def _trace(claim: Claim, found: Candidate | Ranked | None) -> Trace:
    return Trace(claim=claim, how=found.how, read_id=found.read_id) if found else Trace(claim=claim)


def _days_of(tables: Sequence[Table]) -> list[DaySpan]:
    periods = {row.period for table in tables for row in table.rows if row.period is not None}
    return [*periods, *(table.span for table in tables if table.span is not None)]


def _traced_numbers(
    statement: Statement, cited: Sequence[Table], tolerance: float
) -> Iterator[Trace]:
    traced: dict[NumberMention, Candidate | None] = {}
    for number in statement.numbers:
        context = Context(
            number=number, scope=statement.scope(number), statement=statement, tolerance=tolerance
        )
        met = (item for item in candidates(context, cited) if context.is_met_by(item))
        traced[number] = next(met, None)
    for number in [number for number, found in traced.items() if found is None]:
        traced[number] = _from_stated(number, statement, traced)
    for number, found in traced.items():
        kind = ClaimKind.NUMBER if number.kind is NumberKind.PLAIN else ClaimKind.PERCENTAGE
        claim = Claim(kind=kind, text=statement.text[number.start : number.end])
        yield _trace(claim, found)


def _from_stated(
    number: NumberMention,
    statement: Statement,
    traced: dict[NumberMention, Candidate | None],
) -> Candidate | None:
    """A number that two others of its sentence come to, both of which are traced: from 340 to 380, a rise of 12 %."""
    start, end = statement.sentence(number.start)
    stated = [
        (other, found)
        for other, found in traced.items()
        if found is not None
        and start <= other.start < end
        and (not other.is_written or other.value >= _LARGE)
    ]
    context = Context(
        number=number, scope=statement.scope(number), statement=statement, tolerance=0.0
    )
    for place, (first, found) in enumerate(stated):
        for second, _ in stated[place + 1 :]:
            if first.kind is not second.kind:
                continue
            for value, how in _of_both(number, first, second):
                told = f"{statement.text[first.start : first.end]} and {statement.text[second.start : second.end]}"
                candidate = Candidate(value=value, how=f"{how} of {told}", read_id=found.read_id)
                if context.is_met_by(candidate):
                    return candidate
    return None


def _of_both(
    number: NumberMention, first: NumberMention, second: NumberMention
) -> Iterator[tuple[float, str]]:
    """What two numbers of one kind come to, in the way that another counts."""
    one, other = first.value, second.value
    ratios = [(top / bottom, "ratio") for top, bottom in ((one, other), (other, one)) if bottom]
    is_percent = first.kind is NumberKind.PERCENT
    match number.kind:
        case NumberKind.PLAIN if not is_percent:
            yield abs(one - other), "difference"
            yield one + other, "sum"
        case NumberKind.POINTS if is_percent:
            yield abs(one - other), "difference"
        case NumberKind.PERCENT:
            if is_percent:
                yield abs(one - other), "difference"
            yield from ((100 * abs(ratio - 1), "growth") for ratio, _ in ratios)
            yield from ((100 * ratio, how) for ratio, how in ratios)
        case NumberKind.TIMES:
            yield from ratios


def _traced_days(statement: Statement, cited: Sequence[Table]) -> Iterator[Trace]:
    for mention in statement.days:
        claim = Claim(
            kind=ClaimKind.DATE, text=statement.text[mention.start : mention.end].strip(" .")
        )
        table = next((table for table in cited if _has_days(table, mention)), None)
        yield Trace(
            claim=claim,
            how="days of the read" if table else None,
            read_id=table.read_id if table else None,
        )


def _has_days(table: Table, mention: DayMention) -> bool:
    span = mention.span
    if span is None:
        return False
    periods = [row.period for row in table.rows if row.period is not None]
    known = [*periods, *([table.span] if table.span else [])]
    if not known:
        return False
    reach = DaySpan(start=min(it.start for it in known), end=max(it.end for it in known))
    if span.days > _LONG:
        return span.start <= reach.end and reach.start <= span.end
    return reach.start <= span.start and span.end <= reach.end


def _traced_rankings(statement: Statement, cited: Sequence[Table]) -> Iterator[Trace]:
    for ranking in rankings_of(statement):
        if not is_told(ranking, statement, cited):
            continue
        named = " ".join(
            statement.text[it.start : it.end]
            for it in (*ranking.subjects, *([ranking.number] if ranking.number else []))
        )
        claim = Claim(
            kind=ClaimKind.RANKING,
            text=f"{named}: {statement.text[ranking.start : ranking.end]}",
        )
        yield _trace(claim, ranked_by(ranking, statement, cited))
