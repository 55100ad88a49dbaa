"""`governed-agents ask`: one governed query as a named reader."""

import re
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from orchestration_assets.cli.days import parse_day
from orchestration_assets.cli.output import print_json, print_table, say
from orchestration_assets.cli.place import Place
from semantic.answer import MetricAnswer, Refusal
from semantic.canonical import canonical_value
from semantic.errors import GovernedMetricsError
from semantic.filters import Operator
from semantic.ledger import ReadContext
from semantic.query import MetricQuery

_FILTER = re.compile(
    r"^\s*(?P<dimension>\S+?)\s*(?P<operator>!=|<=|>=|=|<|>|\b(?:"
    + "|".join(item.value for item in Operator if item.value.isidentifier())
    + r")\b)\s*(?P<values>.*)$"
)
_SEVERAL = frozenset({Operator.IN, Operator.NOT_IN, Operator.BETWEEN})


def ask(
    metrics: Annotated[list[str], typer.Argument(help="One or more metrics.")],
    reader: Annotated[str, typer.Option("--as", help="The reader who asks.")],
    by: Annotated[list[str] | None, typer.Option("--by", help="Group by; may be repeated.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--filter", help="'dimension operator value'; may be repeated."),
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="First day, as 2013-02-01.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day, included.")] = None,
    order: Annotated[
        list[str] | None, typer.Option("--order", help="Sort by; -name sorts downwards.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Asks for metrics as a named reader. It is a read like any other: granted by the policy, and on record.

    Example: governed-agents ask flights cancelled_flights --as operations_watch --by metric_time__day --order=-metric_time__day --limit 7

    Example: governed-agents ask on_time_rate --as analyst_dl --filter "destination in BOS, ATL" --from 2013-02-01 --to 2013-02-09
    """
    place = Place.find()
    asked: dict[str, Any] = {"metrics": metrics, "group_by": by or []}
    if where:
        asked["filters"] = [_filter(text) for text in where]
    if start or end:
        if not (start and end):
            raise typer.BadParameter("--from and --to go together")
        asked["time_range"] = {"start": parse_day(start), "end": parse_day(end)}
    if order:
        asked["order_by"] = order
    if limit is not None:
        asked["limit"] = limit
    result = place.metrics.query(
        asked, reader=place.reader(reader), context=ReadContext(purpose="command line")
    )
    if isinstance(result, Refusal):
        say(f"refused: {result.message}" + (f"\nhint: {result.hint}" if result.hint else ""))
        raise typer.Exit(1)
    _print_answer(result, as_json=as_json)


def asked_query(metrics: list[str], by: list[str] | None, where: list[str] | None) -> MetricQuery:
    """The query that options mean. Raises `GovernedMetricsError` that names what is wrong."""
    written = {
        "metrics": metrics,
        "group_by": by or [],
        "filters": [_filter(text) for text in where or ()],
    }
    try:
        return MetricQuery.model_validate(written)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise GovernedMetricsError(first["msg"].removeprefix("Value error, ")) from error


def _print_answer(answer: MetricAnswer, *, as_json: bool) -> None:
    provenance = answer.provenance
    if as_json:
        print_json(
            {name: canonical_value(cell) for name, cell in record.items()}
            for record in answer.records()
        )
    else:
        print_table(answer.columns, answer.rows)
    for notice in provenance.notices:
        say(f"{notice.kind}: {notice.text}")
    say(
        f"snapshot {provenance.snapshot}, data until {provenance.as_of or 'unknown'}, read {answer.read_id}"
    )


def _filter(text: str) -> dict[str, Any]:
    found = _FILTER.match(text)
    if found is None:
        raise typer.BadParameter(
            f"cannot understand the filter '{text}'; write it as \"carrier in UA, DL\". "
            f"Operators: {', '.join(item.value for item in Operator)}"
        )
    operator = Operator(found["operator"])
    written = found["values"].strip()
    parts = [part.strip() for part in written.split(",")] if operator in _SEVERAL else [written]
    return {
        "dimension": found["dimension"],
        "operator": operator.value,
        "values": [_value(part) for part in parts if part],
    }


def _value(text: str) -> str:
    """A value as written, without its quotes. The door knows whether its dimension is a number, a text, a truth or a day."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text
