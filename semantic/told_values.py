"""Values that a snapshot was measured to have, to be told to somebody who may read them: as the answer to a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from semantic.time_range import period_end
from semantic.watch import NO_VALUE


@dataclass(frozen=True, kw_only=True)
class ToldValues:
    """The rows that a query had in a snapshot, or some of them. By metric, `versions` are those of the data."""

    query: Mapping[str, Any]
    snapshot: str
    published_at: datetime
    versions: Mapping[str, str]
    rows: tuple[tuple[Any, ...], ...]

    @classmethod
    def of_texts(
        cls,
        query: Mapping[str, Any],
        snapshot: str,
        published_at: datetime,
        versions: Mapping[str, str],
        rows: Sequence[Sequence[str | None]],
    ) -> Self:
        """Rows as they were measured, in texts: those of periods become days or moments, those of metrics numbers."""
        values = len(query["metrics"])
        timed = 1 if "time_range" in query else 0
        return cls(
            query=query,
            snapshot=snapshot,
            published_at=published_at,
            versions=versions,
            rows=tuple(
                (
                    *map(_period, row[:timed]),
                    *(
                        None if cell == NO_VALUE else cell
                        for cell in row[timed : len(row) - values]
                    ),
                    *map(_number, row[len(row) - values :]),
                )
                for row in rows
            ),
        )

    @property
    def days(self) -> list[date]:
        """The first and the last days of the periods that its rows are of."""
        starts = [
            cell.date() if isinstance(cell, datetime) else cell
            for row in self.rows
            for cell in row[:1]
            if isinstance(cell, date)
        ]
        grain = str(next(iter(self.query.get("group_by", ())), "")).rpartition("__")[2]
        return [day for start in starts for day in (start, period_end(start, grain))]

    @property
    def types(self) -> tuple[str, ...]:
        """The DuckDB type of each column."""
        return tuple(_type_of(cells) for cells in zip(*self.rows, strict=True))


def _period(text: str | None) -> Any:
    try:
        return (
            datetime.fromisoformat(text) if text and "T" in text else date.fromisoformat(text or "")
        )
    except ValueError:
        return text


def _number(text: str | None) -> Any:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return text


def _type_of(cells: Sequence[object]) -> str:
    kinds = {type(cell) for cell in cells if cell is not None}
    named = {date: "DATE", datetime: "TIMESTAMP", Decimal: "DECIMAL"}
    return named.get(kinds.pop(), "VARCHAR") if len(kinds) == 1 else "VARCHAR"
