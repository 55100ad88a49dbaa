"""`governed-agents ledger`: what the owner of the record's database does."""

from typing import Annotated

import typer

from orchestration_assets.cli.output import say
from semantic.ledger.postgres_store import PostgresStore

app = typer.Typer(
    name="ledger", help="The database of the record.", no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def create(
    url: Annotated[
        str, typer.Argument(help="The database, as a role that may make a schema in it.")
    ],
    role: Annotated[
        str | None,
        typer.Option("--for", help="The role of the application: it can add to the record only."),
    ] = None,
) -> None:
    """Makes the schema of the record in a Postgres database, with partitions for two years; again, for the months since.

    Example: governed-agents ledger create postgresql://owner@db/dagster --for dagster
    """
    store = PostgresStore(url)
    try:
        if role is not None:
            store.let(role)
    finally:
        store.close()
    say(f"The record is kept in {store.name}")
    say(
        f"'{role}' can add to it, and cannot change it"
        if role
        else "Its owner can change it: give the application a role of its own with --for"
    )
