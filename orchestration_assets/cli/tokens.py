"""`governed-agents tokens`: by what people, and agents from outside, are known."""

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from orchestration_assets.cli.output import print_json, print_table, say
from orchestration_assets.cli.place import Place
from semantic.ledger.tokens import Token, mint_token, revoke_token, tokens

app = typer.Typer(
    name="tokens",
    help="Tokens, by which people and agents from outside are known.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_SHORT = 13


@app.command()
def mint(
    context: typer.Context,
    holder: Annotated[str, typer.Argument(help="The person or the agent that is known by it.")],
    days: Annotated[int, typer.Option(help="For how many days.")] = 30,
    by: Annotated[str | None, typer.Option(help="Who mints it; by default your user name.")] = None,
) -> None:
    """Makes a token and prints it, once: the record has a hash of it. Hand it over in a way that nobody else reads.

    Example: governed-agents tokens mint ana@example.com --days 90
    """
    place = Place.of(context)
    secret, made = mint_token(place.ledger, holder, by=by or getpass.getuser(), days=days)
    typer.echo(secret)
    say(f"{made.holder} is known by it until {made.ends_at[:16].replace('T', ' ')} UTC.")
    say(
        f"It is not shown again. To revoke it: governed-agents tokens revoke {made.token_id[:_SHORT]}"
    )


@app.command("list")
def list_tokens(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Lists every token that was minted, without the tokens themselves: for whom, by whom, until when, and whether it stands.

    Example: governed-agents tokens list
    """
    found, now = tokens(Place.of(context).ledger), datetime.now(UTC)
    if as_json:
        print_json(_plain(token, now) for token in found)
        return
    print_table(
        ["token", "holder", "minted by", "minted (UTC)", "until (UTC)", "state"],
        [
            (
                it.token_id[:_SHORT],
                it.holder,
                it.by,
                it.minted_at[:16].replace("T", " "),
                it.ends_at[:16].replace("T", " "),
                _state(it, now),
            )
            for it in found
        ],
    )


@app.command()
def revoke(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    by: Annotated[str | None, typer.Option(help="Who says so; by default your user name.")] = None,
) -> None:
    """Has nobody be known by a token any more, from now on.

    Example: governed-agents tokens revoke 019aa3f2-1b2c --reason "left the team"
    """
    found = revoke_token(Place.of(context).ledger, token, by=by or getpass.getuser(), reason=reason)
    say(f"The token of {found.holder} is revoked since {found.revoked_at}, by {found.revoked_by}.")


def _state(token: Token, now: datetime) -> str:
    if token.revoked_at is not None:
        return f"revoked by {token.revoked_by}"
    return "stands" if token.stands(now) else "ended"


def _plain(token: Token, now: datetime) -> dict[str, Any]:
    return {**vars(token), "state": _state(token, now)}
