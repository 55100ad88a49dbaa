"""The days that a query asks for: named, or counted back from the last day of the data. Never from the wall clock."""

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, StrictInt, model_validator

from semantic.asked import Asked

FIRST_YEAR, LAST_YEAR = 1900, 2200
_MOST_UNITS = 3_660
_IN_WORDS = re.compile(r"\s*last\s+(\d{1,5})\s+(day|week|month|quarter|year)s?\s*", re.IGNORECASE)


class TimeUnit(StrEnum):
    """What a relative time range counts in."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_MONTHS = {TimeUnit.MONTH: 1, TimeUnit.QUARTER: 3, TimeUnit.YEAR: 12}


@dataclass(frozen=True, kw_only=True)
class DaySpan:
    """The days from `start` to `end`, both included."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days + 1

    @property
    def months(self) -> int | None:
        """How many calendar months it is, or None where it does not begin and end with one."""
        if self.start.day != 1 or (self.end + timedelta(days=1)).day != 1:
            return None
        return (self.end.year - self.start.year) * 12 + self.end.month - self.start.month + 1

    def days_before(self) -> "DaySpan":
        """As many days, just before this span."""
        return DaySpan(
            start=self.start - timedelta(days=self.days), end=self.start - timedelta(days=1)
        )

    def months_before(self, months: int) -> "DaySpan":
        """As many calendar months, just before this span."""
        return DaySpan(start=months_earlier(self.start, months), end=self.start - timedelta(days=1))

    def is_aligned(self, grain: str) -> bool:
        """Whether it begins and ends with a whole period of this grain."""
        after = self.end + timedelta(days=1)
        return period_start(self.start, grain) == self.start and period_start(after, grain) == after


class TimeRange(Asked):
    """The days from `start` to `end`, both included, or the `last` so many units up to the last day of the data.

    {"start": "2013-02-01", "end": "2013-02-09"}, {"last": 7, "unit": "day"}, or "last 7 days".
    """

    start: Annotated[date, BeforeValidator(lambda value: _day(value))] | None = None
    end: Annotated[date, BeforeValidator(lambda value: _day(value))] | None = None
    last: Annotated[StrictInt, Field(ge=1, le=_MOST_UNITS)] | None = None
    unit: TimeUnit | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_words(cls, value: object) -> object:
        if isinstance(value, list | tuple) and len(value) == 2:
            return {"start": value[0], "end": value[1]}
        if not isinstance(value, str):
            return value
        found = _IN_WORDS.fullmatch(value)
        if found is None:
            raise ValueError(
                f"{value[:100]!r} is not a time range; write 'last 7 days', or start and end"
            )
        return {"last": int(found[1]), "unit": found[2].lower()}

    @model_validator(mode="after")
    def _is_one_form(self) -> Self:
        if self.last is not None or self.unit is not None:
            if self.start or self.end:
                raise ValueError("has either start and end, or last and unit")
            if self.last is None or self.unit is None:
                raise ValueError("last and unit go together, as in {'last': 7, 'unit': 'day'}")
            return self
        if self.start is None or self.end is None:
            raise ValueError("start and end go together; both days are included")
        if self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        if self.start.year < FIRST_YEAR or self.end.year > LAST_YEAR:
            raise ValueError(f"lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
        return self

    @property
    def is_relative(self) -> bool:
        return self.last is not None

    def span(self, as_of: date) -> DaySpan:
        """The days that are meant where `as_of` is the last day of the data. Raises `ValueError` where they begin too early."""
        if self.start is not None and self.end is not None:
            return DaySpan(start=self.start, end=self.end)
        count, unit = self.last or 1, self.unit or TimeUnit.DAY
        try:
            if unit in _MONTHS:
                start = months_earlier(as_of, count * _MONTHS[unit]) + timedelta(days=1)
            else:
                start = as_of - timedelta(days=count * (7 if unit is TimeUnit.WEEK else 1) - 1)
        except (OverflowError, ValueError):
            start = date.min
        if start.year < FIRST_YEAR:
            raise ValueError(
                f"the last {count:,} {unit}s before {as_of} begin before the year {FIRST_YEAR}"
            )
        return DaySpan(start=start, end=as_of)

    def canonical(self) -> object:
        if self.start is not None and self.end is not None:
            return [self.start.isoformat(), self.end.isoformat()]
        return {"last": self.last, "unit": self.unit.value if self.unit else None}


def period_start(day: date, grain: str) -> date:
    """The first day of the period of this grain in which a day lies. Of grains finer than a day, the day."""
    match grain:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return date(day.year, day.month - (day.month - 1) % 3, 1)
        case "year":
            return date(day.year, 1, 1)
    return day


def period_end(day: date, grain: str) -> date:
    """The last day of the period of this grain in which a day lies."""
    if grain == "week":
        return period_start(day, grain) + timedelta(days=6)
    months = {"month": 1, "quarter": 3, "year": 12}.get(grain, 0)
    return months_earlier(period_start(day, grain), -months) - timedelta(days=1) if months else day


def months_earlier(day: date, months: int) -> date:
    """The same day of the month so many months earlier; the last of that month where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _day(value: object) -> object:
    """Refuses a number, also as text: pydantic would take it for seconds since 1970."""
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value
    raise ValueError(f"{value!r} is not a day; write it as 2013-02-08")
