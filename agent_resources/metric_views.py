"""Metrics and answers as a model is given them, inside or from outside: JSON values, in as few words as it needs.

Texts of the dbt project come on one line, cut, and without characters that cannot be seen: they are told, and may have been written by anybody.
"""

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from semantic.answer import MetricAnswer, Refusal
from semantic.answer_json import answer_to_json
from semantic.catalog_text import shown
from semantic.errors import did_you_mean
from semantic.governed_metrics import GovernedMetrics, MetricDescription
from semantic.metric import Dimension, Metric
from semantic.policy import Reader

Cell = str | int | float | bool | None
_LONGEST_LINE = 300
_LONGEST_DESCRIPTION = 2_000
_LONGEST_LABEL = 100


def metric_line(metric: Metric) -> dict[str, Any]:
    """A metric in a list of them."""
    return {
        "name": metric.name,
        "label": shown(metric.label, _LONGEST_LABEL),
        "unit": _shown(metric.unit),
        "description": shown(metric.description, _LONGEST_LINE),
    }


def metric_view(described: MetricDescription) -> dict[str, Any]:
    """A metric with the names to group and filter it by."""
    metric = described.metric
    return {
        **metric_line(metric),
        "type": metric.type.value,
        "description": shown(metric.description, _LONGEST_DESCRIPTION),
        "group_by": [_dimension_view(item) for item in described.dimensions],
    }


def unavailable(name: str, metrics: GovernedMetrics, reader: Reader) -> dict[str, Any]:
    """The refusal of a metric, the same where there is none and where the reader may not have it."""
    names = [item.name for item in metrics.readable_metrics(reader)]
    return {
        "refused": "not_available",
        "message": f"Metric {name!r} is not available to '{reader.name}'",
        "hint": did_you_mean(name, names) or f"available: {', '.join(names) or 'nothing'}",
    }


def answer_view(result: MetricAnswer | Refusal) -> dict[str, Any]:
    """An answer or a refusal."""
    if isinstance(result, Refusal):
        return answer_to_json(result)
    provenance = result.provenance
    return {
        "read_id": result.read_id,
        "columns": list(result.columns),
        "rows": [[cell_view(cell) for cell in row] for row in result.rows],
        "units": {item.name: item.unit for item in provenance.metrics},
        "data_until": provenance.as_of.isoformat() if provenance.as_of else None,
        "notices": [f"{item.kind}: {item.text}" for item in provenance.notices],
    }


def cell_view(cell: object) -> Cell:
    """A cell as a number where it is one, else as a text."""
    if isinstance(cell, Decimal):
        return int(cell) if cell == cell.to_integral_value() else float(cell)
    if isinstance(cell, date | datetime):
        return cell.isoformat()
    if isinstance(cell, float) and not math.isfinite(cell):
        return str(cell)
    if cell is None or isinstance(cell, str | int | float | bool):
        return cell
    return str(cell)


def _dimension_view(dimension: Dimension) -> dict[str, Any]:
    view: dict[str, Any] = {"name": dimension.name, "kind": dimension.kind.value}
    if dimension.grains:
        view["write_as"] = list(dimension.written)
    if dimension.description:
        view["description"] = shown(dimension.description, _LONGEST_LINE)
    return view


def _shown(text: str | None) -> str | None:
    return None if text is None else shown(text, _LONGEST_LABEL)
