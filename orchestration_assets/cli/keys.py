"""`governed-agents keys`: the keys that checkpoints are signed with, and the one that pseudonyms are made with."""

import getpass
from typing import Annotated

import typer

from orchestration_assets.cli.output import say
from orchestration_assets.cli.place import Place
from semantic.keys import change_mask_key, mask_key_id, public_hex

app = typer.Typer(
    name="keys",
    help="The keys that checkpoints are signed with, and the one that pseudonyms are made with.",
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


@app.command("change-masking")
def change_masking(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="No pseudonym of before comes again.")] = False,
) -> None:
    """Makes pseudonyms with a new key from here on. Nothing of the one before is kept."""
    if not yes:
        say(
            "error: with a new masking key every value has another pseudonym, and nothing leads back to those before; "
            "--yes says that this is wanted"
        )
        raise typer.Exit(1)
    place = Place.of(context)
    ledger = place.ledger
    key_id = mask_key_id(change_mask_key(place.state))
    ledger.record_masking_key(key_id, by=getpass.getuser(), run_id=None)
    say(
        f"Pseudonyms are made with the masking key {key_id} from here on, and differ from those before; "
        "processes that are running change with their next start"
    )
