"""Moments as the database stamps them: UTC, to the millisecond, in an order that is that of their text."""

from datetime import UTC, datetime, timedelta


def parsed(moment: str) -> datetime:
    """The moment that is written so."""
    return datetime.fromisoformat(moment)


def as_recorded(moment: datetime) -> str:
    """A moment as records are stamped. One without a time zone is taken as UTC."""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def later(moment: str, seconds: float) -> str:
    """So many seconds after a moment, or before it."""
    return as_recorded(parsed(moment) + timedelta(seconds=seconds))


def since_1970(moment: str) -> int:
    """Whole seconds."""
    return int(parsed(moment).timestamp())
