"""`governed-agents erase`: what the record holds of a person."""

import getpass
from typing import Annotated

import typer

from orchestration_assets.cli.output import say
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError
from semantic.ledger.spelling import folded

_SHORTEST = 3
_HUNDRED_YEARS = 36_500 * 86_400


def erase(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What to look for: a name, a number, an address.")],
    reason: Annotated[str, typer.Option(help="Why, for the record: it must not name the person.")],
    by: Annotated[str | None, typer.Option(help="Who does it; by default your user name.")] = None,
) -> None:
    """Erases the values in which a text stands: what personal dimensions were compared with, names that are none of the
    catalogue, and the texts of refusals and decisions; and what calls of runs came to. The record stays whole, and says that so many
    were erased. A run of which calls were erased makes them again when it is tried again.

    Example: governed-agents erase jane.doe@example.com --reason "request of 1 May"
    """
    if len(text.strip()) < _SHORTEST:
        raise GovernedMetricsError(
            f"{text!r} stands in too much", hint=f"name at least {_SHORTEST} characters"
        )
    if folded(text) in folded(reason):
        raise GovernedMetricsError("The reason stays on record, and names what is to be erased")
    erased = Place.of(context).ledger.erase(text, by=by or getpass.getuser(), reason=reason)
    say(
        f"Erased {erased.values:,} values of {erased.records:,} records, and {erased.calls:,} calls of runs"
        if any(erased)
        else "Erased nothing: no value that can be erased holds this text"
    )


def sweep(
    context: typer.Context,
    older_than: Annotated[
        int,
        typer.Option(
            help="Seconds since it began; a read takes less than its time limit.",
            min=60,
            max=_HUNDRED_YEARS,
        ),
    ] = 900,
) -> None:
    """Closes reads that began and never ended, as indeterminate, and gives back what they reserved. Each agent run does this as well.
    Also removes from the files what was erased while somebody was reading.

    Example: governed-agents sweep
    """
    ledger = Place.of(context).ledger
    closed = ledger.sweep(older_than=older_than)
    for read_id in closed:
        typer.echo(read_id)
    say(
        f"Closed {len(closed):,}, of which nothing was released"
        if closed
        else "Nothing has been open for so long"
    )
    ledger.finish_erasing()
