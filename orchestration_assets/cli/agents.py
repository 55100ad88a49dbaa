"""`governed-agents agents`: the registry, and the versions of an agent."""

import json
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_resources.agent_card import CardSigner, agent_card
from agent_resources.definition_diff import definition_changes, prompt_changes
from orchestration_assets.cli.output import print_json, print_table, print_text, say
from orchestration_assets.cli.place import Place
from semantic.errors import QuestionError, did_you_mean
from semantic.keys import SigningKeys
from semantic.ledger.agent_versions import AgentVersion, agent_versions

_SHOWN = 12

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def agents(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Every agent that has run or that a sensor has seen: owner, model, what it asks for, what it is given, its last run.

    Example: governed-agents agents
    """
    if context.invoked_subcommand is not None:
        return
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
                _moment(row["last_run_at"] or ""),
                row["state"],
            )
            for row in rows
        ],
    )
    for row in rows:
        if row["not_given"]:
            say(f"{row['agent']} asks for {', '.join(row['not_given'])} and is not given it.")


@app.command()
def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder to write a file for each agent to.")],
    url: Annotated[
        str, typer.Option(help="Where the Dagster UI is, such as https://dagster.example.com.")
    ],
) -> None:
    """Writes each registered agent as a signed AgentCard of A2A 1.0, and the key that signed them: a file FOLDER/<agent>.json each, and FOLDER/keys.json.

    Example: governed-agents agents export cards --url https://dagster.example.com
    """
    place = Place.of(context)
    rows = registry(place)
    signer = CardSigner(SigningKeys(place.state).current)
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        card = signer.sign(agent_card(row, url))
        (folder / f"{Path(row['asset']).name}.json").write_text(_pretty(card))
    (folder / "keys.json").write_text(_pretty(signer.key_set))
    say(f"{len(rows)} cards, signed with the key {signer.key_id}, are in {folder}")


@app.command()
def versions(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="The name of an agent.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Every version of an agent's definition that is on record, and what it changed.

    Example: governed-agents agents versions operations_watch
    """
    found = _versions(Place.of(context), agent)
    rows = [
        {"at": version.at, "version": version.definition_hash, "changed": changed}
        for version, changed in zip(found, _changed_by_each(found), strict=True)
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["at (UTC)", "version", "what changed"],
        [
            (_moment(row["at"]), str(row["version"])[:_SHOWN], ", ".join(row["changed"]))
            for row in rows
        ],
    )


@app.command()
def diff(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(help="The name of an agent.")],
    before: Annotated[
        str, typer.Argument(help="A version, or the beginning of one: the last but one.")
    ] = "",
    after: Annotated[str, typer.Argument(help="Another one: the last.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What differs between two versions of an agent: model, limits, tools, what it asks for, and its prompt line by line.

    Example: governed-agents agents diff operations_watch
    """
    found = _versions(Place.of(context), agent)
    if not before and len(found) == 1:
        say(f"There is one version of '{agent}' on record: {found[0].definition_hash}.")
        return
    old = _version(found, agent, before) if before else found[-2]
    new = _version(found, agent, after) if after else found[-1]
    changes = definition_changes(old.definition, new.definition)
    prompt = prompt_changes(old.definition, new.definition)
    if as_json:
        rows = [{"place": it.place, "before": it.before, "after": it.after} for it in changes]
        prompts = [it.definition.get("instructions") for it in (old, new)]
        if prompt:
            rows.append({"place": "instructions", "before": prompts[0], "after": prompts[1]})
        print_json(rows)
        return
    say(
        f"{agent}: {old.definition_hash[:_SHOWN]} of {_moment(old.at)} -> "
        f"{new.definition_hash[:_SHOWN]} of {_moment(new.at)}"
    )
    if not (changes or prompt):
        say("They are the same.")
    if changes:
        rows_shown = [(it.place, _written(it.before), _written(it.after)) for it in changes]
        print_table(["what", "before", "after"], rows_shown)
    if prompt:
        print_text("\n".join(["", "instructions", *prompt]))


def _versions(place: Place, agent: str) -> list[AgentVersion]:
    """The versions of an agent, one at least. Raises `QuestionError`."""
    found = agent_versions(place.ledger, agent)
    if not found:
        known = place.ledger.registered_agents()
        raise QuestionError(
            f"No agent {agent!r} is on record",
            hint=did_you_mean(agent, known) or f"on record: {', '.join(known) or 'none'}",
        )
    return found


def _version(found: Sequence[AgentVersion], agent: str, start: str) -> AgentVersion:
    """The version whose hash begins so. Raises `QuestionError`."""
    alike = {it.definition_hash: it for it in found if it.definition_hash.startswith(start)}
    if len(alike) != 1:
        what = "Several versions begin" if alike else "No version begins"
        hashes = dict.fromkeys(it.definition_hash[:_SHOWN] for it in found)
        raise QuestionError(
            f"{what} with {start!r} of agent '{agent}'", hint=f"on record: {', '.join(hashes)}"
        )
    return next(iter(alike.values()))


def _changed_by_each(found: Sequence[AgentVersion]) -> list[list[str]]:
    """The places at which each version differs from the one before it."""
    changed: list[list[str]] = [["first seen"]]
    for old, new in pairwise(found):
        places = [item.place for item in definition_changes(old.definition, new.definition)]
        if prompt_changes(old.definition, new.definition):
            places.append("instructions")
        changed.append(places)
    return changed


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _written(value: object) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _moment(at: object) -> str:
    return str(at)[:19].replace("T", " ")


def registry(place: Place) -> list[dict[str, Any]]:
    """One row per registered agent, with what the published policy gives it and its last Dagster run."""
    import dagster as dg

    from orchestration_assets.read_events import ran_tag

    os.environ["DAGSTER_HOME"] = str(place.home)
    rows = []
    with dg.DagsterInstance.get() as instance:
        for name, definition in place.ledger.registered_agents().items():
            given = [item.name for item in place.metrics.readable_metrics(place.reader(name))]
            records = instance.get_run_records(
                dg.RunsFilter(tags={ran_tag(name): "started"}), limit=1
            )
            last = records[0] if records else None
            never = "outside Dagster" if definition.get("outside") else "never ran"
            rows.append(
                {
                    "agent": name,
                    "asset": f"agents/{definition['name']}",
                    "description": definition["description"],
                    "owner": definition["owner"],
                    "team": definition["team"],
                    "model": definition.get("model"),
                    "definition_hash": definition["definition_hash"],
                    "asks_for": sorted(definition["metrics"]),
                    "is_given": given,
                    "not_given": sorted(set(definition["metrics"]) - set(given)),
                    "last_run_id": last.dagster_run.run_id if last else None,
                    "last_run_at": last.create_timestamp.isoformat() if last else None,
                    "state": last.dagster_run.status.value.lower() if last else never,
                }
            )
    return rows
