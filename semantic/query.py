"""What a reader can ask: metrics by name, with typed filters. There is no field that takes SQL."""

import hashlib
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from semantic.asked import (
    MAX_FILTERS,
    MAX_GROUP_BY,
    MAX_METRICS,
    MAX_ROWS,
    Asked,
    Name,
    as_list,
)
from semantic.canonical import canonical_json
from semantic.filters import Conditions, Filter, comparisons
from semantic.time_range import TimeRange


class CompareTo(StrEnum):
    """What the values of a query are set beside."""

    PREVIOUS_PERIOD = "previous_period"


def _as_order(value: object) -> object:
    """`"-flights"` and `"flights"` are understood as an order, descending and ascending."""
    if isinstance(value, str):
        return {"by": value.removeprefix("-"), "descending": value.startswith("-")}
    return value


class OrderBy(Asked):
    """Sort by a metric or a group-by name of the query."""

    by: Name
    descending: bool = False


class MetricQuery(Asked):
    """Metrics by name, grouped, filtered, ordered and limited; or a saved query by name, narrowed further.

    Rows come back as one row per group, one column per name in `group_by` and then one per metric. Filters hold all together.
    `compare_to` adds a column `<metric>__previous` with the value of the same number of days, or of whole months, just before
    `time_range`. With no `limit` the reader's own row cap holds, and the answer says when it cut.
    """

    metrics: Annotated[
        tuple[Name, ...], BeforeValidator(as_list), Field(max_length=MAX_METRICS)
    ] = ()
    saved_query: Name | None = None
    group_by: Annotated[
        tuple[Name, ...], BeforeValidator(as_list), Field(max_length=MAX_GROUP_BY)
    ] = ()
    filters: Conditions = ()
    time_range: TimeRange | None = None
    compare_to: CompareTo | None = None
    order_by: Annotated[
        tuple[Annotated[OrderBy, BeforeValidator(_as_order)], ...],
        BeforeValidator(as_list),
        Field(max_length=MAX_GROUP_BY + MAX_METRICS),
    ] = ()
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_ROWS)] | None = None
    offset: Annotated[int, Field(strict=True, ge=0, le=MAX_ROWS)] = 0

    @model_validator(mode="after")
    def _names_are_consistent(self) -> Self:
        if self.saved_query is not None:
            if self.metrics or self.group_by:
                raise ValueError("a saved_query has its own metrics and group_by")
            return self
        if not self.metrics:
            raise ValueError("metrics names nothing; name at least one metric, or a saved_query")
        for field, names in (("metrics", self.metrics), ("group_by", self.group_by)):
            if len(set(names)) != len(names):
                raise ValueError(f"{field} names something twice")
        columns = set(self.metrics) | set(self.group_by)
        for order in self.order_by:
            if order.by not in columns:
                raise ValueError(
                    f"order_by '{order.by}' is neither a metric nor a group-by name of this query"
                )
        return self

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if sum(1 for _ in comparisons(self.filters)) > MAX_FILTERS:
            raise ValueError(f"filters compare more than {MAX_FILTERS} times")
        if self.compare_to is not None and self.time_range is None:
            raise ValueError("compare_to needs a time_range")
        return self

    def canonical(self) -> dict[str, object]:
        """The query as plain JSON values without floats, the same for the same question."""
        plain: dict[str, object] = {
            "metrics": list(self.metrics),
            "group_by": list(self.group_by),
            "filters": [item.canonical() for item in self.filters],
            "time_range": self.time_range.canonical() if self.time_range else None,
            "order_by": [f"{'-' if order.descending else ''}{order.by}" for order in self.order_by],
            "limit": self.limit,
        }
        later = {
            "saved_query": self.saved_query,
            "compare_to": self.compare_to.value if self.compare_to else None,
            "offset": self.offset or None,
        }
        return plain | {name: value for name, value in later.items() if value is not None}

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that it names, as it names them."""
        found = dict.fromkeys(self.group_by)
        for item in comparisons(self.filters):
            found.update(dict.fromkeys([item.dimension] if isinstance(item, Filter) else item.by))
        return tuple(found)

    def digest(self) -> str:
        """SHA-256 of the canonical query, in hexadecimal."""
        return hashlib.sha256(canonical_json(self.canonical())).hexdigest()
