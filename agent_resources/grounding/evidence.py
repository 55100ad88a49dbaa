"""What the reads of a run say: tables of cells, each with what it is a cell of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from agent_resources.agent_run import ReadOfRun
from agent_resources.grounding.words import telling_words_of
from semantic.answer import MetricAnswer
from semantic.filters import Filter, Operator
from semantic.outer_select import PREVIOUS
from semantic.query import MetricQuery
from semantic.time_range import DaySpan, period_end, period_start

_RATIOS = frozenset({"ratio", "share", "rate", "fraction"})
_PERCENTS = frozenset({"%", "percent", "per cent"})


@dataclass(frozen=True, kw_only=True)
class Column:
    """A metric as a column of a read. `words` are those that its name is made of."""

    name: str
    unit: str | None
    words: frozenset[str]

    @property
    def is_ratio(self) -> bool:
        return (self.unit or "").lower() in _RATIOS

    @property
    def is_percent(self) -> bool:
        return (self.unit or "").lower() in _PERCENTS


@dataclass(frozen=True, kw_only=True)
class Row:
    """One group of a read. `labels` has by dimension what the group is, in lower case; `period` the days that it is of, None where that
    is not known; `cells` by metric its value, without those that are empty.
    """

    labels: Mapping[str, str]
    period: DaySpan | None
    cells: Mapping[str, float]
    is_previous: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """One read. `filters` has by dimension the values that it was narrowed to; `order` the metrics that it was sorted by, with whether
    downwards. Of a read that `is_cut` there may be more rows among those that it has; one by time is whole as far as it goes.
    """

    read_id: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    has_periods: bool
    span: DaySpan | None
    filters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    order: tuple[tuple[str, bool], ...] = ()
    is_cut: bool = False

    @property
    def dimensions(self) -> frozenset[str]:
        return frozenset(name for row in self.rows for name in row.labels)

    def labels(self) -> Iterator[tuple[str, str]]:
        """Each dimension with each value of it that is told, in lower case."""
        for row in self.rows:
            yield from row.labels.items()
        for name, values in self.filters.items():
            yield from ((name, value) for value in values)


def table_of(read: ReadOfRun) -> Table | None:
    """The table of a read; None for a refusal."""
    answer = read.result
    if not isinstance(answer, MetricAnswer):
        return None
    units = {item.name: item.unit for item in answer.provenance.metrics}
    names = [name for name in answer.columns if name in units]
    query = MetricQuery.model_validate(dict(read.asked))
    span = _span_of(query, answer)
    times = [
        name
        for position, name in enumerate(answer.columns)
        if any(isinstance(row[position], date) for row in answer.rows)
    ]
    rows = [
        row
        for record in answer.records()
        for row in _rows_of(record, names, times[0] if times else None, span)
    ]
    return Table(
        read_id=answer.read_id,
        columns=tuple(
            Column(name=name, unit=units[name], words=frozenset(telling_words_of(name)))
            for name in names
        ),
        rows=tuple(rows),
        has_periods=bool(times),
        span=span,
        filters=_filters_of(query),
        order=tuple((order.by, order.descending) for order in query.order_by),
        is_cut=_is_cut(query, answer)
        and not (times and query.order_by[:1] and query.order_by[0].by == times[0]),
    )


def _is_cut(query: MetricQuery, answer: MetricAnswer) -> bool:
    return answer.truncated or (query.limit is not None and len(answer.rows) >= query.limit)


def _rows_of(
    record: Mapping[str, Any], names: Sequence[str], time: str | None, span: DaySpan | None
) -> Iterator[Row]:
    """The row of a record, and that of the period before where it has one."""
    told = {f"{name}{PREVIOUS}" for name in names} | set(names)
    labels = {
        name: str(value).lower()
        for name, value in record.items()
        if name not in told and name != time and value is not None
    }
    period = _period(record[time], time) if time else span
    yield Row(labels=labels, period=period, cells=_numbers(record, names, ""))
    if any(f"{name}{PREVIOUS}" in record for name in names):
        yield Row(
            labels=labels, period=None, cells=_numbers(record, names, PREVIOUS), is_previous=True
        )


def _numbers(record: Mapping[str, Any], names: Sequence[str], ending: str) -> dict[str, float]:
    return {
        name: float(cell)
        for name in names
        if isinstance(cell := record.get(name + ending), int | float | Decimal)
        and not isinstance(cell, bool)
    }


def _period(value: Any, column: str) -> DaySpan | None:
    if not isinstance(value, date):
        return None
    day = value.date() if isinstance(value, datetime) else value
    grain = column.rpartition("__")[2]
    return DaySpan(start=period_start(day, grain), end=period_end(day, grain))


def _span_of(query: MetricQuery, answer: MetricAnswer) -> DaySpan | None:
    as_of = answer.provenance.as_of
    if query.time_range is not None and (as_of is not None or not query.time_range.is_relative):
        return query.time_range.span(as_of or date.min)
    covered = [
        (item.covers_from, item.covers_to)
        for item in answer.provenance.metrics
        if item.covers_from is not None and item.covers_to is not None
    ]
    if not covered:
        return None
    return DaySpan(start=min(first for first, _ in covered), end=max(last for _, last in covered))


def _filters_of(query: MetricQuery) -> dict[str, frozenset[str]]:
    return {
        item.dimension: frozenset(str(value).lower() for value in item.values)
        for item in query.filters
        if isinstance(item, Filter) and item.operator in (Operator.EQUALS, Operator.IN)
    }
