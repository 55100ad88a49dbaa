"""`governed-agents recall`: takes back what rests on a metric that was wrong."""

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration_assets.cli.days import parse_day
from orchestration_assets.cli.names import known_version, meant
from orchestration_assets.cli.output import print_json, print_table, say
from orchestration_assets.cli.place import Place
from orchestration_assets.cli.wholeness import say_where_broken
from semantic.errors import QuestionError
from semantic.ledger.recalls import recalls, record_recall
from semantic.ledger.recorded_names import Named
from semantic.lineage.recall import RecallScope, recall_scope, what_is_wrong

if TYPE_CHECKING:
    from orchestration_assets.recalled_assets import Recalled

_SHORT = 8


def recall(
    context: typer.Context,
    metric: Annotated[str, typer.Argument(help="The metric that was wrong.")],
    first: Annotated[str, typer.Option("--from", help="The first day of the data that was wrong.")],
    last: Annotated[str, typer.Option("--to", help="The last one, included.")],
    reason: Annotated[str, typer.Option(help="Why; it can be erased.")],
    version: Annotated[
        str | None, typer.Option(help="Only what was read at this data version.")
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Have the agents run again when the data is repaired, whatever their trigger says.",
        ),
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who says so; by default your user name.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be taken back.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Finds every read whose data covers days for which a metric was wrong, the runs and the decisions that rest on it, also through memory and
    through other decisions, and takes them back: a record, and a check `not_recalled` that fails on these assets and on what was built on them.

    Metrics that are made of it were wrong as well, unless a version is named.

    Example: governed-agents recall cancellation_rate --from 2013-02-08 --to 2013-02-08 --reason "the feed was late" --dry-run
    """
    place = Place.of(context)
    [name] = meant(place, Named.METRIC, [metric])
    begin, end = parse_day(first), parse_day(last)
    if begin > end:
        raise QuestionError(f"No day is from {begin} to {end}", hint="name the first day first")
    if begin > datetime.now(UTC).date():
        raise QuestionError(f"{begin} is still to come: nothing was read of it")
    if not reason.strip():
        raise typer.BadParameter("say why: --reason TEXT")
    if by is not None and not by.strip():
        raise typer.BadParameter("say who: --by NAME")
    say_where_broken(place.ledger)
    known = known_version(place, version) if version else None
    kept = (place.snapshots.catalog(version) for version in place.snapshots.versions())
    wrong = what_is_wrong([place.catalog, *kept], name, begin, end, known)
    scope = recall_scope(place.ledger, wrong)
    recall_id, marked = (
        (None, [])
        if dry_run
        else _take_back(place, scope, reason, by or getpass.getuser(), again=again)
    )
    if as_json:
        print_json([_plain(place, scope, recall_id, marked)])
    else:
        _show(place, scope, recall_id, marked)


def _take_back(
    place: Place, scope: RecallScope, reason: str, by: str, *, again: bool
) -> tuple[str, "list[Recalled]"]:
    from dagster import DagsterInstance

    from orchestration_assets.recalled_assets import mark_recalled

    recall_id = record_recall(
        place.ledger,
        scope.wrong,
        by=by,
        reason=reason,
        reads=scope.read_ids,
        decisions=[item.decision.decision_id for item in scope.decisions],
        versions=scope.versions,
        run_again=again,
    )
    [recorded] = [item for item in recalls(place.ledger) if item.recall_id == recall_id]
    with DagsterInstance.from_config(str(place.home)) as instance:
        return recall_id, mark_recalled(
            instance, recorded, [item.decision for item in scope.decisions]
        )


def _owners(place: Place, scope: RecallScope) -> dict[str, str]:
    """By agent, whom to tell: its owner, its team, or that nobody is named."""
    registered = place.ledger.registered_agents()
    return {
        name: _owner(registered[name]) if name in registered else "no registered agent"
        for name in scope.agents
    }


def _owner(written: dict[str, Any]) -> str:
    team = f"team {written['team']}" if written.get("team") else ""
    return ", ".join(filter(None, (written.get("owner"), team))) or "nobody is named"


def _plain(
    place: Place, scope: RecallScope, recall_id: str | None, marked: "list[Recalled]"
) -> dict[str, Any]:
    return {
        "recall_id": recall_id,
        "metrics": list(scope.wrong.metrics),
        "from": scope.wrong.first.isoformat(),
        "to": scope.wrong.last.isoformat(),
        "version": scope.wrong.version,
        "reads": sorted(scope.read_ids),
        "runs": sorted({read.run_id for read in scope.reads if read.run_id}),
        "decisions": [
            {
                "decision_id": item.decision.decision_id,
                "agent": item.decision.agent,
                "at": item.decision.at,
                "run_id": item.decision.run_id,
                "reads": item.reads,
                "remembered": item.remembered,
                "told": list(item.told),
            }
            for item in scope.decisions
        ],
        "assets": [item.asset.to_user_string() for item in marked],
        "to_be_told": {"agents": _owners(place, scope), "for_whom": list(scope.for_whom)},
    }


def _show(
    place: Place, scope: RecallScope, recall_id: str | None, marked: "list[Recalled]"
) -> None:
    print_table(
        ["decision", "at (UTC)", "agent", "run", "because of"],
        [
            (
                item.decision.decision_id[:_SHORT],
                item.decision.at[:16].replace("T", " "),
                item.decision.agent,
                (item.decision.run_id or "")[:_SHORT],
                ", ".join(_because(item.reads, item.remembered, item.told)),
            )
            for item in scope.decisions
        ],
    )
    for agent, owner in _owners(place, scope).items():
        say(f"To be told: {owner}, of {agent}.")
    for name in scope.for_whom:
        say(f"To be told: {name}, for whom it was read.")
    runs = {read.run_id for read in scope.reads if read.run_id}
    say(f"{len(scope.read_ids):,} reads in {len(runs):,} runs, {len(scope.decisions):,} decisions.")
    if recall_id is None:
        say("Nothing was taken back: this was a dry run.")
        return
    for item in marked:
        say(f"The check not_recalled fails on {item.asset.to_user_string()}.")
    say(f"On record as {recall_id}.")


def _because(reads: int, remembered: int, told: tuple[str, ...]) -> list[str]:
    return [
        *([f"{reads} read{'s' * (reads > 1)}"] if reads else []),
        *([f"{remembered} remembered"] if remembered else []),
        *(f"decision {item[:_SHORT]}" for item in told),
    ]
