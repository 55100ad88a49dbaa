"""A query whose names are all looked up, with what its reader may see of it: what a plan is made from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from semantic.engine import Operand
from semantic.filters import Operator
from semantic.generalisation import AtGrain
from semantic.metric import GRAINS, METRIC_TIME, Dimension, NamedDimension
from semantic.policy import Mask, Masking, Permit, RowRestriction
from semantic.time_range import DaySpan


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An operand compared with values that have the type of the operand."""

    operand: Operand
    operator: Operator
    values: tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Junction:
    """Conditions of which any or all must hold."""

    joined_by: Literal["AND", "OR"]
    parts: tuple["Condition", ...]


Condition = Comparison | Junction


@dataclass(frozen=True, kw_only=True)
class PreviousPeriod:
    """The span that values are set beside, and how far it lies back."""

    span: DaySpan
    unit: Literal["days", "months"]
    count: int


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """Everything that a plan and its parameters come from.

    `permits` hold for the metrics, and for those that rows are filtered by. `fixed` are the conditions of a saved query, as its
    definition writes them, and `fixed_dimensions` what they speak of. `dropped` are columns that were asked for and are left out;
    `counts` the metrics that count groups. `times` are the names that mean `time`, and `is_ranged_by_filter` says that a range of it
    can be nothing but a filter. With `values_only` the answer is the distinct values of the dimensions.
    """

    metrics: tuple[str, ...]
    permits: tuple[Permit, ...]
    group_by: tuple[NamedDimension, ...] = ()
    conditions: tuple[Condition, ...] = ()
    fixed: tuple[str, ...] = ()
    fixed_dimensions: tuple[NamedDimension, ...] = ()
    time: NamedDimension | None = None
    times: frozenset[str] = frozenset({METRIC_TIME})
    is_ranged_by_filter: bool = False
    span: DaySpan | None = None
    previous: PreviousPeriod | None = None
    order_by: tuple[tuple[str, bool], ...] = ()
    offset: int = 0
    dropped: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    values_only: bool = False

    def having(self, **changes: Any) -> "PlanRequest":
        """The same request with other values in some fields."""
        return replace(self, **changes)

    @property
    def rows(self) -> tuple[RowRestriction, ...]:
        """All row restrictions that hold for this query, each once."""
        return tuple(sorted({item for permit in self.permits for item in permit.rows}, key=str))

    @property
    def max_rows(self) -> int:
        return min(permit.max_rows for permit in self.permits)

    @property
    def smallest_group(self) -> int | None:
        """The number of rows below which a group is not told."""
        return max((item.smallest_group or 0 for item in self.permits), default=0) or None

    @property
    def by_time(self) -> Iterator[NamedDimension]:
        """What it is grouped by of the time that its range is of."""
        return (item for item in self.group_by if item.dimension.name in self.times)

    @property
    def span_grain(self) -> str | None:
        """The coarsest grain of its time by which the query is grouped, where the time range holds whole periods of it."""
        if self.span is None or self.time is None:
            return None
        named = list(self.by_time)
        grains = {str(item.grain) for item in (self.time, *named)}
        if any(not item.is_date for item in named) or not grains <= set(GRAINS):
            return None
        if self.is_ranged_by_filter or {"week"} < grains - {"day"}:
            return None
        spans = [self.span, *([self.previous.span] if self.previous else [])]
        if not all(span.is_aligned(grain) for grain in grains for span in spans):
            return None
        return max(grains, key=GRAINS.index)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every comparison, in the order in which they are written."""
        return tuple(_comparisons(self.conditions))

    @property
    def named(self) -> Iterator[NamedDimension]:
        """Every dimension that the query names, also within metric filters, and the time that its range is of."""
        yield from self.group_by
        for item in self.comparisons:
            if isinstance(item.operand, NamedDimension):
                yield item.operand
            else:
                yield from item.operand.by
        yield from self.fixed_dimensions
        if self.span and self.time:
            yield self.time

    @property
    def masked(self) -> Iterator[tuple[NamedDimension, Masking]]:
        """What the answer is grouped by in another form than the data has it."""
        for named in self.group_by:
            mask = self.mask_of(named.dimension)
            if mask is not None and not isinstance(mask, AtGrain):
                yield named, mask

    @property
    def has_pseudonyms(self) -> bool:
        """Whether the answer is grouped by pseudonyms."""
        return any(self.mask_of(named.dimension) is Mask.HASH for named in self.group_by)

    def mask_of(self, dimension: Dimension) -> Masking | None:
        """What is done to a dimension. Where two metrics mask it in two ways, it is dropped."""
        found = {mask for permit in self.permits if (mask := permit.mask_of(dimension))}
        return found.pop() if len(found) == 1 else Mask.DROP if found else None


def _comparisons(conditions: Iterable[Condition]) -> Iterator[Comparison]:
    for item in conditions:
        if isinstance(item, Junction):
            yield from _comparisons(item.parts)
        else:
            yield item
