"""`governed-agents outcome` and `outcomes`: how decisions turned out."""

import getpass
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any

import typer

from agent_resources.quality import Quality, quality_of
from orchestration_assets.cli.names import known_decision, meant
from orchestration_assets.cli.output import print_json, print_table, say
from orchestration_assets.cli.place import Place
from semantic.ledger.budgets import MICROS
from semantic.ledger.recorded_names import Named
from semantic.ledger.verdicts import (
    JudgedDecision,
    Source,
    Turned,
    Verdict,
    judged_decisions,
    tell_verdict,
)


class Period(StrEnum):
    """What decisions are put together by."""

    DAY = "day"
    MONTH = "month"


_PERIODS: dict[Period, Callable[[JudgedDecision], str]] = {
    Period.DAY: lambda item: item.at[:10],
    Period.MONTH: lambda item: item.at[:7],
}


def outcome(
    context: typer.Context,
    decision: Annotated[str, typer.Argument(help="A decision, or the beginning of its id.")],
    turned: Annotated[Turned | None, typer.Argument(help="How it turned out.")] = None,
    acted_on: Annotated[
        bool | None,
        typer.Option("--acted-on/--not-acted-on", help="Whether somebody did what it says."),
    ] = None,
    value: Annotated[str | None, typer.Option(help="What that was worth, as 1200.50.")] = None,
    unit: Annotated[str | None, typer.Option(help="The unit of the value, as USD.")] = None,
    note: Annotated[str, typer.Option(help="What else there is to say; it can be erased.")] = "",
    by: Annotated[str | None, typer.Option(help="Who tells; by default your user name.")] = None,
) -> None:
    """Tells how a decision turned out: right or wrong, acted on or not, at what value. It is put on record; what is told later counts.

    Example: governed-agents outcome 5bbfdeb2-ea12-83e7-bc92-12db4273606a right --acted-on --value 1200 --unit USD
    """
    if turned is None and acted_on is None and value is None:
        raise typer.BadParameter("say right or wrong, --acted-on, --not-acted-on or --value")
    verdict = Verdict(turned=turned, acted_on=acted_on, value=_amount(value), unit=unit, note=note)
    place = Place.of(context)
    told = tell_verdict(
        place.ledger,
        known_decision(place, decision),
        verdict,
        by=by or getpass.getuser(),
        source=Source.PERSON,
    )
    say(f"On record as {told}.")


def outcomes(
    context: typer.Context,
    agent: Annotated[list[str] | None, typer.Option(help="An agent; may be repeated.")] = None,
    days: Annotated[int, typer.Option(help="Decisions of so many days.", min=1, max=36_500)] = 90,
    by: Annotated[Period | None, typer.Option(help="Put together by day or month.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How well agents decided and what that cost: how many of their decisions were told, right, acted on, and the cost of each right one.

    Example: governed-agents outcomes --by month
    """
    since = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days)
    place = Place.of(context)
    agents = meant(place, Named.AGENT, agent or ())
    found = judged_decisions(place.ledger, agents=agents, since=since)
    groups: dict[tuple[str, str], list[JudgedDecision]] = {}
    for item in found:
        period = _PERIODS[by](item) if by else ""
        groups.setdefault((item.agent, period), []).append(item)
    rows = [
        {"agent": name, **({by.value: period} if by else {}), **_row(quality_of(decisions))}
        for (name, period), decisions in sorted(groups.items())
    ]
    if as_json:
        print_json(rows)
        return
    columns = [
        "agent",
        *([by.value] if by else []),
        "decisions",
        "told",
        "right",
        "wrong",
        "acted on",
        "right share",
        "value",
        "cost $",
        "cost $ per right",
    ]
    print_table(columns, [tuple(row.values()) for row in rows])


def _row(quality: Quality) -> dict[str, Any]:
    share, per_right = quality.right_share, quality.cost_micros_per_right
    return {
        "decisions": quality.decisions,
        "told": quality.told,
        "right": quality.right,
        "wrong": quality.wrong,
        "acted_on": quality.acted_on,
        "right_share": None if share is None else round(share, 4),
        "value": ", ".join(f"{it:f} {unit}".strip() for unit, it in quality.values.items()) or None,
        "cost_usd": None if quality.cost_micros is None else quality.cost_micros / MICROS,
        "cost_usd_per_right": None if per_right is None else round(per_right / MICROS, 6),
    }


def _amount(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or abs(amount) >= Decimal(10) ** 15:
        raise typer.BadParameter(f"'{text}' is no amount; write 1200.50")
    return amount
