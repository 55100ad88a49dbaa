"""`governed-agents openlineage`: what is on record, for other lineage tools."""

from importlib.util import find_spec
from typing import Annotated

import typer

from orchestration_assets.cli.names import known_run
from orchestration_assets.cli.output import print_text, say, write_file
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError, QuestionError, listed
from semantic.ledger import ReadQuestion, find_reads
from semantic.ledger.run_activity import ReaderRun, run_activities
from semantic.ledger.run_decisions import decisions_in
from semantic.policy import REFRESH

app = typer.Typer(
    help="What agents read and decided, as OpenLineage events.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Namespace = Annotated[
    str, typer.Option(help="The namespace of agents and metrics in other tools.")
]
_Tables = Annotated[
    str,
    typer.Option(
        help="The namespace of the warehouse, as your dbt integration calls it; by default duckdb:// and the name of the database."
    ),
]


@app.command("send")
def send(
    context: typer.Context,
    to: Annotated[
        str,
        typer.Option(
            help="A file, an address like http://host:5000, or `configured`: what OPENLINEAGE_URL, OPENLINEAGE_CONFIG or openlineage.yml say."
        ),
    ],
    namespace: _Namespace = "governed_agents",
    tables: _Tables = "",
) -> None:
    """Sends what is on record and was not sent there yet, each event once. Where that fails, nothing is lost: send again.

    Example: governed-agents openlineage send --to events.jsonl
    """
    _refuse_without_client()
    from dagster import DagsterInstance

    from orchestration_assets.openlineage_sensor import build_sender
    from semantic.openlineage.destination import destination

    place = Place.of(context)
    with DagsterInstance.from_config(str(place.home)) as instance:
        sender = build_sender(
            place.ledger,
            place.catalog,
            destination(to),
            instance,
            namespace=namespace,
            tables=tables,
        )
        sent = sender.send()
    if sent.is_elsewhere:
        raise GovernedMetricsError(
            f"Another process is sending to {sender.destination.name}",
            hint="wait for it; it sends what is on record",
        )
    say(f"{sent.events} events of {sent.runs} runs were sent to {sender.destination.name}.")


@app.command("events")
def events(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run, or the beginning of its id.")],
    namespace: _Namespace = "governed_agents",
    tables: _Tables = "",
) -> None:
    """Prints the events of a run as JSON, one a line, and sends nothing.

    Example: governed-agents openlineage events 0f3c2b1a
    """
    _refuse_without_client()
    from dagster import DagsterInstance
    from openlineage.client.serde import Serde

    from orchestration_assets.openlineage_sensor import dagster_runs, tables_namespace
    from semantic.openlineage.names import Names
    from semantic.openlineage.run_events import RunEvents

    place = Place.of(context)
    runs = _runs(place, run)
    names = Names(namespace=namespace, tables=tables or tables_namespace(place.catalog))
    made = RunEvents(catalog=place.catalog, names=names)
    with DagsterInstance.from_config(str(place.home)) as instance:
        known = dagster_runs(instance, {it.run_id for it in runs if it.run_id})
    for activity in run_activities(place.ledger, runs):
        elsewhere = known.get(activity.run.run_id or "")
        ended = made.ended(activity, elsewhere)
        going_on = made.reading(activity, elsewhere)
        told = [made.started(activity, elsewhere), *(ended or ([going_on] if going_on else []))]
        for event in told:
            print_text(Serde.to_json(event))


@app.command("schemas")
def schemas(
    context: typer.Context,  # noqa: ARG001
    to: Annotated[str, typer.Option(help="The folder to write them into.")],
) -> None:
    """Writes the JSON schemas of this project's own facets, one file each.

    Example: governed-agents openlineage schemas --to schemas
    """
    _refuse_without_client()
    from pathlib import Path

    from semantic.openlineage.facets import FACETS_VERSION, facet_schemas

    folder = Path(to).expanduser() / FACETS_VERSION
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GovernedMetricsError(f"Cannot make {folder}: {error.strerror}") from error
    for name, text in facet_schemas().items():
        write_file(folder / f"{name}.json", text)


def _runs(place: Place, named: str) -> list[ReaderRun]:
    """What each reader did in a run, of which the beginning of the id may be given."""
    begun = known_run(place, named)
    found = list(find_reads(place.ledger, ReadQuestion(run=begun)))
    known = {read.run_id for read in found if read.run_id}
    # What begins so may be the first of some retries that read something themselves.
    ids = sorted(it for it in known if it.startswith(begun)) or sorted(known)
    if len(ids) > 1:
        raise QuestionError(
            f"{len(ids)} runs begin with {named!r}", hint=f"write more of it: {listed(ids)}"
        )
    readers = {read.agent for read in found if read.run_id == ids[0]}
    readers |= {decision.agent for decision in decisions_in(place.ledger, ids)}
    readers.discard(REFRESH)
    return [ReaderRun(reader, ids[0]) for reader in sorted(filter(None, readers))]


def _refuse_without_client() -> None:
    if find_spec("openlineage") is None:
        raise QuestionError(
            "OpenLineage events need the OpenLineage client",
            hint="install dagster-governed-agents[openlineage]",
        )
