"""Times of the calendar: when a cron expression has its ticks, and which hours of a day are quiet."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

# Dagster reads cron expressions over changes of the clock; of the libraries that it can do without, none does.
from dagster._utils.schedules import is_valid_cron_string, reverse_cron_string_iterator

from agent_resources.trigger import Cron, QuietHours

_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def wrong_cron(cron: Cron) -> str | None:
    """What is wrong with a cron expression, None where it has ticks."""
    how = "write five fields of cron, as 0 7 * * 1-5"
    if len(cron.at.split()) != 5 or not is_valid_cron_string(cron.at):
        return f"'{cron.at}' is no time of the calendar; {how}"
    try:
        next(reverse_cron_string_iterator(_SOME_DAY.timestamp(), cron.at, cron.time_zone))
    # What it raises where no day is one, as the 31st of April, is a class of its own library.
    except Exception:
        return f"'{cron.at}' is a time that never comes; {how}"
    return None


def last_tick(cron: Cron, since: datetime, now: datetime) -> datetime | None:
    """The newest tick after `since` and not after `now`, None where there is none."""
    ticks = reverse_cron_string_iterator(now.timestamp(), cron.at, cron.time_zone)
    found = next(ticks).astimezone(UTC)
    return found if found > since else None


def is_quiet(hours: QuietHours, now: datetime) -> bool:
    """Whether it is quiet now, where these hours count; the end is not quiet any more."""
    at = now.astimezone(ZoneInfo(hours.time_zone)).time().replace(tzinfo=None)
    if hours.start < hours.end:
        return hours.start <= at < hours.end
    return at >= hours.start or at < hours.end
