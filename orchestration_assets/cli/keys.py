"""`governed-agents keys`: the keys that checkpoints are signed with."""

from typing import Annotated

import typer

from orchestration_assets.cli.output import say
from orchestration_assets.cli.place import Place
from semantic.keys import public_hex

app = typer.Typer(
    name="keys",
    help="The keys that checkpoints are signed with.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """Prints every public key of this record that is known here, the oldest first: give the newest to whoever checks proofs."""
    for key in Place.of(context).ledger.public_keys:
        typer.echo(public_hex(key))


@app.command()
def change(context: typer.Context) -> None:
    """Signs with a new key from here on. The one before vouches for it and is no more; what it signed stays good."""
    typer.echo(Place.of(context).ledger.change_signing_key())


@app.command()
def replace(
    context: typer.Context,
    yes: Annotated[
        bool, typer.Option("--yes", help="The key is lost, and no backup has it.")
    ] = False,
) -> None:
    """Signs with a new key where the one before is lost. Nothing vouches for it: compare with checkpoints that were kept elsewhere."""
    if not yes:
        say(
            "error: a key that nobody vouches for looks like a forger's; --yes says that the one before is lost"
        )
        raise typer.Exit(1)
    typer.echo(Place.of(context).ledger.change_signing_key(is_lost=True))
