"""Moments as the database stamps them: UTC, to the millisecond, in an order that is that of their text."""

from datetime import UTC, datetime, timedelta

from semantic.errors import QuestionError

_MILLISECOND = timedelta(milliseconds=1)


def parsed(moment: str) -> datetime:
    """The moment that is written so."""
    return datetime.fromisoformat(moment)


def as_recorded(moment: datetime) -> str:
    """A moment as records are stamped. One without a time zone is taken as UTC. Raises `QuestionError` for one that UTC has no year for."""
    try:
        utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise QuestionError(
            f"{moment.isoformat()} is in no year from 1 to 9999 of UTC",
            hint="name a moment within them, like 2026-11-01T08:00",
        ) from error
    return f"{utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def last_before(moment: str) -> str:
    """The last moment before one; the first of all has none, and is given itself."""
    found = parsed(moment)
    return as_recorded(found - min(_MILLISECOND, found - datetime.min.replace(tzinfo=UTC)))


def later(moment: str, seconds: float) -> str:
    """So many seconds after a moment, or before it."""
    return as_recorded(parsed(moment) + timedelta(seconds=seconds))


def since_1970(moment: str) -> int:
    """Whole seconds."""
    return int(parsed(moment).timestamp())
