"""`governed-agents reads`: who read what, when, at which version, allowed or refused."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from orchestration_assets.cli.days import parse_day, parse_moment
from orchestration_assets.cli.output import print_json, print_table, say
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError, did_you_mean
from semantic.ledger import Read, ReadQuestion, find_reads, known_names
from semantic.policy import REFRESH

SHOWN = 50


def reads(
    context: typer.Context,
    metric: Annotated[str | None, typer.Option(help="Reads of this metric.")] = None,
    agent: Annotated[str | None, typer.Option(help="Reads of this agent or other reader.")] = None,
    run: Annotated[
        str | None,
        typer.Option(help="Reads of this Dagster run, or of one that begins so, and its retries."),
    ] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    on: Annotated[
        str | None, typer.Option(help="Read on this day: 2026-11-17, today, tuesday. UTC.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Read at or after this moment. UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Read before this moment. UTC.")] = None,
    covering: Annotated[
        str | None, typer.Option(help="Reads whose data covered this day, whenever they were.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many, newest first.", min=1)] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the refresh, which measures every metric.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object per read and metric.")
    ] = False,
) -> None:
    """Who read what, when, at which version, allowed or refused: one row per read and metric, newest first.

    Example: governed-agents reads --metric cancellation_rate --on tuesday

    Example: governed-agents reads --covering 2013-02-09 --json
    """
    place = Place.of(context)
    _refuse_unknown(place, metric, agent)
    day = parse_day(on) if on else None
    question = ReadQuestion(
        metric=metric,
        reader=agent,
        run=run,
        refused=refused,
        since=_later(parse_moment(since) if since else None, _begin(day)),
        until=_earlier(
            parse_moment(until) if until else None, _begin(day + timedelta(days=1) if day else None)
        ),
        covering=parse_day(covering) if covering else None,
        without_reader=None if everything or agent == REFRESH else REFRESH,
    )
    found = list(find_reads(place.ledger, question))
    if run and not found and not list(find_reads(place.ledger, ReadQuestion(run=run, limit=1))):
        raise GovernedMetricsError(
            f"No read of a run {run!r} is on record",
            hint="the runs of an agent stand on its page in the Dagster UI, and in `governed-agents agents --json`",
        )
    if as_json:
        print_json(_plain(read) for read in _first(found, limit))
        return
    _print(found, limit or SHOWN, everything=everything, refused=refused)


def _print(found: list[Read], limit: int, *, everything: bool, refused: bool) -> None:
    what = ["why"] if refused else ["covers", "data version", "rows"]
    print_table(
        ["at (UTC)", "reader", "metric", "outcome", *what, "run", "read"],
        [
            (
                read.at[:19].replace("T", " "),
                read.agent + (f" for {read.acting_for}" if read.acting_for else ""),
                read.metric,
                read.outcome + (f": {read.reason}" if read.reason else ""),
                *([read.why] if refused else _what(read)),
                (read.run_id or "")[:8],
                read.read_id,
            )
            for read in found[:limit]
        ],
    )
    if len(found) > limit:
        say(f"{len(found) - limit:,} older ones are not shown; --limit shows more.")
    if not everything:
        say("Reads of the refresh, which measures every metric, are left out; --all shows them.")


def _what(read: Read) -> list[object]:
    covers = f"{read.covers_from} to {read.covers_to}" if read.covers_from else ""
    return [covers, (read.data_version or "")[:8], read.rows]


def _plain(read: Read) -> dict[str, Any]:
    return {
        "read_id": read.read_id,
        "at": read.at,
        "agent": read.agent,
        "acting_for": read.acting_for,
        "run_id": read.run_id,
        "metric": read.metric,
        "data_version": read.data_version,
        "version_as_read": read.version_as_read,
        "definition_hash": read.definition_hash,
        "outcome": read.outcome,
        "reason": read.reason,
        "covers_from": read.covers_from,
        "covers_to": read.covers_to,
        "snapshot": read.snapshot,
        "group_by": list(read.group_by),
        "rows": read.rows,
        "notices": list(read.notices),
        "purpose": read.purpose,
        "why": read.why,
    }


def _refuse_unknown(place: Place, metric: str | None, agent: str | None) -> None:
    """A name that nobody ever read, and that does not exist now, is a slip of the pen."""
    if metric is None and agent is None:
        return
    metrics, readers = known_names(place.ledger)
    if metric is not None and place.snapshots.current_version():
        metrics |= set(place.catalog.metrics)
    readers |= set(place.ledger.registered_agents()) | {REFRESH}
    for kind, name, known in (("metric", metric, metrics), ("reader", agent, readers)):
        if name is not None and name not in known:
            raise GovernedMetricsError(
                f"There is no {kind} {name!r}, and no read of one",
                hint=did_you_mean(name, known) or f"known: {', '.join(sorted(known)[:20])}",
            )


def _first(found: Iterable[Read], limit: int | None) -> Iterable[Read]:
    return (read for position, read in enumerate(found) if limit is None or position < limit)


def _begin(day: Any) -> datetime | None:
    return datetime(day.year, day.month, day.day) if day else None  # noqa: DTZ001 - UTC


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other
