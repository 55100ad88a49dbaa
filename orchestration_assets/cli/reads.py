"""`governed-agents reads`: who read what, when, at which version, allowed or refused; and how often."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Annotated

import typer

from orchestration_assets.cli.columns import Holds
from orchestration_assets.cli.days import parse_day, parse_span_within
from orchestration_assets.cli.deleted import say_deleted
from orchestration_assets.cli.formats import (
    Answer,
    Format,
    FormatOption,
    JsonOption,
    ToOption,
    chosen_format,
    give,
)
from orchestration_assets.cli.names import (
    known_decision,
    known_read,
    known_reason,
    known_run,
    known_version,
    meant,
)
from orchestration_assets.cli.output import say
from orchestration_assets.cli.pages import AfterOption, LimitOption, SortOption, most_shown, page_of
from orchestration_assets.cli.place import Place
from orchestration_assets.cli.read_counts import (
    MEASURES,
    count_columns,
    default_order,
    keys_named,
    plain_count,
)
from semantic.ledger import (
    Read,
    ReadOrder,
    ReadOutcome,
    ReadQuestion,
    count_reads,
    find_reads,
    read_page,
)
from semantic.ledger.recorded_names import Named
from semantic.policy import REFRESH

COLUMNS = {
    "read_id": Holds.TEXT,
    "at": Holds.MOMENT,
    "agent": Holds.TEXT,
    "acting_for": Holds.TEXT,
    "team": Holds.TEXT,
    "run_id": Holds.TEXT,
    "root_run_id": Holds.TEXT,
    "metric": Holds.TEXT,
    "data_version": Holds.TEXT,
    "version_as_read": Holds.TEXT,
    "definition_hash": Holds.TEXT,
    "outcome": Holds.TEXT,
    "reason": Holds.TEXT,
    "covers_from": Holds.DAY,
    "covers_to": Holds.DAY,
    "snapshot": Holds.TEXT,
    "group_by": Holds.TEXTS,
    "rows": Holds.NUMBER,
    "notices": Holds.TEXTS,
    "purpose": Holds.TEXT,
    "why": Holds.TEXT,
    "ended_at": Holds.MOMENT,
    "seq": Holds.NUMBER,
    "policy_hash": Holds.TEXT,
    "relations": Holds.TEXTS,
}
Several = list[str] | None


def reads(
    context: typer.Context,
    metric: Annotated[Several, typer.Option(help="Reads of this metric.")] = None,
    dimension: Annotated[
        Several, typer.Option(help="Grouped or filtered by it; also by the end of its name.")
    ] = None,
    table: Annotated[
        Several, typer.Option(help="That scanned this table, with or without schema and quotes.")
    ] = None,
    dbt_model: Annotated[
        Several, typer.Option(help="That scanned what this dbt model builds.")
    ] = None,
    agent: Annotated[Several, typer.Option(help="By this agent or other reader.")] = None,
    acting_for: Annotated[Several, typer.Option("--for", help="On behalf of this one.")] = None,
    reader: Annotated[Several, typer.Option(help="By this one or on its behalf.")] = None,
    team: Annotated[Several, typer.Option(help="By readers of this team.")] = None,
    run: Annotated[
        Several,
        typer.Option(help="Of this Dagster run, or of one that begins so, and its retries."),
    ] = None,
    decision: Annotated[Several, typer.Option(help="That this decision rests on.")] = None,
    read: Annotated[Several, typer.Option(help="The read with this id.")] = None,
    version: Annotated[
        Several,
        typer.Option(help="At this data version or definition, or one that begins so."),
    ] = None,
    outcome: Annotated[list[ReadOutcome] | None, typer.Option(help="That ended so.")] = None,
    refused: Annotated[
        bool, typer.Option("--refused", help="The same as --outcome refused.")
    ] = False,
    reason: Annotated[Several, typer.Option(help="Refused for this reason.")] = None,
    on: Annotated[
        str | None, typer.Option(help="Read on this day: 2026-11-17, today, tuesday. UTC.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Read at or after this moment. UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Read before this moment. UTC.")] = None,
    covering: Annotated[
        str | None, typer.Option(help="Reads whose data covered this day, whenever they were.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the refresh, which measures every metric.")
    ] = False,
    by: Annotated[
        Several, typer.Option(help="Count them by this: metric,day. Hours to years give trends.")
    ] = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    after: AfterOption = None,
    form: FormatOption = None,
    as_json: JsonOption = False,
    to: ToOption = None,
) -> None:
    """Who read what, when, at which version, allowed or refused: one row per read and metric, newest first. Options that name
    something may be repeated, and any of the names will do.

    Example: governed-agents reads --metric cancellation_rate --on tuesday

    Example: governed-agents reads --refused --by reason,metric

    Example: governed-agents reads --table flights --since 2026-11-01 --to reads.csv
    """
    place = Place.of(context)
    chosen = chosen_format(form, as_json=as_json, to=to)
    begin, end = parse_span_within(on, since, until)
    outcomes = [*(outcome or ()), *([ReadOutcome.REFUSED] if refused else ())]
    question = ReadQuestion(
        metric=_names(place, Named.METRIC, metric),
        dimension=_names(place, Named.DIMENSION, dimension),
        relation=_names(place, Named.RELATION, table),
        dbt_model=_names(place, Named.DBT_MODEL, dbt_model),
        agent=_names(place, Named.AGENT, agent),
        acting_for=_names(place, Named.ACTING_FOR, acting_for),
        reader=_names(place, Named.ACTING_FOR, reader),
        team=_names(place, Named.TEAM, team),
        run=run and [known_run(place, item) for item in run],
        decision=decision and [known_decision(place, item) for item in decision],
        read=read and [known_read(place, item) for item in read],
        version=version and [known_version(place, item) for item in version],
        outcome=[item.value for item in outcomes] or None,
        reason=reason and [known_reason(item) for item in reason],
        since=begin,
        until=end,
        covering=parse_day(covering) if covering else None,
        without_agent=None if everything or REFRESH in (agent or ()) else REFRESH,
    )
    limit = most_shown(limit, chosen, to)
    if by:
        answer, next_page = _counts(place, question, by, sort=sort, limit=limit, after=after)
    else:
        order = ReadOrder.of(sort) if sort else ReadOrder()
        is_why = set(outcomes) == {ReadOutcome.REFUSED} or bool(reason)
        found, next_page = _found(place, question, order, limit=limit, after=after)
        answer = _answer(found, is_why=is_why)
    give(answer, chosen, to)
    say_deleted(place.ledger, since=question.since, until=question.until)
    if next_page:
        say(f"There are more: --after {next_page}")
    if question.without_agent and chosen is Format.TABLE:
        say("Reads of the refresh, which measures every metric, are left out; --all shows them.")


def _found(
    place: Place, question: ReadQuestion, order: ReadOrder, *, limit: int | None, after: str | None
) -> tuple[Iterable[Read], str | None]:
    """The reads of one page; without a limit all of them, of which the first are fetched at once, so that what is wrong shows."""
    if limit is not None:
        page = read_page(place.ledger, question, order=order, limit=limit, after=after)
        return page.reads, page.after
    found = find_reads(place.ledger, question, order=order, after=after)
    return chain([first for first in [next(found, None)] if first], found), None


def _answer(found: Iterable[Read], *, is_why: bool) -> Answer:
    what = ["why"] if is_why else ["covers", "data version", "rows"]
    return Answer(
        columns=COLUMNS,
        rows=({name: getattr(read, name) for name in COLUMNS} for read in found),
        heads=["at (UTC)", "reader", "metric", "outcome", *what, "run", "read"],
        lines=(
            (
                _moment(read.at),
                (read.agent or "") + (f" for {read.acting_for}" if read.acting_for else ""),
                read.metric,
                read.outcome + (f": {read.reason}" if read.reason else ""),
                *([read.why] if is_why else _what(read)),
                (read.run_id or "")[:8],
                read.read_id,
            )
            for read in found
        ),
    )


def _counts(
    place: Place,
    question: ReadQuestion,
    by: Sequence[str],
    *,
    sort: str | None,
    limit: int | None,
    after: str | None,
) -> tuple[Answer, str | None]:
    keys = keys_named(by)
    columns = count_columns(keys)
    shown, next_page = page_of(
        [plain_count(count) for count in count_reads(place.ledger, question, keys)],
        columns,
        keys,
        sort=sort or default_order(keys),
        limit=limit,
        after=after,
    )
    answer = Answer(
        columns=columns,
        rows=shown,
        heads=[*keys, *(name if name != "last_at" else "last (UTC)" for name in MEASURES)],
        lines=[
            (
                *(row[key] for key in keys),
                row["reads"],
                row["refused"],
                row["rows"],
                _moment(row["last_at"]),
            )
            for row in shown
        ],
    )
    return answer, next_page


def _names(place: Place, what: Named, asked: Several) -> Several:
    return meant(place, what, asked) if asked else None


def _what(read: Read) -> list[object]:
    covers = f"{read.covers_from} to {read.covers_to}" if read.covers_from else ""
    return [covers, (read.data_version or "")[:8], read.rows]


def _moment(stamp: str | None) -> str:
    return (stamp or "")[:19].replace("T", " ")
