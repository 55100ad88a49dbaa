"""A time range put where MetricFlow puts one: before windows are joined, so that only the days which count are read.

MetricFlow takes a range as dates and writes them into the SQL. It is asked with three ranges that are aligned to the same grain and have
different lengths, and each date that it wrote must be the same number of days away from the same end of the range in all three. Then
parameters stand in its place. Where it is not so (a window of months has no number of days), the range remains a filter.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta

from semantic.time_range import DaySpan

# By grain, three ranges that begin and end with a period of it and with no longer one, of years and months of different lengths: so
# a window of months or years is never the same number of days in all three.
_SPANS = {
    "day": (("2018-01-17", "2023-12-11"), ("2024-03-05", "2029-05-23"), ("2031-09-24", "2039-08-19")),
    "week": (("2018-01-15", "2023-12-10"), ("2024-03-04", "2029-05-20"), ("2031-09-22", "2039-08-14")),
    "month": (("2018-02-01", "2023-11-30"), ("2024-03-01", "2029-05-31"), ("2031-09-01", "2039-08-31")),
    "quarter": (("2018-04-01", "2023-12-31"), ("2024-04-01", "2029-06-30"), ("2031-10-01", "2039-03-31")),
    "year": (("2018-01-01", "2022-12-31"), ("2025-01-01", "2029-12-31"), ("2031-01-01", "2039-12-31")),
}  # fmt: skip
SPANS = {
    grain: tuple(
        DaySpan(start=date.fromisoformat(start), end=date.fromisoformat(end))
        for start, end in spans
    )
    for grain, spans in _SPANS.items()
}
_DATE = re.compile(r"'(\d{4}-\d{2}-\d{2})'")
# How far from the ends of the range a date may lie: as far as windows reach, and not so far that it is near the other end.
_FURTHEST = timedelta(days=400)

Place = tuple[str, int]


def with_span_parameters(
    compile_span: Callable[[DaySpan], str], grain: str, start: str, end: str
) -> str | None:
    """The SQL that `compile_span` gives for any range aligned to `grain`, with these parameters as its ends; None where there is
    no such SQL.
    """
    spans = SPANS[grain]
    texts = [compile_span(span) for span in spans]
    dates = [[date.fromisoformat(found) for found in _DATE.findall(text)] for text in texts]
    if len({_DATE.sub("?", text) for text in texts}) > 1:
        return None
    places: list[Place | None] = []
    for written in zip(*dates, strict=True):
        found = {_place(day, span) for day, span in zip(written, spans, strict=True)}
        if len(set(written)) == 1:
            places.append(None)
        elif len(found) == 1 and None not in found:
            places.append(found.pop())
        else:
            return None
    if {place[0] for place in places if place} != {"start", "end"}:
        return None
    waiting = iter(places)
    names = {"start": start, "end": end}
    return _DATE.sub(lambda match: _written(next(waiting), names) or match[0], texts[0])


def _place(day: date, span: DaySpan) -> Place | None:
    """The end of the range that a date lies by, and how many days away; None where it lies by none."""
    for name, own in (("start", span.start), ("end", span.end)):
        if abs(day - own) <= _FURTHEST:
            return name, (day - own).days
    return None


def _written(place: Place | None, names: dict[str, str]) -> str | None:
    if place is None:
        return None
    name, days = place
    parameter = f"CAST({names[name]} AS DATE)"
    return f"({parameter} + INTERVAL ({days}) DAY)" if days else parameter
