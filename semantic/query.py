"""What a reader can ask: metrics by name, with typed filters. There is no field that takes SQL.

Strict in meaning, kind in form: a single string is taken where a list of one is meant, because that is how models write.
"""

import hashlib
import json
import math
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

MAX_METRICS = 20
MAX_GROUP_BY = 8
MAX_FILTERS = 20
MAX_VALUES = 500
MAX_TEXT = 1_000
MAX_ROWS = 100_000


class Operator(StrEnum):
    """How a filter compares a dimension with its values."""

    EQUALS = "="
    NOT_EQUALS = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    IN = "in"
    NOT_IN = "not_in"
    IS_NULL = "is_null"
    IS_NOT_NULL = "is_not_null"
    STARTS_WITH = "starts_with"
    CONTAINS = "contains"
    BETWEEN = "between"


_NO_VALUE = frozenset({Operator.IS_NULL, Operator.IS_NOT_NULL})
TEXT_ONLY = frozenset({Operator.STARTS_WITH, Operator.CONTAINS})


def _plain_text(value: str) -> str:
    for character in value:
        if ord(character) < 32 or 127 <= ord(character) < 160 or 0xD800 <= ord(character) < 0xE000:
            raise ValueError(f"holds the control character U+{ord(character):04X}")
    return value


def _one_value(value: object) -> object:
    """Says what is wrong in one sentence, where a union would say what each of its kinds wants."""
    match value:
        case None:
            raise ValueError("is null; use the operator 'is_null'")
        case bool() | date():
            return value
        case int() if not -(2**63) <= value < 2**63:
            raise ValueError("is a number beyond 64 bits")
        case float() if not math.isfinite(value):
            raise ValueError("is not a finite number")
        case str() if len(value) > MAX_TEXT:
            raise ValueError(f"has {len(value):,} characters, and {MAX_TEXT:,} are allowed")
        case int() | float():
            return value
        case str():
            return _plain_text(value)
    raise ValueError("is neither a text, a number, a truth value nor a date")


def _not_a_number(value: object) -> object:
    """Refuses a number, also as text: pydantic would take it for seconds since 1970."""
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value
    raise ValueError(f"{value!r} is not a day; write it as 2013-02-08")


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _as_order(value: object) -> object:
    """`"-flights"` and `"flights"` are understood as an order, descending and ascending."""
    if isinstance(value, str):
        return {"by": value.removeprefix("-"), "descending": value.startswith("-")}
    return value


Name = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=300),
    AfterValidator(_plain_text),
]
Day = Annotated[date, BeforeValidator(_not_a_number)]
Value = Annotated[
    StrictBool
    | StrictInt
    | StrictFloat
    | Annotated[datetime, Field(strict=True)]
    | Annotated[date, Field(strict=True)]
    | StrictStr,
    BeforeValidator(_one_value),
]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Filter(_Asked):
    """Keep the rows whose `dimension` compares with `values` as `operator` says.

    `dimension` is a group-by name of the metrics; a time dimension carries its grain: `metric_time__month`. Values travel
    as bound parameters only.
    """

    dimension: Name
    operator: Operator = Operator.EQUALS
    values: Annotated[
        tuple[Value, ...], BeforeValidator(_as_list), Field(max_length=MAX_VALUES)
    ] = ()

    @model_validator(mode="after")
    def _values_fit_operator(self) -> Self:
        count = len(self.values)
        if self.operator in _NO_VALUE and count:
            raise ValueError(f"operator '{self.operator}' takes no value, {count} given")
        if self.operator is Operator.BETWEEN and count != 2:
            raise ValueError(f"operator 'between' takes a lower and an upper value, {count} given")
        if self.operator in (Operator.IN, Operator.NOT_IN) and not count:
            raise ValueError(f"operator '{self.operator}' takes at least one value")
        single = self.operator not in _NO_VALUE | {Operator.BETWEEN, Operator.IN, Operator.NOT_IN}
        if single and count != 1:
            raise ValueError(f"operator '{self.operator}' takes one value, {count} given")
        if self.operator in TEXT_ONLY and not isinstance(self.values[0], str):
            raise ValueError(f"operator '{self.operator}' takes a text")
        return self


class TimeRange(_Asked):
    """The days from `start` to `end`, both included, of the metrics' own time."""

    start: Day
    end: Day

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        if self.start.year < 1900 or self.end.year > 2200:
            raise ValueError("lies outside the years 1900 to 2200")
        return self


class OrderBy(_Asked):
    """Sort by a metric or a group-by name of the query."""

    by: Name
    descending: bool = False


class MetricQuery(_Asked):
    """Metrics by name, grouped, filtered, ordered and limited.

    Rows come back as one row per group, one column per name in `group_by` and then one per metric. With no `limit` the
    reader's own row cap holds, and the answer says when it cut.
    """

    metrics: Annotated[
        tuple[Name, ...], BeforeValidator(_as_list), Field(min_length=1, max_length=MAX_METRICS)
    ]
    group_by: Annotated[
        tuple[Name, ...], BeforeValidator(_as_list), Field(max_length=MAX_GROUP_BY)
    ] = ()
    filters: Annotated[
        tuple[Filter, ...], BeforeValidator(_as_list), Field(max_length=MAX_FILTERS)
    ] = ()
    time_range: TimeRange | None = None
    order_by: Annotated[
        tuple[Annotated[OrderBy, BeforeValidator(_as_order)], ...],
        BeforeValidator(_as_list),
        Field(max_length=MAX_GROUP_BY + MAX_METRICS),
    ] = ()
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_ROWS)] | None = None

    @model_validator(mode="after")
    def _names_are_consistent(self) -> Self:
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

    def canonical(self) -> dict[str, object]:
        """The query as plain JSON values without floats, the same for the same question."""
        return {
            "metrics": list(self.metrics),
            "group_by": list(self.group_by),
            "filters": [
                {
                    "dimension": item.dimension,
                    "operator": item.operator.value,
                    "values": [_exact_value(value) for value in item.values],
                }
                for item in self.filters
            ],
            "time_range": [self.time_range.start.isoformat(), self.time_range.end.isoformat()]
            if self.time_range
            else None,
            "order_by": [f"{'-' if order.descending else ''}{order.by}" for order in self.order_by],
            "limit": self.limit,
        }

    def digest(self) -> str:
        """SHA-256 of the canonical query, in hexadecimal."""
        return hashlib.sha256(canonical_json(self.canonical())).hexdigest()


def _exact_value(value: object) -> str | int | bool | None:
    """A filter value as a JSON value that is never a float and keeps every digit, so that it can be asked again."""
    return repr(value) if isinstance(value, float) else canonical_value(value)


def canonical_value(value: object) -> str | int | bool | None:
    """A cell as a JSON value that is never a float.

    Floats keep nine significant digits: two runs of the same sum over DOUBLE differ in later ones.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return f"{value:.9g}" if value else "0"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    if isinstance(value, datetime):
        return value.isoformat().removesuffix("T00:00:00")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def canonical_json(value: object) -> bytes:
    """The one JSON encoding that is hashed and recorded: sorted keys, no spaces, UTF-8, no floats."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
