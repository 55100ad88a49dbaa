"""`governed-agents agents`: the registry."""

import os
from typing import Annotated, Any

import typer

from orchestration_assets.cli.output import print_json, print_table, say
from orchestration_assets.cli.place import Place


def agents(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Every agent that has run or that a sensor has seen: owner, model, what it asks for, what it is given, its last run.

    Example: governed-agents agents
    """
    rows = registry(Place.of(context))
    if as_json:
        print_json(rows)
        return
    print_table(
        ["agent", "owner", "model", "asks for", "is given", "last run (UTC)", "state"],
        [
            (
                row["agent"],
                row["owner"],
                row["model"],
                len(row["asks_for"]),
                ", ".join(row["is_given"]) or "nothing",
                (row["last_run_at"] or "")[:19].replace("T", " "),
                row["state"],
            )
            for row in rows
        ],
    )
    for row in rows:
        if row["not_given"]:
            say(f"{row['agent']} asks for {', '.join(row['not_given'])} and is not given it.")


def registry(place: Place) -> list[dict[str, Any]]:
    """One row per registered agent, with what the published policy gives it and its last Dagster run."""
    import dagster as dg

    from orchestration_assets.lineage import ran_tag

    os.environ["DAGSTER_HOME"] = str(place.home)
    rows = []
    with dg.DagsterInstance.get() as instance:
        for name, definition in place.ledger.registered_agents().items():
            given = [item.name for item in place.metrics.readable_metrics(place.reader(name))]
            records = instance.get_run_records(
                dg.RunsFilter(tags={ran_tag(name): "started"}), limit=1
            )
            last = records[0] if records else None
            rows.append(
                {
                    "agent": name,
                    "description": definition["description"],
                    "owner": definition["owner"],
                    "team": definition["team"],
                    "model": definition["model"],
                    "definition_hash": definition["definition_hash"],
                    "asks_for": sorted(definition["metrics"]),
                    "is_given": given,
                    "not_given": sorted(set(definition["metrics"]) - set(given)),
                    "last_run_id": last.dagster_run.run_id if last else None,
                    "last_run_at": last.create_timestamp.isoformat() if last else None,
                    "state": last.dagster_run.status.value.lower() if last else "never ran",
                }
            )
    return rows
