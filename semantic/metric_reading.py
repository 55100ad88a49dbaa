"""What a reader can do at the door, whether that is in this process or behind a server."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from semantic.answer import Explanation, MetricAnswer, Refusal
from semantic.query import MetricQuery


class MetricReading(Protocol):
    """Governed reads. `ReadSession` reads in this process, `RemoteMetrics` through a server; what is asked and what comes back are the same."""

    def query(self, asked: MetricQuery | Mapping[str, Any]) -> MetricAnswer | Refusal:
        """The answer, or why there is none; on record either way."""
        ...

    def dimension_values(
        self,
        dimension: str,
        metrics: Sequence[str] | str,
        *,
        contains: str | None = None,
        time_range: Mapping[str, Any] | str | None = None,
        limit: int | None = None,
    ) -> MetricAnswer | Refusal:
        """The values of a dimension that occur in the rows of some metrics which the reader sees, in order; on record like any read."""
        ...

    def explain(self, asked: MetricQuery | Mapping[str, Any]) -> Explanation | Refusal:
        """How the query would be answered, or why it would not. Reads no data."""
        ...
