"""`governed-agents recording`: what a chat model said in a run, for tests that ask none."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration_assets.cli.output import say, write_file
from orchestration_assets.cli.place import Place


def recording(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run, or the beginning of one.")],
    to: Annotated[Path, typer.Option(help="The file to write.", dir_okay=False)],
    agent: Annotated[str | None, typer.Option(help="The agent, where a run had several.")] = None,
) -> None:
    """Writes what a chat model said in a run into a file, so that a test can have it say the same: `model: recorded:FILE`.

    The file holds the model's words, and with them the figures that it stated: keep it like them.

    Example: governed-agents recording 99691072 --to tests/operations_watch.json
    """
    from agent_resources.replay.recorded_run import recorded_run
    from agent_resources.replay.recording import recording_of

    ledger = Place.of(context).ledger
    found = recording_of(ledger, recorded_run(ledger, run, agent=agent))
    write_file(to, found.model_dump_json(indent=1) + "\n")
    say(f"{len(found.responses)} responses of {found.model}.")
