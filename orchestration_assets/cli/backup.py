"""`governed-agents backup`: the record and its keys together, as they were at one moment."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration_assets.cli.output import say
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError
from semantic.ledger import Ledger, backup_to


def backup(
    context: typer.Context,
    to: Annotated[Path, typer.Option(help="A new folder for it, best on another machine.")],
) -> None:
    """Copies the record while it is in use, with its keys and a checkpoint, and looks whether the copy is whole.

    Example: governed-agents backup --to /mnt/elsewhere/2026-11-21
    """
    place = Place.of(context)
    checkpoint = backup_to(place.ledger, place.state, to)
    copy = Ledger.open(to / "ledger.db")
    try:
        found = copy.verify(against=checkpoint)
    finally:
        copy.close()
    if not found.is_whole:
        raise GovernedMetricsError(
            f"The copy in {to} is not whole",
            hint="run `governed-agents verify` on the record itself",
        )
    say(f"{found.records:,} records, their keys and a checkpoint are in {to}")
