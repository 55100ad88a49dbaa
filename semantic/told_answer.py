"""What a server told, as the values that its own door released."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from semantic.answer import Explanation, MetricAnswer, Provenance, Refusal
from semantic.answer_json import answer_from_json

_PROVENANCE = TypeAdapter(Provenance)
# How a cell is read back, by the beginning of its column's DuckDB type. What is none of these is what JSON has.
_READ: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("DECIMAL", lambda cell: Decimal(str(cell))),
    ("DOUBLE", float),
    ("FLOAT", float),
    ("TIMESTAMP", datetime.fromisoformat),
    ("DATE", date.fromisoformat),
)


def told_refusal(told: Mapping[str, Any]) -> Refusal:
    """The refusal of a call. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    found = answer_from_json(told)
    if not isinstance(found, Refusal):
        raise TypeError("no refusal")
    return found


def told_answer(told: Mapping[str, Any]) -> MetricAnswer:
    """The answer of a read, with cells of the types that were read. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    types = tuple(told["types"])
    readers = [_reader_of(name) for name in types]
    return MetricAnswer(
        columns=tuple(told["columns"]),
        types=types,
        rows=tuple(
            tuple(_cell(read, cell) for read, cell in zip(readers, row, strict=True))
            for row in told["rows"]
        ),
        provenance=_PROVENANCE.validate_python(told["provenance"]),
    )


def told_explanation(told: Mapping[str, Any]) -> Explanation:
    """How a query would be answered. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    return Explanation(
        sql=told["sql"],
        columns=tuple(told["columns"]),
        parameters=tuple(told["parameters"]),
        provenance=_PROVENANCE.validate_python(told["provenance"]),
    )


def _reader_of(name: str) -> Callable[[Any], Any] | None:
    return next((read for start, read in _READ if name.startswith(start)), None)


def _cell(read: Callable[[Any], Any] | None, cell: Any) -> Any:
    """A cell as it was. What was masked is a text, whatever its column holds."""
    if cell is None or read is None:
        return cell
    try:
        return read(cell)
    except (ValueError, ArithmeticError, TypeError):
        return cell
