"""`governed-agents policy`: publishing who may read what, and looking at what a policy decides."""

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration_assets.cli.ask import asked_query, time_range
from orchestration_assets.cli.deleted import say_deleted
from orchestration_assets.cli.output import print_json, print_table, say
from orchestration_assets.cli.place import Place
from semantic.budget_diff import LimitChange, limit_changes
from semantic.ledger import AskedQuery, asked_queries
from semantic.policy import REFRESH, Policy, Reader
from semantic.policy_check import check_policy, check_reach
from semantic.policy_diff import Decision, Judge, PolicyChange, policy_changes
from semantic.policy_file import load_policy, policy_text
from semantic.query import MetricQuery

app = typer.Typer(help="The central policy.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def policy() -> None:
    """The central policy: who may read what."""


@app.command()
def publish(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The policy.yaml of the platform team.")],
) -> None:
    """Makes a policy the current one. From then on, a process that presents another is refused.

    Example: governed-agents policy publish policy.yaml
    """
    place = Place.of(context)
    loaded = load_policy(file)
    if place.snapshots.current_version():
        _check(loaded, place)
    published = place.ledger.publish_policy(
        loaded.hash, policy_text(loaded), by=getpass.getuser(), run_id=None
    )
    say(f"{'Published' if published else 'Already current:'} {loaded.hash}")


@app.command()
def check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The policy.yaml of the platform team.")],
) -> None:
    """Says whether a policy speaks of what there is: metrics, dimensions by every path, elements, attributes.

    Example: governed-agents policy check policy.yaml
    """
    place = Place.of(context)
    loaded = load_policy(file)
    _check(loaded, place)
    current = place.ledger.current_policy_hash() == loaded.hash
    say(
        f"{file} is well formed: {len(loaded.rules)} rules, {len(loaded.readers)} readers with attributes; "
        f"{'it is the published one' if current else 'it is not published'}."
    )


@app.command()
def why(
    context: typer.Context,
    metrics: Annotated[list[str], typer.Argument(help="One or more metrics.")],
    reader: Annotated[str, typer.Option("--as", help="The reader who would ask.")],
    by: Annotated[list[str] | None, typer.Option("--by", help="Group by; may be repeated.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--filter", help="'dimension operator value'; may be repeated."),
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="First day, as 2013-02-01.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day, included.")] = None,
    last: Annotated[
        str | None, typer.Option("--last", help="'7 days', counted back from the data's last day.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--policy", help="A policy.yaml instead of the published one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Which rules decide a query of a reader, and what they leave of it. Reads nothing, and leaves no record.

    Example: governed-agents policy why flights --as analyst_dl --by plane
    """
    place = Place.of(context)
    judge = _judge(load_policy(file) if file else place.policy, place)
    who = place.reader(reader)
    query = asked_query(metrics, by, where, time_range(start, end, last))
    decision = judge.decide(who, query)
    speaking = [
        {"metric": name, "kind": kind, "rule": rule}
        for name in query.metrics
        if name in place.catalog.metrics
        for kind, rule in judge.speaking_of(who, name)
    ]
    if as_json:
        print_json([_plain_decision(decision) | {"reader": reader, "rules_that_speak": speaking}])
        return
    say(str(decision))
    print_table(
        ["metric", "kind", "rule"], [(row["metric"], row["kind"], row["rule"]) for row in speaking]
    )


@app.command()
def diff(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The policy.yaml that is to be published.")],
    days: Annotated[
        int, typer.Option(help="Look at what was asked in the last days.", min=1, max=36_500)
    ] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What a changed policy would newly allow or refuse, over the queries that were really asked, and which budgets it changes.

    Example: governed-agents policy diff policy.yaml --days 7
    """
    place = Place.of(context)
    loaded = load_policy(file)
    _check(loaded, place)
    since = datetime.now(UTC) - timedelta(days=days)
    asked = asked_queries(place.ledger, since=since, without_reader=REFRESH)
    changes = list(
        policy_changes(
            _judge(place.policy, place),
            _judge(loaded, place),
            asked,
            lambda item: _reader(place, item),
        )
    )
    limits = list(limit_changes(place.policy, loaded))
    say_deleted(place.ledger, since=since)
    if as_json:
        print_json([*map(_plain_limit, limits), *map(_plain, changes)])
        return
    if limits:
        print_table(
            ["limit", "now", "then"],
            [(item.limit, item.before or "none", item.after or "none") for item in limits],
        )
    print_table(
        ["reader", "query", "times", "now", "then"],
        [
            (
                _who(item.asked),
                _in_words(item.asked.query),
                item.asked.times,
                item.before,
                item.after,
            )
            for item in changes
        ],
    )
    say(
        f"{len(changes)} of the {len(asked)} queries of the last {days} days would be decided in another way."
    )


def _check(loaded: Policy, place: Place) -> None:
    check_policy(loaded, place.catalog)
    check_reach(loaded, place.catalog, place.engine)


def _judge(judged: Policy, place: Place) -> Judge:
    return Judge(
        policy=judged,
        catalog=place.catalog,
        engine=place.engine,
        published=place.snapshots.current(),
    )


def _reader(place: Place, asked: AskedQuery) -> Reader:
    found = place.reader(asked.reader)
    return Reader(name=found.name, asks=found.asks, acting_for=asked.acting_for)


def _who(asked: AskedQuery) -> str:
    return asked.reader + (f" for {asked.acting_for}" if asked.acting_for else "")


def _in_words(query: MetricQuery) -> str:
    named = query.saved_query or ", ".join(query.metrics)
    by = f" by {', '.join(query.group_by)}" if query.group_by else ""
    filtered = f", {len(query.filters)} filters" if query.filters else ""
    return f"{named}{by}{filtered}"


def _plain_limit(change: LimitChange) -> dict[str, Any]:
    return {"limit": change.limit, "now": change.before, "then": change.after}


def _plain(change: PolicyChange) -> dict[str, Any]:
    return {
        "reader": change.asked.reader,
        "acting_for": change.asked.acting_for,
        "query": change.asked.query.canonical(),
        "times": change.asked.times,
        "now": _plain_decision(change.before),
        "then": _plain_decision(change.after),
    }


def _plain_decision(decision: Decision) -> dict[str, Any]:
    return {
        "outcome": "allowed" if decision.is_allowed else "refused",
        "why": decision.why or None,
        "rules": list(decision.rules),
        "narrowing": list(decision.narrowing),
    }
