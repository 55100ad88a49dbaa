"""The days that a text speaks of: `2013-02-09`, `8 and 9 February`, `the week of 4 February`, `Q1 2013`, `the 9th`, `the day after`."""

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from agent_resources.grounding.written import CARDINALS
from semantic.time_range import LAST_YEAR, DaySpan, period_end

_MONTHS = {
    name.lower(): number
    for names in (calendar.month_name, calendar.month_abbr)
    for number, name in enumerate(names)
    if name
} | {"sept": 9}
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_YEAR = r"(?:,?\s+(?P<year>(?:19|20|21)\d\d)\b)?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?(?![\d.,]*\d|\s*(?:%|percent|per\s+cent))"
_ORDINAL = r"(?:[12]?1st|2?2nd|2?3rd|3?1st|30th|1?[4-9]th|1?0th|1[1-3]th|2[04-9]th)"
_JOIN = r"(?:\s*(?:-|–|—|,|&|\bto\b|\bthrough\b|\buntil\b|,?\s*\band\b)\s*(?:the\s+)?)"
_WEEKDAY = rf"(?:(?P<weekday>{'|'.join(calendar.day_name)}),?\s+(?:the\s+)?)?"
_WEEK = (
    r"(?P<week>(?:week\s+(?:of|beginning|starting|from|commencing)|w/c|wk\.?\s+of)\s+(?:the\s+)?)?"
)
_COUNT = rf"(?P<count>\d\d?|{'|'.join(CARDINALS)})"
_IN = (
    r"\b(?:in|during|of|since|throughout|for|all|late|early|mid|and|than|over|with|to|whole)[\s-]+"
)

_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"\b{_WEEK}(?P<iso>(?:19|20|21)\d\d-\d\d-\d\d)\b",
        r"\b(?P<iso_month>(?:19|20|21)\d\d-\d\d)\b(?!-)",
        rf"\bfirst\s+{_COUNT}\s+days\s+(?:of|in)\s+{_MONTH}{_YEAR}",
        rf"\b(?P<first_week>first\s+(?:full\s+)?week)\s+(?:of|in)\s+{_MONTH}{_YEAR}",
        rf"\b(?P<edge>first|last|final)\s+day\s+of\s+{_MONTH}{_YEAR}",
        rf"\b{_WEEK}{_WEEKDAY}(?P<days>{_DAY}(?:{_JOIN}{_DAY})*)\s+(?:of\s+)?{_MONTH}{_YEAR}",
        rf"\b{_WEEK}{_WEEKDAY}{_MONTH}\s+(?:the\s+)?(?P<days>{_DAY}(?:{_JOIN}{_DAY}(?!\s+(?:{_MONTH.replace('?P<month>', '?:')})))*){_YEAR}",
        rf"\b{_MONTH}\s+(?P<year>(?:19|20|21)\d\d)\b",
        r"\bQ(?P<quarter>[1-4])(?:\s+(?:of\s+)?(?P<year>(?:19|20|21)\d\d))?\b",
        rf"{_IN}{_MONTH}(?!\s*\d)",
        rf"\b{_MONTH}(?='s\b|\s+(?:saw|had|was|alone|total|average|overall))",
        r"\b(?:in|during|of|since|throughout|for|year)\s+(?P<year>(?:19|20|21)\d\d)\b(?![.,]?\d)",
        rf"\b{_WEEKDAY}the\s+(?P<ordinals>{_ORDINAL}(?:{_JOIN}{_ORDINAL})*)\b(?!\s+(?:highest|lowest|most|largest|busiest|fewest|worst|best|percentile))",
        r"(?<=\()(?P<bare>(?:0?[1-9]|[12]\d|3[01])\s*[-–]\s*(?:0?[1-9]|[12]\d|3[01]))(?=\))",
        r"\b(?:(?:on\s+)?(?:the\s+)?(?P<after>day\s+(?:after(?!\s+\d)|that\s+followed|later)|(?:next|following)\s+day)"
        r"|(?:the\s+)?(?P<before>day\s+(?:before(?!\s+\d)|earlier)|(?:previous|preceding|prior)\s+day))\b",
    )
)
_TO = re.compile(r"\s*(?:-|–|—|to|through|until|till)\s*(?:the\s+)?", re.IGNORECASE)
_AND = re.compile(r"\s*and\s*(?:the\s+)?", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween\s+(?:the\s+)?$", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True)
class DayMention:
    """Days that stand in a text, from `start` to before `end` of it. `span` is None for a day that no calendar has, or not as that day of
    the week.
    """

    start: int
    end: int
    span: DaySpan | None


def days_of(text: str, known: Sequence[DaySpan]) -> list[DayMention]:
    """The days that a text speaks of, in its order. Where a year or month is not said it is that of the days before it in the text, or of
    those that are `known`.
    """
    matches: list[re.Match[str]] = []
    for form in _FORMS:
        for match in form.finditer(text):
            if not any(it.start() < match.end() and match.start() < it.end() for it in matches):
                matches.append(match)
    found: list[DayMention] = []
    for match in sorted(matches, key=lambda item: item.start()):
        found += _mentions(text, match, found, known)
    return _with_ranges(text, found)


def _mentions(
    text: str, match: re.Match[str], earlier: Sequence[DayMention], known: Sequence[DaySpan]
) -> Iterator[DayMention]:
    said = match.groupdict()
    name = next((name for name in ("days", "ordinals", "bare") if said.get(name)), None)
    numbers = said[name] if name else None
    if name is None or numbers is None:
        span = _span(said, earlier, known)
        if span is not None or not (said.get("after") or said.get("before")):
            yield DayMention(start=match.start(), end=match.end(), span=span)
        return
    where = match.start(name)
    digits = list(_NUMBER.finditer(numbers))
    days = [_day(int(item[0]), said, earlier, known) for item in digits]
    weekday = (said.get("weekday") or "").lower()
    if days[0] is not None and weekday and calendar.day_name[days[0].weekday()].lower() != weekday:
        days[0] = None
    if len(days) == 2 and _is_range(text, match, numbers[digits[0].end() : digits[1].start()]):
        yield DayMention(start=match.start(), end=match.end(), span=_from_to(days[0], days[1]))
        return
    for place, day in enumerate(days):
        start = match.start() if place == 0 else where + digits[place].start()
        end = match.end() if place == len(days) - 1 else where + digits[place].end()
        last = day + timedelta(days=6) if day and said.get("week") else day
        yield DayMention(start=start, end=end, span=_from_to(day, last))


def _is_range(text: str, match: re.Match[str], join: str) -> bool:
    if re.search(r"-|–|—|\bto\b|\bthrough\b|\buntil\b", join):
        return True
    return "and" in join and _BETWEEN.search(text[: match.start()]) is not None


def _span(
    said: dict[str, str | None], earlier: Sequence[DayMention], known: Sequence[DaySpan]
) -> DaySpan | None:
    """The days of a mention that does not number them."""
    if iso := said.get("iso"):
        day = _date(iso)
        return _from_to(day, day + timedelta(days=6) if day and said.get("week") else day)
    if month := said.get("iso_month"):
        return _whole(f"{month}-01", "month")
    if said.get("after") or said.get("before"):
        last = next((item.span for item in reversed(earlier) if item.span), None)
        if last is None:
            return None
        day = last.end + timedelta(days=1) if said.get("after") else last.start - timedelta(days=1)
        return _from_to(day, day)
    quarter = said.get("quarter")
    number = 3 * int(quarter) - 2 if quarter else _MONTHS[(said.get("month") or "jan").lower()]
    year = int(said["year"] or 0) if said.get("year") else _year(number, known)
    grain = "quarter" if quarter else "month" if said.get("month") else "year"
    whole = _whole(f"{year:04}-{number:02}-01", grain)
    if whole is None:
        return None
    if count := said.get("count"):
        days = CARDINALS[count.lower()] if count.lower() in CARDINALS else int(count)
        return DaySpan(start=whole.start, end=whole.start + timedelta(days=int(days) - 1))
    if said.get("first_week"):
        return DaySpan(start=whole.start, end=whole.start + timedelta(days=6))
    if edge := said.get("edge"):
        day = whole.start if edge.lower() == "first" else whole.end
        return _from_to(day, day)
    return whole


def _day(
    number: int,
    said: dict[str, str | None],
    earlier: Sequence[DayMention],
    known: Sequence[DaySpan],
) -> date | None:
    if not said.get("month"):
        return _of_known(number, earlier, known)
    month = _MONTHS[(said["month"] or "").lower()]
    year = int(said["year"] or 0) if said.get("year") else _year(month, known)
    return _date(f"{year:04}-{month:02}-{number:02}")


def _of_known(number: int, earlier: Sequence[DayMention], known: Sequence[DaySpan]) -> date | None:
    """The day of this number in the month that the text spoke of last; else in the last that is known to have it."""
    months = [(item.span.end.year, item.span.end.month) for item in earlier[-1:] if item.span]
    months += sorted({month for span in known for month in _months(span)}, reverse=True)
    for place, (year, month) in enumerate(months):
        day = _date(f"{year:04}-{month:02}-{number:02}")
        if day and (
            any(span.start <= day <= span.end for span in known) or place == len(months) - 1
        ):
            return day
    return None


def _with_ranges(text: str, found: Sequence[DayMention]) -> list[DayMention]:
    """The mentions, with `27 January to 9 February` as one of them."""
    joined: list[DayMention] = []
    for item in found:
        before = joined[-1] if joined else None
        span = _joined(text, before, item) if before else None
        if before is not None and span is not None:
            joined[-1] = DayMention(start=before.start, end=item.end, span=span)
        else:
            joined.append(item)
    return joined


def _joined(text: str, first: DayMention, last: DayMention) -> DaySpan | None:
    if first.span is None or last.span is None or first.span.end >= last.span.start:
        return None
    gap = text[first.end : last.start]
    is_between = _BETWEEN.search(text[: first.start]) is not None
    if _TO.fullmatch(gap) or (is_between and _AND.fullmatch(gap)):
        return DaySpan(start=first.span.start, end=last.span.end)
    return None


def _date(written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None


def _from_to(start: date | None, end: date | None) -> DaySpan | None:
    return DaySpan(start=start, end=end) if start and end and start <= end else None


def _whole(first: str, grain: str) -> DaySpan | None:
    start = _date(first)
    return DaySpan(start=start, end=period_end(start, grain)) if start else None


def _year(month: int, known: Sequence[DaySpan]) -> int:
    """The year that has this month among the days that are known; else the last that is known."""
    for span in sorted(known, key=lambda item: item.days):
        for year, number in _months(span):
            if number == month:
                return year
    return max((span.end.year for span in known), default=LAST_YEAR)


def _months(span: DaySpan) -> Iterator[tuple[int, int]]:
    first, last = span.start.year * 12 + span.start.month - 1, span.end.year * 12 + span.end.month
    for number in range(first, min(last, first + 1_200)):
        yield number // 12, number % 12 + 1
