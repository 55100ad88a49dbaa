"""Spans of time that reads are counted by, each named by its beginning in UTC."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum


class Period(StrEnum):
    """An hour is named 2026-11-17T08, a day and a week by a date (that of its Monday), a month 2026-11, a year 2026."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


_LENGTHS = {Period.HOUR: 13, Period.DAY: 10, Period.WEEK: 10, Period.MONTH: 7, Period.YEAR: 4}

_SPANS = {
    Period.HOUR: timedelta(hours=1),
    Period.DAY: timedelta(days=1),
    Period.WEEK: timedelta(days=7),
}


def stamp_length(period: Period) -> int:
    """How much of the stamp of a record tells its period; of one in a week, its day."""
    return _LENGTHS[period]


def period_of(stamp: str, period: Period) -> str:
    """The period that a stamp lies in, of which at least `stamp_length` characters are given."""
    begin = stamp[: _LENGTHS[period]]
    if period is not Period.WEEK:
        return begin
    day = date.fromisoformat(begin)
    return (day - timedelta(days=day.weekday())).isoformat()


def periods_between(first: str, last: str, period: Period) -> Iterator[str]:
    """Every period from one to another, both included."""
    begin = first
    while begin < last:
        yield begin
        begin = next_period(begin, period)
    yield last


def number_between(first: str, last: str, period: Period) -> int:
    """How many periods there are from one to another, both included."""
    match period:
        case Period.YEAR:
            return int(last) - int(first) + 1
        case Period.MONTH:
            return 12 * (int(last[:4]) - int(first[:4])) + int(last[5:]) - int(first[5:]) + 1
        case _:
            span = datetime.fromisoformat(last) - datetime.fromisoformat(first)
            return span // _SPANS[period] + 1


def next_period(begin: str, period: Period) -> str:
    """The period that comes after one."""
    match period:
        case Period.HOUR:
            return (datetime.fromisoformat(f"{begin}:00") + timedelta(hours=1)).isoformat()[:13]
        case Period.DAY | Period.WEEK:
            days = 7 if period is Period.WEEK else 1
            return (date.fromisoformat(begin) + timedelta(days=days)).isoformat()
        case Period.MONTH:
            year, month = int(begin[:4]), int(begin[5:])
            return f"{year + month // 12:04}-{month % 12 + 1:02}"
        case Period.YEAR:
            return f"{int(begin) + 1:04}"
