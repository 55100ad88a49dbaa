"""`governed-agents impact`: what a change of a dbt project does to metrics, and who rests on them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration_assets.cli.output import plain, print_json, print_text, say
from orchestration_assets.cli.place import Place
from orchestration_assets.cli.wholeness import say_where_broken
from orchestration_assets.dbt_revision import parsed_project, parsed_revision
from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.errors import LedgerUnavailable, QuestionError
from semantic.lineage.change import Change, ChangedMetric, Step
from semantic.lineage.changed import changed_metrics
from semantic.lineage.granted import granted_metrics
from semantic.lineage.impact import Impact, impacts

FELT = 3
_SHORT = 8


class Form(StrEnum):
    """How an impact is shown."""

    MARKDOWN = "markdown"
    JSON = "json"


def impact(
    context: typer.Context,
    base: Annotated[
        str | None, typer.Option(help="The revision of git that the project is compared with.")
    ] = None,
    project: Annotated[
        Path, typer.Option(help="The folder of the dbt project.", file_okay=False)
    ] = Path(),
    base_target: Annotated[
        Path | None, typer.Option(help="In place of a revision: a folder with dbt's artifacts.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="The artifacts of now; else the project is parsed.")
    ] = None,
    days: Annotated[int, typer.Option(help="Reads of so many days.", min=1, max=36_500)] = 30,
    form: Annotated[Form, typer.Option("--format", help="How it is shown.")] = Form.MARKDOWN,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 whatever is found.")
    ] = False,
) -> None:
    """Which metrics change their meaning, by which column, model or filter, and which only their code; which agents may read them and did, which
    decisions stand on them, and what is remembered of them. Fit for a pull request, and for CI: exits 3 where somebody rests on a meaning that changes.

    Example: governed-agents impact --base main --project dbt_project

    Example: governed-agents impact --base-target before/target --target target
    """
    if (base is None) == (base_target is None):
        raise typer.BadParameter(
            "say with what to compare: --base REVISION or --base-target FOLDER"
        )
    with ExitStack() as stack:
        then = base_target or stack.enter_context(parsed_revision(project, str(base)))
        before, after = (
            load_catalog(then),
            load_catalog(target or stack.enter_context(parsed_project(project))),
        )
        if before.project != after.project:
            raise QuestionError(
                f"These are two dbt projects, '{before.project}' before and '{after.project}' now",
                hint="name two states of the same project",
            )
        changed = changed_metrics(before, after)
    found = _impacts(context, changed, after, days)
    if as_json or form is Form.JSON:
        print_json(map(_plain, found))
    else:
        print_text("\n".join(_markdown(found, base or str(base_target), days)))
    is_felt = any(
        it.metric.change in (Change.MEANING, Change.REMOVED) and it.is_felt for it in found
    )
    if is_felt and not exit_zero:
        raise typer.Exit(FELT)


def _impacts(
    context: typer.Context, changed: Sequence[ChangedMetric], after: Catalog, days: int
) -> list[Impact]:
    """With who rests on them, as far as there is a record here."""
    try:
        place = Place.of(context)
        ledger = place.ledger
    except LedgerUnavailable as error:
        say(f"Who rests on it is not known here: {error.message}")
        return [Impact(metric=item, facts={}) for item in changed]
    say_where_broken(ledger)
    if place.catalog.project != after.project:
        raise QuestionError(
            f"The record here is of the dbt project '{place.catalog.project}', and this one is '{after.project}'",
            hint="set DAGSTER_HOME to the instance that runs this project",
        )
    granted = granted_metrics(ledger, place.policy, {**place.catalog.metrics, **after.metrics})
    return impacts(ledger, changed, granted, since=datetime.now(UTC) - timedelta(days=days))


def _plain(item: Impact) -> dict[str, Any]:
    return {
        "metric": item.metric.name,
        "change": item.metric.change.value,
        "path": [vars(step) for step in item.metric.path],
        "granted": list(item.granted),
        "read_by": [vars(reader) for reader in item.read_by],
        "standing_decisions": [
            {"decision_id": it.decision_id, "agent": it.agent, "at": it.at, "run_id": it.run_id}
            for it in item.standing
        ],
        "facts": dict(item.facts),
    }


_TITLES = {
    Change.MEANING: "change their meaning",
    Change.REMOVED: "are removed",
    Change.ADDED: "are new",
    Change.CODE: "change their code, and mean the same",
}


def _markdown(found: Sequence[Impact], base: str, days: int) -> Iterator[str]:
    yield f"## Impact on governed metrics, compared with `{_cell(base)}`"
    if not found:
        yield ""
        yield "No metric changes."
    for change, title in _TITLES.items():
        some = [item for item in found if item.metric.change is change]
        if not some:
            continue
        yield ""
        yield f"### {len(some)} {title}"
        yield ""
        if change is Change.CODE:
            yield from (f"- `{it.metric.name}`: {_models(it.metric.path)}" for it in some)
            continue
        yield f"| metric | may read it | read it in {days} days | decisions that stand on it | facts |"
        yield "| --- | --- | --- | --- | --- |"
        yield from map(_row, some)
        yield from _paths(some)


def _row(item: Impact) -> str:
    cells = [
        f"`{item.metric.name}`",
        ", ".join(item.granted),
        ", ".join(f"{it.agent} ({it.reads:,})" for it in item.read_by),
        ", ".join(
            f"{it.agent} `{it.decision_id[:_SHORT]}` of {it.at[:10]}" for it in item.standing
        ),
        ", ".join(f"{agent} ({count})" for agent, count in item.facts.items()),
    ]
    return f"| {' | '.join(_cell(cell) or 'none' for cell in cells)} |"


def _paths(some: Sequence[Impact]) -> Iterator[str]:
    """Each place that changes with the metrics whose meaning it is a part of: many metrics may have one in common."""
    of: dict[Step, list[str]] = {}
    for item in some:
        for step in item.metric.path:
            of.setdefault(step, []).append(item.metric.name)
    for step, names in of.items():
        yield ""
        yield f"**{_cell(step.what)}**, in {', '.join(f'`{name}`' for name in names)}"
        yield ""
        yield "```diff"
        yield f"- {plain(step.before)}"
        yield f"+ {plain(step.after)}"
        yield "```"


def _models(path: Sequence[Step]) -> str:
    return ", ".join(step.what for step in path)


def _cell(text: str) -> str:
    """A text that does not end the cell that it stands in."""
    return plain(text).replace("|", "\\|").replace("<", "&lt;")
