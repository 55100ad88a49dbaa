"""How a reader narrows a query: typed comparisons, joined by and and or. There is no field that takes SQL.

{"dimension": "carrier", "operator": "in", "values": ["UA", "DL"]}
{"metric": "flights", "by": ["destination"], "operator": ">", "values": 100}
{"any_of": [{"dimension": "carrier", "values": "UA"}, {"dimension": "origin", "values": "JFK"}]}
"""

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Self, Union

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)

from semantic.asked import (
    MAX_FILTER_DEPTH,
    MAX_FILTERS,
    MAX_GROUP_BY,
    MAX_TEXT,
    MAX_VALUES,
    Asked,
    Name,
    as_list,
    plain_text,
)
from semantic.canonical import exact_value


class Operator(StrEnum):
    """How a comparison compares."""

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


NO_VALUE = frozenset({Operator.IS_NULL, Operator.IS_NOT_NULL})
TEXT_ONLY = frozenset({Operator.STARTS_WITH, Operator.CONTAINS})
SEVERAL_VALUES = frozenset({Operator.IN, Operator.NOT_IN})


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
            return plain_text(value)
    raise ValueError("is neither a text, a number, a truth value nor a date")


Value = Annotated[
    StrictBool
    | StrictInt
    | StrictFloat
    | Annotated[datetime, Field(strict=True)]
    | Annotated[date, Field(strict=True)]
    | StrictStr,
    BeforeValidator(_one_value),
]


class _Comparison(Asked):
    operator: Operator = Operator.EQUALS
    values: Annotated[
        tuple[Value, ...], BeforeValidator(as_list), Field(max_length=MAX_VALUES)
    ] = ()

    @model_validator(mode="after")
    def _values_fit_operator(self) -> Self:
        count = len(self.values)
        if self.operator in NO_VALUE and count:
            raise ValueError(f"operator '{self.operator}' takes no value, {count} given")
        if self.operator is Operator.BETWEEN and count != 2:
            raise ValueError(f"operator 'between' takes a lower and an upper value, {count} given")
        if self.operator in SEVERAL_VALUES and not count:
            raise ValueError(f"operator '{self.operator}' takes at least one value")
        single = self.operator not in NO_VALUE | SEVERAL_VALUES | {Operator.BETWEEN}
        if single and count != 1:
            raise ValueError(f"operator '{self.operator}' takes one value, {count} given")
        if self.operator in TEXT_ONLY and not isinstance(self.values[0], str):
            raise ValueError(f"operator '{self.operator}' takes a text")
        return self

    def _canonical_comparison(self) -> dict[str, object]:
        return {
            "operator": self.operator.value,
            "values": [exact_value(value) for value in self.values],
        }


class Filter(_Comparison):
    """Keep the rows whose `dimension` compares with `values` as `operator` says.

    `dimension` is a group-by name of the metrics; a time dimension carries its grain or date part: `metric_time__month`,
    `metric_time__extract_dow`. Values travel as bound parameters only.
    """

    dimension: Name

    def canonical(self) -> dict[str, object]:
        return {"dimension": self.dimension, **self._canonical_comparison()}


class MetricFilter(_Comparison):
    """Keep the rows that belong to groups in which `metric` compares with `values`: the destinations with over 100 flights.

    `by` are the dimensions that make the groups. The reader must be granted this metric like any other.
    """

    metric: Name
    by: Annotated[
        tuple[Name, ...], BeforeValidator(as_list), Field(min_length=1, max_length=MAX_GROUP_BY)
    ]

    @model_validator(mode="after")
    def _compares_a_number(self) -> Self:
        if any(
            isinstance(value, bool) or not isinstance(value, int | float) for value in self.values
        ):
            raise ValueError("a metric is compared with numbers")
        return self

    def canonical(self) -> dict[str, object]:
        return {"metric": self.metric, "by": list(self.by), **self._canonical_comparison()}


class AnyOf(Asked):
    """Keep the rows for which at least one of these holds."""

    any_of: Annotated[tuple["Condition", ...], BeforeValidator(as_list), Field(min_length=1)]

    def canonical(self) -> dict[str, object]:
        return {"any_of": [item.canonical() for item in self.any_of]}


class AllOf(Asked):
    """Keep the rows for which all of these hold."""

    all_of: Annotated[tuple["Condition", ...], BeforeValidator(as_list), Field(min_length=1)]

    def canonical(self) -> dict[str, object]:
        return {"all_of": [item.canonical() for item in self.all_of]}


_KINDS: Mapping[str, type[Asked]] = {"any_of": AnyOf, "all_of": AllOf, "metric": MetricFilter}


def _kind_of(value: object) -> str:
    """The kind of a condition, from the first field that only this kind has."""
    for name, kind in _KINDS.items():
        if isinstance(value, kind) or (isinstance(value, Mapping) and name in value):
            return name
    return "dimension"


Condition = Annotated[
    Union[  # noqa: UP007 - names of classes that are not yet defined
        Annotated[Filter, Tag("dimension")],
        Annotated[MetricFilter, Tag("metric")],
        Annotated[AnyOf, Tag("any_of")],
        Annotated[AllOf, Tag("all_of")],
    ],
    Discriminator(_kind_of),
]


def _refuse_depth(value: object) -> object:
    """Refuses what is nested too deeply before anything walks down into it."""
    level: list[object] = list(value) if isinstance(value, list | tuple) else [value]
    for _ in range(MAX_FILTER_DEPTH):
        inner: list[object] = []
        for item in level:
            if isinstance(item, AnyOf | AllOf):
                inner += item.any_of if isinstance(item, AnyOf) else item.all_of
            elif isinstance(item, Mapping):
                for name in ("any_of", "all_of"):
                    found = item.get(name, ())
                    inner += found if isinstance(found, list | tuple) else [found]
        if not inner:
            return value
        level = inner
    raise ValueError(f"any_of and all_of are nested deeper than {MAX_FILTER_DEPTH - 1} levels")


Conditions = Annotated[
    tuple[Condition, ...],
    BeforeValidator(_refuse_depth),
    BeforeValidator(as_list),
    Field(max_length=MAX_FILTERS),
]


def comparisons(conditions: tuple[Any, ...]) -> Iterator[Filter | MetricFilter]:
    """Every comparison in these conditions, in the order in which they are written."""
    for item in conditions:
        match item:
            case AnyOf():
                yield from comparisons(item.any_of)
            case AllOf():
                yield from comparisons(item.all_of)
            case _:
                yield item


AnyOf.model_rebuild()
AllOf.model_rebuild()
