"""What the tools give, as their schemas say it: everything with its provenance, and of an answer every cell as it was."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from agent_resources.metric_views import Cell, answer_view, cell_view
from semantic.answer import Explanation, MetricAnswer, Provenance, Reason, Refusal
from semantic.answer_json import answer_to_json, provenance_to_json

# What only an operator can mend is told to nobody outside in more words: the door's own name paths of this machine.
_OF_THE_OPERATOR = {
    Reason.LEDGER_UNAVAILABLE: "The read cannot be recorded, so nothing is released",
    Reason.NOTHING_PUBLISHED: "Nothing is published that could be read",
    Reason.SOURCE_UNAVAILABLE: "What would answer is not available now",
}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a call comes to: `structured` is all of it, `text` what a model that reads it needs, the same where it is None."""

    structured: Mapping[str, Any]
    text: Mapping[str, Any] | None = field(default=None, repr=False)
    is_refusal: bool = False

    @property
    def as_text(self) -> str:
        return json.dumps(
            self.structured if self.text is None else self.text,
            ensure_ascii=False,
            separators=(",", ":"),
        )


class MetricLine(BaseModel):
    name: str
    label: str
    unit: str | None
    description: str


class MetricList(BaseModel):
    metrics: list[MetricLine]
    next: str | None


class DimensionView(BaseModel):
    name: str
    kind: str
    write_as: list[str] | None = None
    description: str | None = None


class MetricView(MetricLine):
    type: str
    group_by: list[DimensionView]
    owner: str | None
    definition_hash: str
    data_version: str | None
    data_until: str | None
    published_at: str | None
    is_readable: bool
    why_not: str | None


class SavedQueryLine(BaseModel):
    name: str
    label: str
    description: str
    metrics: list[str]
    group_by: list[str]


class SavedQueryList(BaseModel):
    saved_queries: list[SavedQueryLine]
    next: str | None


class Answer(BaseModel):
    """Rows of a governed read. A number that no JSON number holds, a date and a time are texts; `types` are those of DuckDB."""

    read_id: str
    columns: list[str]
    types: list[str]
    rows: list[list[Cell]]
    units: dict[str, str | None]
    data_until: str | None
    notices: list[str]
    truncated: bool
    next_offset: int | None
    provenance: Provenance


class ExplanationView(BaseModel):
    sql: str
    columns: list[str]
    parameters: list[str]
    provenance: Provenance


def told(result: MetricAnswer | Explanation | Refusal, *, offset: int = 0) -> Result:
    """What a read, or an explanation of one, comes to. `offset` is that of the page that was asked for."""
    match result:
        case Refusal():
            return Result(structured=answer_to_json(_outside(result)), is_refusal=True)
        case Explanation():
            return Result(
                structured={
                    "sql": result.sql,
                    "columns": list(result.columns),
                    "parameters": list(result.parameters),
                    "provenance": provenance_to_json(result.provenance),
                }
            )
        case MetricAnswer():
            view = answer_view(result)
            more = {
                "truncated": result.truncated,
                "next_offset": offset + len(result.rows) if result.truncated else None,
            }
            return Result(
                structured={
                    **view,
                    **more,
                    "types": list(result.types),
                    "rows": [[_exact(cell) for cell in row] for row in result.rows],
                    "provenance": provenance_to_json(result.provenance),
                },
                text={**view, **more},
            )


def _outside(refusal: Refusal) -> Refusal:
    message = _OF_THE_OPERATOR.get(refusal.reason)
    return refusal if message is None else replace(refusal, message=message, hint=None)


def _exact(cell: object) -> Cell:
    """A cell that can be read back as it was, from its type."""
    shown = cell_view(cell)
    return str(cell) if isinstance(cell, Decimal) and Decimal(str(shown)) != cell else shown
