"""Answers and refusals as JSON values, and back: every cell is what it was, of the same type."""

import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from semantic.answer import MetricAnswer, Provenance, Reason, Refusal

_PROVENANCE = TypeAdapter(Provenance)


def answer_to_json(result: MetricAnswer | Refusal) -> dict[str, Any]:
    """An answer or a refusal, as `answer_from_json` takes it. Raises `TypeError` for a cell that is none of an answer."""
    if isinstance(result, Refusal):
        return {
            "refused": result.reason.value,
            "message": result.message,
            "hint": result.hint,
            "read_id": result.read_id,
        }
    return {
        "columns": list(result.columns),
        "types": list(result.types),
        "rows": [[_cell_to_json(cell) for cell in row] for row in result.rows],
        "provenance": provenance_to_json(result.provenance),
    }


def provenance_to_json(provenance: Provenance) -> dict[str, Any]:
    """What an answer is made of, as a JSON value."""
    return dict(_PROVENANCE.dump_python(provenance, mode="json"))


def answer_from_json(written: Mapping[str, Any]) -> MetricAnswer | Refusal:
    """The answer or the refusal that `answer_to_json` wrote. Raises `ValueError` or `KeyError` for anything else."""
    if "refused" in written:
        return Refusal(
            reason=Reason(written["refused"]),
            message=written["message"],
            hint=written["hint"],
            read_id=written["read_id"],
        )
    return MetricAnswer(
        columns=tuple(written["columns"]),
        types=tuple(written["types"]),
        rows=tuple(tuple(map(_cell_from_json, row)) for row in written["rows"]),
        provenance=_PROVENANCE.validate_python(written["provenance"]),
    )


def _cell_to_json(cell: object) -> object:
    """What JSON has as it is, and all else by its type."""
    match cell:
        case None | bool() | int() | str():
            return cell
        case float():
            return cell if math.isfinite(cell) else {"float": str(cell)}
        case Decimal():
            return {"decimal": str(cell)}
        case datetime():
            return {"datetime": cell.isoformat()}
        case date():
            return {"date": cell.isoformat()}
        case _:
            raise TypeError(f"a cell is no {type(cell).__name__}")


def _cell_from_json(written: object) -> object:
    match written:
        case {"float": str() as text}:
            return float(text)
        case {"decimal": str() as text}:
            return Decimal(text)
        case {"datetime": str() as text}:
            return datetime.fromisoformat(text)
        case {"date": str() as text}:
            return date.fromisoformat(text)
        case _:
            return written
