"""`governed-agents serve`: the door for agents outside Dagster."""

import importlib.util
from typing import Annotated

import typer

from orchestration_assets.cli.output import say
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError

_NEEDED = "mcp"


def serve(
    context: typer.Context,
    reader: Annotated[
        str | None, typer.Option("--as", help="Over standard input and output: who asks.")
    ] = None,
    acting_for: Annotated[
        str | None, typer.Option("--for", help="On whose behalf; it then has what both have.")
    ] = None,
) -> None:
    """Serves governed metrics over the Model Context Protocol. Every read is on record, and so is every refusal.

    Over standard input and output, as a client starts it, to the one reader that --as names.

    Example: governed-agents serve --as research_desk
    """
    if importlib.util.find_spec(_NEEDED) is None:
        raise GovernedMetricsError(
            "Serving needs packages that are not installed",
            hint="pip install 'dagster-governed-agents[serve]'",
        )
    if reader is None:
        raise typer.BadParameter("name who asks with --as")
    # Takes half a second, which no other command needs.
    from agent_resources.mcp_server.stdio import serve_stdio

    place = Place.of(context)
    name = place.reader(reader).name
    say(f"serving governed metrics to '{name}'; every read is on record")
    serve_stdio(place.published, name, acting_for=acting_for)
