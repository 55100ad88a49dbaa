"""`governed-agents archive`: months of the record that stand in files of their own, and those that need not be kept."""

import getpass
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated

import typer

from orchestration_assets.cli.output import print_json, print_table, say
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError
from semantic.ledger import (
    ArchivedMonth,
    Ledger,
    archive_until,
    archived_months,
    deletable_month,
    delete_month,
    is_taken_away,
)
from semantic.ledger.reason import refuse_empty

app = typer.Typer(
    name="archive",
    help="Months of the record in files of their own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_ByOption = Annotated[
    str | None, typer.Option("--by", help="Who does it; by default your user name.")
]
_HEADS = ("month", "records", "from record", "to record", "file", "deleted (UTC)")


@app.command("list")
def list_months(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects.")] = False,
) -> None:
    """The months that were moved out of the database, and those of them that were deleted."""
    ledger = Place.of(context).ledger
    months = archived_months(ledger)
    begun = [item for item in months if item.deleted_at and not is_taken_away(ledger, item)]
    if as_json:
        print_json(
            {
                "month": item.month,
                "records": item.records,
                "first": item.first,
                "through": item.through,
                "digest": item.digest,
                "file": _file(ledger, item),
                "deleted_at": item.deleted_at,
                "is_taken_away": item.deleted_at is not None and item not in begun,
            }
            for item in months
        )
        return
    print_table(
        _HEADS,
        [
            (
                item.month,
                item.records,
                item.first,
                item.through,
                _file(ledger, item),
                (item.deleted_at or "")[:19].replace("T", " "),
            )
            for item in months
        ],
    )
    for item in begun:
        say(
            f"{item.month}: not all of it is gone yet: `governed-agents archive delete {item.month}` goes on"
        )


@app.command()
def move(
    context: typer.Context,
    until: Annotated[str, typer.Argument(help="The last month to move, like 2026-09.")],
    by: _ByOption = None,
) -> None:
    """Moves every month up to this one into a Parquet file with a checkpoint beside it. Every command finds it there as before.

    Example: governed-agents archive move 2026-09
    """
    ledger = Place.of(context).ledger
    last, before = _month(until), archived_months(ledger)
    try:
        moved = archive_until(ledger, last, by=by or getpass.getuser())
    except GovernedMetricsError:
        # What was moved before is told where it can be; why not all of it was is told in any case.
        with suppress(GovernedMetricsError):
            _say_moved(ledger, archived_months(ledger)[len(before) :])
        raise
    _say_moved(ledger, moved)
    if not moved:
        say(f"Nothing of {until} or before is in the database")


@app.command()
def delete(
    context: typer.Context,
    month: Annotated[str, typer.Argument(help="An archived month, the oldest that is there.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    by: _ByOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be undone, and is meant.")] = False,
) -> None:
    """Deletes a month for good: what was read, refused and decided in it. A signed tombstone says who did so, when and why.

    Example: governed-agents archive delete 2024-01 --reason "kept for two years" --yes
    """
    named, ledger = _month(month), Place.of(context).ledger
    refuse_empty(reason, of=f"{named} is deleted")
    if not yes:
        deletable_month(ledger, named)
        raise GovernedMetricsError(
            f"What was read, refused and decided in {named} would be gone for good",
            hint="--yes says that this is meant",
        )
    deleted = delete_month(ledger, named, by=by or getpass.getuser(), reason=reason)
    say(f"{deleted.month}: {deleted.records:,} records are deleted")


def _say_moved(ledger: Ledger, months: Iterable[ArchivedMonth]) -> None:
    for item in months:
        say(f"{item.month}: {item.records:,} records are in {ledger.archive.path(item)}")


def _file(ledger: Ledger, month: ArchivedMonth) -> str | None:
    """Where it is; None where it was deleted and is gone."""
    path = ledger.archive.path(month)
    return str(path) if month.deleted_at is None or path.exists() else None


def _month(text: str) -> str:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise typer.BadParameter(f"'{text}' is not a month; write it like 2026-09")
    return text
