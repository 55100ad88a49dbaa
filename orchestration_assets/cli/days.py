"""Days as people write them: 2013-02-09, today, yesterday, tuesday. All times are UTC."""

from datetime import UTC, date, datetime, timedelta

import typer

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def parse_day(text: str) -> date:
    """The day that a text names; a weekday is the last one, today included."""
    return _day(text, "a day; write 2013-02-09")


def parse_moment(text: str) -> datetime:
    """The moment that a text names, without time zone and in UTC; a day stands for its beginning."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return _begin(_day(text, "a moment or a day; write 2026-11-01T08:00, 2026-11-01"))
    try:
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:
        raise typer.BadParameter(
            f"'{text}' is in no year from 1 to 9999 of UTC; write one like 2026-11-01T08:00"
        ) from None


def parse_span(text: str) -> tuple[datetime, datetime | None]:
    """The day that a text names, as its beginning and that of the day after; None where it is the last that there is."""
    day = parse_day(text)
    return _begin(day), _begin(day + timedelta(days=1)) if day < date.max else None


def parse_span_within(
    on: str | None, since: str | None, until: str | None
) -> tuple[datetime | None, datetime | None]:
    """The moments from which and before which somebody asks, where a day may be named as well; None where nothing bounds it."""
    first, last = parse_span(on) if on else (None, None)
    begins = filter(None, (parse_moment(since) if since else None, first))
    ends = filter(None, (parse_moment(until) if until else None, last))
    return max(begins, default=None), min(ends, default=None)


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the ledger keeps UTC


def _day(text: str, wanted: str) -> date:
    word = text.strip().lower()
    today = datetime.now(UTC).date()
    if word in ("today", "yesterday"):
        return today - timedelta(days=word == "yesterday")
    if word in _WEEKDAYS:
        return today - timedelta(days=(today.weekday() - _WEEKDAYS.index(word)) % 7)
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise typer.BadParameter(
            f"'{text}' is not {wanted}, today, yesterday or a weekday"
        ) from None
