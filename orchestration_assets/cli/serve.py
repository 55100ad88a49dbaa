"""`governed-agents serve`: the door for agents outside Dagster."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from orchestration_assets.cli.output import say
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError

_NEEDED = "mcp"
_LAST_PORT = 65_535


def serve(
    context: typer.Context,
    reader: Annotated[
        str | None, typer.Option("--as", help="Over standard input and output: who asks.")
    ] = None,
    acting_for: Annotated[
        str | None,
        typer.Option("--for", help="With --as: on whose behalf. It then has what both have."),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(help="Over HTTP: the port to listen on, or HOST:PORT. By default 127.0.0.1."),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="With --http: serve.yaml, with the url and the issuers.")
    ] = None,
) -> None:
    """Serves governed metrics over the Model Context Protocol. Every read is on record, and so is every refusal.

    Over standard input and output, as a client starts it, to the one reader that --as names. Over HTTP, to all who are known by a token of
    `governed-agents tokens`, or of an issuer that the settings name.

    Example: governed-agents serve --as research_desk

    Example: governed-agents serve --http 8000 --settings serve.yaml
    """
    if importlib.util.find_spec(_NEEDED) is None:
        raise GovernedMetricsError(
            "Serving needs packages that are not installed",
            hint="pip install 'dagster-governed-agents[serve]'",
        )
    if (reader is None) == (http is None):
        raise typer.BadParameter("serve over standard input and output with --as, or with --http")
    if http is None:
        _refuse_without(settings, "--settings", "--http")
        _serve_stdio(Place.of(context), str(reader), acting_for)
    else:
        _refuse_without(acting_for, "--for", "--as")
        _serve_http(Place.of(context), http, settings)


def _refuse_without(given: object, option: str, needed: str) -> None:
    if given is not None:
        raise typer.BadParameter(f"{option} goes with {needed}")


def _serve_stdio(place: Place, reader: str, acting_for: str | None) -> None:
    # Takes half a second, which no other command needs.
    from agent_resources.mcp_server.stdio import serve_stdio

    names = [place.reader(name).name for name in filter(None, (reader, acting_for))]
    say(f"serving governed metrics to '{names[0]}'; every read is on record")
    serve_stdio(place.published, names[0], acting_for=acting_for)


def _serve_http(place: Place, address: str, file: Path | None) -> None:
    from agent_resources.mcp_server.http_server import serve_http
    from agent_resources.mcp_server.serve_file import ServeSettings, load_serve_settings

    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > _LAST_PORT:
        raise typer.BadParameter(f"'{address}' is no port, and no HOST:PORT")
    serve_http(
        place.published,
        load_serve_settings(file) if file else ServeSettings(),
        host=host.strip("[]") or "127.0.0.1",
        port=int(port),
        on_listening=lambda url: say(f"serving governed metrics at {url}; every read is on record"),
    )
