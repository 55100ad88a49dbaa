"""What the door needs from a semantic layer: legal names, and one SELECT per shape of query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from semantic.generalisation import Band, FirstCharacters
from semantic.metric import Dimension, NamedDimension


@dataclass(frozen=True, kw_only=True)
class NamedMetric:
    """A metric by whose value rows are kept: that of the group of `by` to which a row belongs."""

    metric: str
    by: tuple[NamedDimension, ...]


Operand = NamedDimension | NamedMetric


@dataclass(frozen=True, kw_only=True)
class ConditionText:
    """A condition with its values already turned into named parameters: `{0} = $p0 OR {1} > $p1`, where `{0}` is the first of
    `operands`. One without operands is text from a definition, and stays as it is.
    """

    template: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True, kw_only=True)
class SpanCondition:
    """Only what lies in a range of days counts: those of `time` from one parameter to the other, both included.

    `aligned_to` is the grain whose whole periods the range holds, and so does every time by which the query is grouped; None where
    that is not so.
    """

    time: NamedDimension
    start: str
    end: str
    aligned_to: str | None


@dataclass(frozen=True, kw_only=True)
class CompileRequest:
    """Metrics, dimensions and conditions. All names come from the catalogue, never from a reader.

    `generalised` are those of `group_by` that are grouped by a coarser value.
    """

    metrics: tuple[str, ...]
    group_by: tuple[NamedDimension, ...]
    conditions: tuple[ConditionText, ...] = ()
    span: SpanCondition | None = None
    generalised: tuple[tuple[NamedDimension, FirstCharacters | Band], ...] = ()


class MetricEngine(Protocol):
    """Turns metrics into SQL. `semantic.engines.metricflow` is the embedded one."""

    def dimensions(self, metrics: Sequence[str]) -> Mapping[str, Dimension]:
        """By name, what all of these metrics together can be grouped and filtered by."""
        ...

    def compile(self, request: CompileRequest) -> str:
        """One SELECT with a column per group-by name and metric. Raises `MetricCompileError`."""
        ...
