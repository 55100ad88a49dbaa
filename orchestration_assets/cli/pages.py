"""Pages of an answer: the options that ask for one, and those of rows that are all at hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration_assets.cli.columns import Columns
from orchestration_assets.cli.formats import Format
from semantic.errors import QuestionError, did_you_mean
from semantic.ledger.page_token import page_token, place_in
from semantic.ledger.read_question import MOST_ON_A_PAGE

SHOWN = 50
Row = Mapping[str, Any]
SortOption = Annotated[
    str | None, typer.Option("--sort", help="By this column; -rows for the largest first.")
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", help="At most so many.", min=1, max=MOST_ON_A_PAGE)
]
AfterOption = Annotated[
    str | None, typer.Option("--after", help="The next page, by what the last one said.")
]


def most_shown(limit: int | None, form: Format, to: Path | None) -> int | None:
    """How many rows are given at most: of a table on the terminal a screen or two, unless `limit` says another number."""
    return limit or (SHOWN if form is Format.TABLE and to is None else None)


def page_of(
    rows: Sequence[Row],
    columns: Columns,
    keys: Sequence[str],
    *,
    sort: str | None,
    limit: int | None,
    after: str | None,
) -> tuple[Sequence[Row], str | None]:
    """Rows in the order that `sort` names, at most `limit` of those `after` another page, and the token of the next page if there is one.

    They come in the order of `keys`, the columns that tell one row from another, and what is equal stays in it. Raises `QuestionError`.
    """
    wanted = sort or keys[0]
    order = f"{wanted} of {','.join(keys)}"
    ordered = _ordered(rows, columns, wanted)
    if after is not None:
        ordered = ordered[_begin(ordered, keys, place_in(after, order)) :]
    shown = ordered[:limit]
    has_more = len(shown) < len(ordered)
    return shown, page_token(order, _place(shown[-1], keys)) if has_more else None


def _ordered(rows: Sequence[Row], columns: Columns, sort: str) -> Sequence[Row]:
    """What is not known comes last."""
    name = sort.removeprefix("-")
    if name not in columns:
        raise QuestionError(
            f"These rows cannot be sorted by {name!r}",
            hint=did_you_mean(name, columns) or f"one of {', '.join(columns)}",
        )
    known = [row for row in rows if row[name] is not None]
    known.sort(key=lambda row: row[name], reverse=sort.startswith("-"))
    return known + [row for row in rows if row[name] is None]


def _begin(rows: Sequence[Row], keys: Sequence[str], place: list[Any]) -> int:
    for number, row in enumerate(rows, 1):
        if _place(row, keys) == place:
            return number
    raise QuestionError(
        "The row that this page comes after is not among these", hint="ask for the first page again"
    )


def _place(row: Row, keys: Sequence[str]) -> list[Any]:
    return [row[key] for key in keys]
