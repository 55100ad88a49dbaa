"""The rows of a read that a text may speak of."""

from agent_resources.grounding.evidence import Row, Table
from agent_resources.grounding.statement import LabelMention, Scope
from semantic.time_range import DaySpan


def rows_in(table: Table, scope: Scope) -> list[Row]:
    """The rows of a read within a scope. None where the read is of more than the scope names, and does not tell it apart."""
    return [
        row
        for row in table.rows
        if _has_labels(table, row, scope.labels) and _is_of_days(table, row, scope.days)
    ]


def _has_labels(table: Table, row: Row, mentions: tuple[LabelMention, ...]) -> bool:
    groups: dict[frozenset[str], set[str]] = {}
    for item in mentions:
        groups.setdefault(item.dimensions, set()).update(item.values)
    return all(_is_one_of(table, row, dimensions, values) for dimensions, values in groups.items())


def _is_one_of(table: Table, row: Row, dimensions: frozenset[str], values: set[str]) -> bool:
    """Whether a row is of these values. One of a read that tells other names of the same things apart may be."""
    told = table.dimensions | table.filters.keys()
    if not told & dimensions:
        return bool({_root(name) for name in told} & {_root(name) for name in dimensions})
    return any(
        row.labels.get(name) in values
        or (name not in row.labels and name in table.filters and table.filters[name] <= values)
        for name in dimensions
    )


def _root(dimension: str) -> str:
    return dimension.partition("__")[0]


def _is_of_days(table: Table, row: Row, days: tuple[DaySpan, ...]) -> bool:
    if not days or row.is_previous or row.period is None:
        return True
    if any(_contains(span, row.period) for span in days):
        return True
    return not table.has_periods and _contains(_hull(days), row.period)


def _contains(outer: DaySpan, inner: DaySpan) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _hull(days: tuple[DaySpan, ...]) -> DaySpan:
    return DaySpan(start=min(day.start for day in days), end=max(day.end for day in days))
