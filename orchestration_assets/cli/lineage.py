"""`governed-agents lineage`: what a thing comes from, and where it went."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestration_assets.cli.days import parse_span_within
from orchestration_assets.cli.deleted import say_deleted
from orchestration_assets.cli.output import print_text, say, write_file
from orchestration_assets.cli.place import Place
from orchestration_assets.cli.wholeness import say_where_broken
from orchestration_assets.lineage_views.lineage_json import traced_to_json
from orchestration_assets.lineage_views.mermaid import traced_to_mermaid
from orchestration_assets.lineage_views.page import traced_to_page
from orchestration_assets.lineage_views.tree import traced_to_tree
from semantic.catalog import Catalog
from semantic.errors import QuestionError
from semantic.lineage.granted import granted_metrics
from semantic.lineage.graph import Kind
from semantic.lineage.names import meant_place
from semantic.lineage.trace import Traced, Tracer

_TERMINAL_WIDTH = 160


class Form(StrEnum):
    """How lineage is shown."""

    TREE = "tree"
    JSON = "json"
    MERMAID = "mermaid"
    HTML = "html"


_FORM_OF = {".json": Form.JSON, ".mmd": Form.MERMAID, ".md": Form.MERMAID, ".html": Form.HTML}


def lineage(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A metric, an agent, a dbt model, a table, a file, a run, a read or a decision."
        ),
    ],
    kind: Annotated[
        Kind | None, typer.Option(help="What it is, where several are called so.")
    ] = None,
    on: Annotated[
        str | None, typer.Option(help="As it was used on this day: 2026-11-17, tuesday. UTC.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Used at or after this moment. UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Used before this moment. UTC.")] = None,
    runs: Annotated[int, typer.Option(help="The newest runs of each agent.", min=0, max=1_000)] = 5,
    form: Annotated[Form | None, typer.Option("--format", help="How it is shown.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="A file to write: .html, .json, .mmd, .md.", dir_okay=False),
    ] = None,
) -> None:
    """What a thing comes from, up to the files that sources are loaded from, and where it went: agents, runs and decisions.

    Without a time, what is declared and granted now is there as well; with one, the graph is as it was used then.

    Example: governed-agents lineage cancellation_rate --on tuesday

    Example: governed-agents lineage fct_flights --to fct_flights.html
    """
    place = Place.of(context)
    start = meant_place(place.catalog, place.ledger, name, kind)
    begin, end = parse_span_within(on, since, until)
    if begin is not None and begin > datetime.now(UTC).replace(tzinfo=None):
        raise QuestionError(f"{begin:%Y-%m-%d %H:%M} is still to come: nothing was used then")
    broken = say_where_broken(place.ledger)
    traced = tracer(place).trace(start, since=begin, until=end, runs=runs)
    traced = replace(traced, notices=(*broken, *traced.notices))
    chosen = Form.JSON if as_json else form or _FORM_OF.get(to.suffix if to else "", Form.TREE)
    if to is None:
        _show(traced, chosen)
    else:
        _write(traced, chosen, to)
    for notice in traced.notices[len(broken) :]:
        say(notice)
    say_deleted(place.ledger, since=begin, until=end)


def tracer(place: Place) -> Tracer:
    """What traces over the published catalogue and the record of a place."""
    return Tracer(
        catalog=place.catalog,
        ledger=place.ledger,
        granted=granted_metrics(place.ledger, place.policy, place.catalog.metrics),
        catalog_with=lambda metric, definition: _catalog_with(place, metric, definition),
    )


def _catalog_with(place: Place, metric: str, definition: str) -> Catalog | None:
    """The newest kept catalogue in which a metric has this definition."""
    for version in reversed(place.snapshots.versions()):
        catalog = place.snapshots.catalog(version)
        found = catalog.find(metric)
        if found is not None and found.definition_hash == definition:
            return catalog
    return None


def _text(traced: Traced, form: Form) -> str:
    if form is Form.JSON:
        return json.dumps(traced_to_json(traced), ensure_ascii=False, indent=1, default=str) + "\n"
    return traced_to_mermaid(traced) if form is Form.MERMAID else traced_to_page(traced)


def _show(traced: Traced, form: Form) -> None:
    if form is Form.TREE:
        width = None if sys.stdout.isatty() else _TERMINAL_WIDTH
        Console(highlight=False, soft_wrap=True, width=width).print(traced_to_tree(traced))
    else:
        print_text(_text(traced, form).rstrip("\n"))


def _write(traced: Traced, form: Form, to: Path) -> None:
    if form is Form.TREE:
        raise typer.BadParameter(f"{to.name} names no form; write .html, .json, .mmd or --format")
    text = _text(traced, form)
    is_fenced = to.suffix == ".md" and form is Form.MERMAID
    fenced = f"```mermaid\n{text}```\n" if is_fenced else text
    write_file(to, fenced)
