"""That months which a question asks about were deleted, so that nobody takes what is left for all that there was."""

from datetime import datetime

from orchestration_assets.cli.output import say
from semantic.ledger import ArchivedMonth, Ledger, archived_months
from semantic.ledger.moment import as_recorded


def say_deleted(ledger: Ledger, *, since: datetime | None, until: datetime | None = None) -> None:
    """Says which months from a time until another were deleted; nothing where none was."""
    note = note_of_deleted(ledger, since=since, until=until)
    if note:
        say(note)


def note_of_deleted(
    ledger: Ledger, *, since: datetime | None = None, until: datetime | None = None
) -> str | None:
    """Which months from a time until another were deleted, as a line for people, or None where none was."""
    found = [item for item in archived_months(ledger) if _is_meant(item, since, until)]
    if not found:
        return None
    first, last = found[0].month, found[-1].month
    months = first if first == last else f"{first} to {last}"
    return f"Records of {months} were deleted: `governed-agents archive list` says when."


def _is_meant(month: ArchivedMonth, since: datetime | None, until: datetime | None) -> bool:
    return (
        month.deleted_at is not None
        and (since is None or as_recorded(since)[:7] <= month.month)
        and (until is None or f"{month.month}-01T00:00:00.000Z" < as_recorded(until))
    )
