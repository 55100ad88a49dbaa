"""`governed-agents decisions`: what agents decided, and how that turned out."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from orchestration_assets.cli.names import meant
from orchestration_assets.cli.output import print_json, print_table
from orchestration_assets.cli.place import Place
from semantic.ledger.erasable import is_erased
from semantic.ledger.recorded_names import Named
from semantic.ledger.verdicts import JudgedDecision, judged_decisions

_SHOWN_ID = 8
_SHOWN_ANSWER = 80


def decisions(
    context: typer.Context,
    agent: Annotated[list[str] | None, typer.Option(help="An agent; may be repeated.")] = None,
    days: Annotated[int, typer.Option(help="Decisions of so many days.", min=1, max=36_500)] = 90,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What agents decided, the newest first: when, in which run, how sure they were, and how it turned out.

    `reads --decision` tells what one rests on, `outcome` how it turned out.

    Example: governed-agents decisions --agent operations_watch --days 7
    """
    place = Place.of(context)
    agents = meant(place, Named.AGENT, agent or ())
    since = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
    found = judged_decisions(place.ledger, agents=agents, since=since)[::-1][:limit]
    rows = [_row(item) for item in found]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["decision", "at (UTC)", "agent", "run", "confidence", "turned out", "answer"],
        [
            (
                row["decision_id"][:_SHOWN_ID],
                row["at"][:16].replace("T", " "),
                row["agent"],
                (row["run_id"] or "")[:_SHOWN_ID],
                row["confidence"],
                row["turned_out"],
                _in_short(row["answer"]),
            )
            for row in rows
        ],
    )


def _row(item: JudgedDecision) -> dict[str, Any]:
    written = item.details["decision"]
    said = {} if is_erased(written) else json.loads(written)
    return {
        "decision_id": item.decision_id,
        "at": item.at,
        "agent": item.agent,
        "run_id": item.run_id,
        "confidence": said.get("confidence"),
        "turned_out": item.turned.value if item.turned else None,
        "answer": said.get("answer"),
        "output": said.get("output"),
    }


def _in_short(answer: str | None) -> str:
    text = " ".join((answer or "erased").split())
    return text if len(text) <= _SHOWN_ANSWER else f"{text[: _SHOWN_ANSWER - 1]}…"
