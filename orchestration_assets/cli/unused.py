"""`governed-agents unused`: what readers are granted and do not read, for least privilege."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from orchestration_assets.cli.columns import Holds
from orchestration_assets.cli.deleted import say_deleted
from orchestration_assets.cli.formats import (
    Answer,
    FormatOption,
    JsonOption,
    ToOption,
    chosen_format,
    give,
)
from orchestration_assets.cli.names import named_readers
from orchestration_assets.cli.output import say
from orchestration_assets.cli.pages import AfterOption, LimitOption, SortOption, most_shown, page_of
from orchestration_assets.cli.place import Place
from semantic.errors import GovernedMetricsError, did_you_mean
from semantic.ledger import unused_grants
from semantic.policy import REFRESH

COLUMNS = {
    "reader": Holds.TEXT,
    "metric": Holds.TEXT,
    "is_never_read": Holds.TRUTH,
    "last_read_at": Holds.MOMENT,
    "last_asked_at": Holds.MOMENT,
}


def unused(
    context: typer.Context,
    days: Annotated[int, typer.Option(help="Not read in so many days.", min=1, max=36_500)] = 30,
    agent: Annotated[
        list[str] | None, typer.Option(help="Of this reader; may be repeated.")
    ] = None,
    sort: SortOption = None,
    limit: LimitOption = None,
    after: AfterOption = None,
    form: FormatOption = None,
    as_json: JsonOption = False,
    to: ToOption = None,
) -> None:
    """What the published policy grants each agent and named reader, and it did not read for a time: a grant that may be withdrawn.

    Example: governed-agents unused --days 30 --sort last_asked_at
    """
    place = Place.of(context)
    chosen = chosen_format(form, as_json=as_json, to=to)
    granted = _granted(place, agent or [])
    since = datetime.now(UTC) - timedelta(days=days)
    found = unused_grants(place.ledger, granted, since=since, without_agent=REFRESH)
    shown, next_page = page_of(
        [{name: getattr(item, name) for name in COLUMNS} for item in found],
        COLUMNS,
        ("reader", "metric"),
        sort=sort,
        limit=most_shown(limit, chosen, to),
        after=after,
    )
    answer = Answer(
        columns=COLUMNS,
        rows=shown,
        heads=["reader", "metric", "last read (UTC)", "last asked for (UTC)"],
        lines=[
            (
                row["reader"],
                row["metric"],
                _moment(row["last_read_at"]) or "never",
                _moment(row["last_asked_at"]),
            )
            for row in shown
        ],
    )
    give(answer, chosen, to)
    say_deleted(place.ledger, since=since)
    if next_page:
        say(f"There are more: --after {next_page}")
    grants = sum(map(len, granted.values()))
    say(f"{len(found):,} of {grants:,} grants were not used in the last {days} days.")


def _granted(place: Place, agents: list[str]) -> dict[str, list[str]]:
    """By reader, the metrics that it may read. Raises `GovernedMetricsError` for a reader that nothing names."""
    policy, metrics = place.policy, place.catalog.metrics.values()
    readers = named_readers(place) - {REFRESH}
    for name in agents:
        if name not in readers:
            raise GovernedMetricsError(
                f"There is no agent {name!r}, and the policy does not name it",
                hint=did_you_mean(name, readers) or f"known: {', '.join(sorted(readers)[:20])}",
            )
    return {
        name: [metric.name for metric in metrics if policy.is_readable(place.reader(name), metric)]
        for name in agents or sorted(readers)
    }


def _moment(stamp: str | None) -> str:
    return (stamp or "")[:19].replace("T", " ")
