"""Days as people write them: 2013-02-09, today, yesterday, tuesday. All times are UTC."""

from datetime import UTC, date, datetime, timedelta

import typer

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def parse_day(text: str) -> date:
    """The day that a text names; a weekday is the last one, today included."""
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
            f"'{text}' is not a day; write 2013-02-09, today, yesterday or a weekday"
        ) from None


def parse_moment(text: str) -> datetime:
    """The moment that a text names, without time zone and in UTC; a day stands for its beginning."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        day = parse_day(text)
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the ledger keeps UTC
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
