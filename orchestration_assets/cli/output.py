"""Tables, JSON and messages, the same for every command."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """A JSON array with one object per line."""
    lines = [json.dumps(row, ensure_ascii=False, default=str) for row in rows]
    sys.stdout.write(
        "[" + ",".join(f"\n{line}" for line in lines) + ("\n" if lines else "") + "]\n"
    )


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """A table. What people or models wrote is shown as text, never as markup or control characters."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
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


def plain(cell: object) -> str:
    """A cell as one line of printable text."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.4f}".rstrip("0").rstrip(".")
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return "".join(
        character if unicodedata.category(character)[0] != "C" else f"\\u{ord(character):04x}"
        for character in str(cell)
    )
