"""`governed-agents evidence`: what is on record of an agent, as a folder that proves itself."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestration_assets.cli.days import parse_span
from orchestration_assets.cli.names import meant
from orchestration_assets.cli.output import say
from orchestration_assets.cli.place import Place
from orchestration_assets.cli.wholeness import say_where_broken
from semantic.errors import QuestionError
from semantic.evidence.collected import collect_evidence
from semantic.evidence.folder import write_evidence
from semantic.ledger.recorded_names import Named

_LAST = datetime.max.replace(tzinfo=UTC)


def evidence(
    context: typer.Context,
    agent: Annotated[str, typer.Option(help="The agent.")],
    first: Annotated[str, typer.Option("--from", help="The first day, UTC.")],
    last: Annotated[str, typer.Option("--to", help="The last one, included.")],
    folder: Annotated[
        Path, typer.Option(help="The folder to write, new or empty.", file_okay=False)
    ],
) -> None:
    """Writes what an auditor asks for into one folder: what an agent read and was refused, with versions, what it decided, by which policies and definitions,
    who approved or took back; with a proof for each record, and the script that checks all of it offline. It claims no compliance.

    Example: governed-agents evidence --agent operations_watch --from 2026-11-01 --to today --folder evidence
    """
    place = Place.of(context)
    (since, _), (begin, end) = parse_span(first), parse_span(last)
    if begin < since:
        raise QuestionError(f"No day is from {first} to {last}", hint="name the first day first")
    if since.replace(tzinfo=UTC) > datetime.now(UTC):
        raise QuestionError(f"{first} is still to come: nothing is on record of it")
    if agent not in place.ledger.registered_agents():
        [agent] = meant(place, Named.AGENT, [agent])
    broken = say_where_broken(place.ledger)
    found = collect_evidence(place.ledger, agent, since=since, until=end or _LAST)
    counts = write_evidence(place.ledger, found, folder.expanduser(), notices=broken)
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    say(f"Written to {folder}: {said}.")
    say(f"Check it with: python {folder}/verify_evidence.py {folder} {place.ledger.public_key}")
