"""Tables, JSON and messages, the same for every command."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from semantic.durable import write_whole
from semantic.errors import GovernedMetricsError


def print_json(rows: Iterable[Mapping[str, Any]], *, file: TextIO | None = None) -> None:
    """A JSON array with one object per line. Control characters in texts are written as JSON escapes them."""
    out = file or sys.stdout
    out.write("[")
    end = ""
    for row in rows:
        line = json.dumps(row, ensure_ascii=False, default=str)
        out.write(f"{end}\n{''.join(map(_escaped, line))}")
        end = ","
    out.write("\n]\n" if end else "]\n")


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    file: TextIO | None = None,
) -> None:
    """A table. What people or models wrote is shown as text, never as markup or control characters."""
    is_terminal = file is None and sys.stdout.isatty()
    console = Console(highlight=False, width=None if is_terminal else 200, file=file)
    table = Table(
        title=title, title_justify="left", header_style="bold", show_edge=False, pad_edge=False
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    console.print(table)


def print_text(text: str) -> None:
    """Lines as they are, so that they can be piped. Control characters are written out."""
    lines = (plain(line.replace("\t", "    ")) for line in text.split("\n"))
    sys.stdout.write("\n".join(lines) + "\n")


def say(message: str) -> None:
    """A line for the person, beside what the command prints."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(message))


def write_file(to: Path, text: str) -> None:
    """Writes a whole file into a folder that there is. Raises `GovernedMetricsError`."""
    if not to.parent.is_dir():
        raise GovernedMetricsError(f"There is no folder {to.parent}", hint="make it first")
    try:
        write_whole(to, text)
    except OSError as error:
        raise GovernedMetricsError(f"Cannot write {to}: {error.strerror}") from error
    say(f"Written to {to}.")


def plain(cell: object) -> str:
    """A cell as one line of printable text."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.4f}".rstrip("0").rstrip(".")
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return "".join(
        f"\\u{ord(character):04x}" if _is_control(character) else character
        for character in str(cell)
    )


def _is_control(character: str) -> bool:
    return unicodedata.category(character)[0] == "C"


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if _is_control(character) else character
