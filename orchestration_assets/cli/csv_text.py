"""CSV that a spreadsheet can open: no cell is taken for a formula, and none holds a control character."""

import csv
import json
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from orchestration_assets.cli.columns import Columns
from orchestration_assets.cli.output import plain

# What a spreadsheet begins a formula with, and the mark that turns one into text.
_MARK = "'"
_MARKED = ("=", "+", "-", "@", "\t", "\r", _MARK)


def write_csv(rows: Iterable[Mapping[str, Any]], columns: Columns, file: TextIO) -> None:
    """RFC 4180 with a head. What is unknown is an empty cell, several texts are a JSON array, and a text that begins as a formula does has
    a `'` before it.
    """
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in columns])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | int):
        return str(value).lower()
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=list)
    return plain(_MARK + text if text.startswith(_MARKED) else text)
