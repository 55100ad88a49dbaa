"""The figures of an answer in one form, whoever gave it, so that answers can be compared."""

import math
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

DIGITS = 9
Row = tuple[str | None, ...]


class OtherFigures(Exception):
    """A way answers the question with other figures than the door."""


def figures_of(answer: object) -> list[Row]:
    """The rows of tuples, a `MetricAnswer` or a pandas data frame, sorted, with numbers to nine significant digits."""
    return sorted(
        (tuple(map(_cell, row)) for row in _rows(answer)), key=lambda row: tuple(map(str, row))
    )


def refuse_other_figures(name: str, answer: object, expected: list[Row]) -> None:
    """Raises `OtherFigures` where an answer does not hold what is expected."""
    found = figures_of(answer)
    if found == expected:
        return
    pairs = zip(found, expected, strict=False)
    first = next(((one, two) for one, two in pairs if one != two), None)
    raise OtherFigures(
        f"{name} gives {len(found)} rows where the door gives {len(expected)}; first that differs: {first}"
    )


def _rows(answer: Any) -> Iterable[Iterable[object]]:
    found: Iterable[Iterable[object]]
    if hasattr(answer, "itertuples"):
        found = answer.itertuples(index=False, name=None)
    else:
        found = answer.rows if hasattr(answer, "provenance") else answer
    return found


def _cell(value: object) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat().removesuffix("T00:00:00")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal) or hasattr(value, "__float__"):
        number = float(value)
        return None if math.isnan(number) else f"{number:.{DIGITS}g}"
    return str(value)
