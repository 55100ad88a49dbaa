"""The order in which reads are told, and how to go on after one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import sqlalchemy as sa

from semantic.errors import QuestionError, did_you_mean
from semantic.ledger.schema import reads


class SortField(StrEnum):
    """What reads can be ordered by, as a `Read` calls it."""

    AT = "at"
    METRIC = "metric"
    AGENT = "agent"
    ACTING_FOR = "acting_for"
    TEAM = "team"
    RUN_ID = "run_id"
    DATA_VERSION = "data_version"
    OUTCOME = "outcome"
    REASON = "reason"
    ROWS = "rows"
    ENDED_AT = "ended_at"


@dataclass(frozen=True, kw_only=True)
class ReadOrder:
    """By one field, and what is equal in it the newest first. What is not known comes last in either direction."""

    field: SortField = SortField.AT
    is_descending: bool = True

    @classmethod
    def of(cls, text: str) -> Self:
        """`rows` for the smallest first, `-rows` for the largest. Raises `QuestionError`."""
        name, known = text.removeprefix("-"), [field.value for field in SortField]
        if name not in known:
            raise QuestionError(
                f"Reads cannot be sorted by {name!r}",
                hint=did_you_mean(name, known) or f"one of {', '.join(known)}",
            )
        return cls(field=SortField(name), is_descending=text.startswith("-"))

    def __str__(self) -> str:
        return f"{'-' if self.is_descending else ''}{self.field}"

    def terms(self) -> list[sa.ColumnElement[Any]]:
        """For ORDER BY."""
        return [
            column.desc() if is_descending else column.asc()
            for column, is_descending in self._terms()
        ]

    def place(self, row: Mapping[Any, Any]) -> list[Any]:
        """Where a row of the index stands in this order."""
        own = row[_column(self.field).name]
        unset = [] if self.field in _ALWAYS_SET else [int(own is None)]
        rest = [] if self.field is SortField.AT else [row["at"]]
        return [*unset, own, *rest, row["seq"], row["metric"]]

    def after(self, place: Sequence[Any]) -> sa.ColumnElement[bool]:
        """What holds for the rows that come later than this place. Raises `QuestionError` where it is none of this order."""
        terms = self._terms()
        if len(place) != len(terms):
            raise QuestionError("This page belongs to reads in another order")
        later: sa.ColumnElement[bool] = sa.false()
        for (column, is_descending), value in reversed(list(zip(terms, place, strict=True))):
            if value is None:  # all that are equal so far have none either
                continue
            beyond = column < value if is_descending else column > value
            later = sa.or_(beyond, sa.and_(column == value, later))
        (first, is_descending), value = terms[0], place[0]
        return sa.and_(first <= value if is_descending else first >= value, later)

    def _terms(self) -> list[tuple[sa.ColumnElement[Any], bool]]:
        own = _column(self.field)
        unset = sa.case((own.is_(None), sa.literal_column("1")), else_=sa.literal_column("0"))
        return [
            *([] if self.field in _ALWAYS_SET else [(unset, False)]),
            (own, self.is_descending),
            *([] if self.field is SortField.AT else [(reads.c.at, True)]),
            (reads.c.seq, self.is_descending if self.field is SortField.AT else True),
            (reads.c.metric, False),
        ]


_ALWAYS_SET = frozenset({SortField.AT, SortField.METRIC, SortField.OUTCOME})


def _column(field: SortField) -> sa.Column[Any]:
    return reads.c["reader" if field is SortField.AGENT else field.value]
