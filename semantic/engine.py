"""What the door needs from a semantic layer: legal names, and one SELECT per shape of query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from semantic.metric import Dimension


@dataclass(frozen=True, kw_only=True)
class FilterText:
    """A filter with its values already turned into named parameters: `{name} = $p0`, where `{name}` is `name`."""

    dimension: Dimension
    grain: str | None
    template: str


@dataclass(frozen=True, kw_only=True)
class CompileRequest:
    """Metrics, group-by names with their grain, and filters. All names come from the catalogue, never from a reader."""

    metrics: tuple[str, ...]
    group_by: tuple[str, ...]
    filters: tuple[FilterText, ...] = ()


class MetricEngine(Protocol):
    """Turns metrics into SQL. `semantic.engines.metricflow` is the embedded one."""

    def dimensions(self, metrics: Sequence[str]) -> Mapping[str, Dimension]:
        """By name, what all of these metrics together can be grouped and filtered by."""
        ...

    def compile(self, request: CompileRequest) -> str:
        """One SELECT with a column per group-by name and metric. Raises `MetricCompileError`."""
        ...
