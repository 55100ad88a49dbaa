"""How an answer is given: as a table, JSON, CSV or Arrow, on the terminal or in a file."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TextIO

import typer

from orchestration_assets.cli.arrow import write_arrow
from orchestration_assets.cli.columns import Columns
from orchestration_assets.cli.csv_text import write_csv
from orchestration_assets.cli.output import print_json, print_table, say
from semantic.errors import GovernedMetricsError


class Format(StrEnum):
    """What an answer can be given as."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Rows as they are given to programs, and those of the table as people read it."""

    columns: Columns
    rows: Iterable[Mapping[str, Any]]
    heads: Sequence[str]
    lines: Iterable[Sequence[object]]


FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="By default a table, or what the name of the file ends with."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
ToOption = Annotated[
    Path | None, typer.Option("--to", help="Write to this file.", dir_okay=False)
]  # fmt: skip


def chosen_format(named: Format | None, *, as_json: bool, to: Path | None) -> Format:
    """The format that was asked for, by name or by the end of the file to write to."""
    if as_json and named not in (None, Format.JSON):
        raise typer.BadParameter(f"--json and --format {named} do not go together")
    if named is not None:
        return named
    if as_json or to is None:
        return Format.JSON if as_json else Format.TABLE
    ending = to.suffix.removeprefix(".").lower()
    if ending not in set(Format):
        raise typer.BadParameter(
            f"the end of '{to.name}' names no format; end it with .json, .csv, .arrow or .table, or name the format with --format"
        )
    return Format(ending)


def give(answer: Answer, form: Format, to: Path | None) -> None:
    """Writes an answer. A file is there only when it is whole. Raises `GovernedMetricsError` where it cannot be written."""
    match form:
        case Format.ARROW:
            if to is None and sys.stdout.isatty():
                raise GovernedMetricsError(
                    "Arrow is not for the terminal", hint="add --to FILE, or pipe it on"
                )
            with _bytes_to(to) as data:
                write_arrow(answer.rows, answer.columns, data, is_file=to is not None)
        case Format.JSON:
            with _text_to(to) as text:
                print_json(answer.rows, file=text)
        case Format.CSV:
            with _text_to(to) as text:
                write_csv(answer.rows, answer.columns, text)
        case Format.TABLE:
            with _text_to(to) as text:
                print_table(answer.heads, answer.lines, file=None if to is None else text)
    if to is not None:
        say(f"Written to {to}")


@contextmanager
def _text_to(to: Path | None) -> Iterator[TextIO]:
    if to is None:
        yield sys.stdout
        return
    with _bytes_to(to) as data, TextIOWrapper(data, encoding="utf-8", newline="") as text:
        yield text


@contextmanager
def _bytes_to(to: Path | None) -> Iterator[BinaryIO]:
    if to is None:
        yield sys.stdout.buffer
        return
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}.")
        try:
            with os.fdopen(handle, "wb") as data:
                yield data
            Path(unfinished).replace(to)
        finally:
            Path(unfinished).unlink(missing_ok=True)
    except OSError as error:
        raise GovernedMetricsError(f"Cannot write {to}: {error.strerror}") from error
