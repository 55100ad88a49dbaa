"""What a metric is: names, meaning and where it comes from. Frozen values, read from a dbt project's semantic manifest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

EXTRACT = "extract_"
METRIC_TIME = "metric_time"
GRAINS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
# Each with the coarsest grain of a time that has it.
DATE_PARTS = {
    "year": "year",
    "quarter": "quarter",
    "month": "month",
    "day": "day",
    "dow": "day",
    "doy": "day",
}
WITHIN_A_SECOND = ("nanosecond", "microsecond", "millisecond")


class MetricType(StrEnum):
    """The five kinds of metric that MetricFlow knows."""

    SIMPLE = "simple"
    RATIO = "ratio"
    DERIVED = "derived"
    CUMULATIVE = "cumulative"
    CONVERSION = "conversion"


class DimensionKind(StrEnum):
    """What a group-by name stands for."""

    CATEGORICAL = "categorical"
    TIME = "time"
    ENTITY = "entity"


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A name that a metric can be grouped and filtered by.

    `name` is the group-by name, entity path included and grain excluded: `carrier__airline_name`, `metric_time`.
    `grains` and `date_parts` are empty unless the dimension is a time; `custom_grains` are those of `grains` that the
    project's time spine declares. `models` are the semantic models whose element it is. `pii` is declared in dbt, on the dimension or on its column.
    """

    name: str
    kind: DimensionKind
    grains: tuple[str, ...] = ()
    custom_grains: frozenset[str] = frozenset()
    date_parts: tuple[str, ...] = ()
    description: str = ""
    pii: bool = False
    models: tuple[str, ...] = ()

    @property
    def element(self) -> str:
        """Its name in the semantic models."""
        return self.name.rpartition("__")[2]

    @property
    def written(self) -> tuple[str, ...]:
        """Every name by which a query can mean it: a time with a grain, or with a part of the date."""
        grains = [NamedDimension(dimension=self, grain=grain) for grain in self.grains]
        parts = [NamedDimension(dimension=self, date_part=part) for part in self.date_parts]
        return tuple(named.column for named in (*grains, *parts)) or (self.name,)

    @property
    def day_grain(self) -> str | None:
        """What its name means without a grain: its days, or its own grain where that is coarser. None where it is no time."""
        return "day" if "day" in self.grains else self.grains[0] if self.grains else None


@dataclass(frozen=True, kw_only=True)
class NamedDimension:
    """A dimension as a query names it: a time with its grain, or with the part of the date that is meant."""

    dimension: Dimension
    grain: str | None = None
    date_part: str | None = None

    @property
    def column(self) -> str:
        """The name of its column in the answer, and in the SQL that an engine compiles."""
        if self.date_part:
            return f"{self.dimension.name}__{EXTRACT}{self.date_part}"
        return f"{self.dimension.name}__{self.grain}" if self.grain else self.dimension.name

    @property
    def is_date(self) -> bool:
        """Whether its values are days or moments: a time, at a grain of the calendar."""
        return self.grain is not None and self.grain not in self.dimension.custom_grains

    def is_finer(self, grain: str) -> bool:
        """Whether it tells more of a time than its `grain`. What is no grain of the calendar, such as the day of the week, does."""
        own = self.date_part or self.grain
        return own not in GRAINS or GRAINS.index(own) < GRAINS.index(grain)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The rows that count as the value of a metric: its total, and by day over the last `days` days of data, overall and
    by each of `dimensions`. Its data version is the hash of just these rows.
    """

    days: int = 35
    dimensions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far around a day the data lies that makes up a metric's value of that day. None is without bound."""

    before: timedelta | None = timedelta(0)
    after: timedelta | None = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Element:
    """A dimension or entity of a semantic model: its name there and the SQL expression over the model's relation.

    `is_key` says that it is an entity by which other models join this one.
    """

    name: str
    kind: DimensionKind
    expression: str
    description: str = ""
    pii: bool = False
    is_key: bool = False


@dataclass(frozen=True, kw_only=True)
class SemanticModel:
    """A dbt semantic model: the relation it reads, the dbt model that builds it, and its elements.

    `primary_entities` are the names by which its own dimensions are reached, also one that is no element.
    """

    name: str
    relation: str
    dbt_model: str | None
    elements: Mapping[str, Element]
    has_measures: bool
    time_expression: str | None = None
    primary_entities: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A governed metric.

    `semantic_models` are the ones whose rows it counts; `dbt_models` are the unique ids of the dbt models that build
    them; `inputs` are the metrics it is made of. `definition_hash` changes when its meaning does, not when its
    description does. `filtered_by` names the dimensions and metrics that its own filters speak of, also those of its inputs.
    `columns` are the columns of dbt models that its measures are made of, as far as dbt knows them: (unique id, column).
    `expressions` are the SQL expressions over dbt models by which it is measured, filtered and placed in time: (unique id, expression).
    `count_metric` counts what makes up a group of it, where small groups must not be told.
    `period_value` says which value a cumulative metric has in a period that is coarser than its own time: first, last or average.
    `time_names` are the own group-by names of the times that `metric_time` stands for, `common_time_names` those that mean the time of all
    its measures.
    `is_ranged_by_filter` is set where MetricFlow's own time range gives something else than a filter on its time.
    `needs_time` is set where it has a value per period only, `accumulates` where it adds up all that was before: then it has no total
    over some days. `has_numbers` is False where its values are known to be none, as the newest of some days. `fresh_within` is the age after which its answers say that
    they are stale.
    """

    name: str
    type: MetricType
    label: str
    description: str
    owner: str | None
    tier: str | None
    group: str | None = None
    count_metric: str | None = None
    unit: str | None
    synonyms: tuple[str, ...]
    tags: tuple[str, ...]
    scope: Scope
    semantic_models: tuple[str, ...]
    dbt_models: tuple[str, ...]
    inputs: tuple[str, ...]
    filtered_by: tuple[str, ...]
    columns: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str], ...] = ()
    reach: Reach
    time_names: frozenset[str] = frozenset()
    common_time_names: frozenset[str] = frozenset()
    is_ranged_by_filter: bool = False
    needs_time: bool
    accumulates: bool = False
    period_value: str | None = None
    has_numbers: bool = True
    fresh_within: timedelta | None
    definition_hash: str
    meta: Mapping[str, object] = field(default_factory=dict, hash=False, compare=False)

    def also_called(self, dimension: str) -> frozenset[str]:
        """Every name by which this metric has a dimension: its time is `metric_time`, and has a name of its own."""
        if dimension == METRIC_TIME:
            return self.time_names | {METRIC_TIME}
        return frozenset({dimension, METRIC_TIME} if dimension in self.time_names else {dimension})


def times_of(metrics: Iterable[Metric]) -> frozenset[str]:
    """The names that mean the time of all these metrics."""
    common = [item.common_time_names for item in metrics]
    return frozenset.intersection(*common) | {METRIC_TIME}
