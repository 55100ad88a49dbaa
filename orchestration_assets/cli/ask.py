"""`governed-agents ask`: one governed query as a named reader."""

import re
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from orchestration_assets.cli.days import parse_day
from orchestration_assets.cli.output import print_json, print_table, print_text, say
from orchestration_assets.cli.place import Place
from semantic.answer import Explanation, MetricAnswer, Refusal
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
# One of several values: in quotes, where a comma is part of it, or up to the next comma.
_PART = re.compile(r"\s*(?:'[^']*'|\"[^\"]*\")\s*(?=,|$)|[^,]+")
_SEVERAL = frozenset({Operator.IN, Operator.NOT_IN, Operator.BETWEEN})


def ask(
    context: typer.Context,
    reader: Annotated[str, typer.Option("--as", help="The reader who asks.")],
    metrics: Annotated[list[str] | None, typer.Argument(help="One or more metrics.")] = None,
    saved: Annotated[
        str | None, typer.Option("--saved", help="A saved query, instead of metrics.")
    ] = None,
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
    compare: Annotated[
        bool, typer.Option("--compare", help="Add the values of the period before.")
    ] = False,
    order: Annotated[
        list[str] | None, typer.Option("--order", help="Sort by; -name sorts downwards.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many rows.")] = None,
    offset: Annotated[int, typer.Option("--offset", help="Leave out the first rows.")] = 0,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the SQL that would run; read nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Asks for metrics as a named reader. It is a read like any other: granted by the policy, and on record.

    Example: governed-agents ask flights cancelled_flights --as operations_watch --by metric_time__day --order=-metric_time__day --limit 7

    Example: governed-agents ask on_time_rate --as analyst_dl --filter "destination in BOS, ATL" --from 2013-02-01 --to 2013-02-09

    Example: governed-agents ask flights --as operations_watch --last "7 days" --compare
    """
    place = Place.of(context)
    asked: dict[str, Any] = {
        "metrics": metrics or [],
        "saved_query": saved,
        "group_by": by or [],
        "filters": [_filter(text) for text in where or ()],
        "time_range": time_range(start, end, last),
        "compare_to": "previous_period" if compare else None,
        "order_by": order or [],
        "limit": limit,
        "offset": offset,
    }
    purpose = ReadContext(purpose="command line")
    with place.metrics.session(place.reader(reader), purpose) as session:
        result = session.explain(asked) if explain else session.query(asked)
    match result:
        case Refusal():
            say(f"refused: {result.message}" + (f"\nhint: {result.hint}" if result.hint else ""))
            raise typer.Exit(1)
        case Explanation():
            _print_explanation(result, as_json=as_json)
        case MetricAnswer():
            _print_answer(result, as_json=as_json)


def time_range(start: str | None, end: str | None, last: str | None) -> str | dict[str, Any] | None:
    if last is not None and (start or end):
        raise typer.BadParameter("--last stands alone, without --from and --to")
    if last is not None:
        return last if last.startswith("last ") else f"last {last}"
    if bool(start) != bool(end):
        raise typer.BadParameter("--from and --to go together")
    return {"start": parse_day(start), "end": parse_day(end)} if start and end else None


def asked_query(
    metrics: list[str],
    by: list[str] | None,
    where: list[str] | None,
    within: str | dict[str, Any] | None,
) -> MetricQuery:
    """The query that options mean. Raises `GovernedMetricsError` that names what is wrong."""
    written = {
        "metrics": metrics,
        "group_by": by or [],
        "filters": [_filter(text) for text in where or ()],
        "time_range": within,
    }
    try:
        return MetricQuery.model_validate(written)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise GovernedMetricsError(first["msg"].removeprefix("Value error, ")) from error


def _print_explanation(explained: Explanation, *, as_json: bool) -> None:
    if as_json:
        print_json([{"sql": explained.sql, "parameters": list(explained.parameters)}])
    else:
        print_text(explained.sql)
    for notice in explained.provenance.notices:
        say(f"{notice.kind}: {notice.text}")
    say(f"parameters: {', '.join(explained.parameters)}. Nothing was read.")


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
    if found is None or found["values"].startswith(("=", "<", ">", "!")):
        raise typer.BadParameter(
            f"cannot understand the filter '{text}'; write it as \"carrier in UA, DL\". "
            f"Operators: {', '.join(item.value for item in Operator)}"
        )
    operator = Operator(found["operator"])
    written = found["values"].strip()
    if operator in _SEVERAL and written.startswith("(") and written.endswith(")"):
        written = written[1:-1]
    parts = _PART.findall(written)
    if operator not in _SEVERAL and len(parts) > 1:
        raise typer.BadParameter(
            f"the filter '{text}' compares with several values; write `in`, or put quotes around one that holds a comma"
        )
    return {
        "dimension": found["dimension"],
        "operator": operator.value,
        "values": [_value(part.strip()) for part in parts if part.strip()],
    }


def _value(text: str) -> str:
    """A value as written, without its quotes. The door knows whether its dimension is a number, a text, a truth or a day."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text
