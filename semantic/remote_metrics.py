"""Governed reading through a server, for programs that have neither the warehouse nor the record: the tasks of another orchestrator, or of a team that
is not trusted with them.

    with RemoteMetrics("https://metrics.example.com/mcp", token) as metrics:
        answer = metrics.query({"metrics": "flights", "group_by": "carrier"})

Needs httpx and pydantic, and nothing else of this project's dependencies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from semantic.answer import Explanation, MetricAnswer, Refusal
from semantic.metrics_server import MetricsServer
from semantic.query import MetricQuery
from semantic.told_answer import told_answer, told_explanation, told_refusal

ToldT = TypeVar("ToldT")


class RemoteMetrics:
    """The metrics that a server gives to whom a token makes known. Safe for threads.

    `url` is what `governed-agents serve` says it listens on. `token` is one of `governed-agents tokens mint` or of an issuer that the server takes,
    or a function that gives the one of now. A call that takes longer than `seconds` is given up. Every method raises `NotAdmitted` where the token
    does not do, and `ServerUnavailable` where no answer comes; nothing that may have been read is asked again.
    """

    def __init__(self, url: str, token: str | Callable[[], str], *, seconds: float = 60.0) -> None:
        self._server = MetricsServer(url, token, seconds=seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._server.close()

    def query(self, asked: MetricQuery | Mapping[str, Any]) -> MetricAnswer | Refusal:
        """The answer, every cell as it was read, or why there is none; on record at the server either way.

        With no `limit` 500 rows come, and 10,000 at most: `truncated` says that there are more, and `offset` asks for those.
        """
        return self._told("query_metrics", _written(asked), told_answer)

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
        asked = {
            "dimension": dimension,
            "metrics": [metrics] if isinstance(metrics, str) else list(metrics),
            "contains": contains,
            "time_range": time_range,
            "limit": limit,
        }
        return self._told("dimension_values", asked, told_answer)

    def explain(self, asked: MetricQuery | Mapping[str, Any]) -> Explanation | Refusal:
        """How the query would be answered, or why it would not. Reads no data."""
        return self._told("explain_query", _written(asked), told_explanation)

    def metrics(self, search: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Each metric that may be read, by name: `name`, `label`, `unit`, `description`. `search` keeps those that hold each of its words."""
        return self._each("list_metrics", "metrics", {"search": search})

    def saved_queries(self) -> Iterator[Mapping[str, Any]]:
        """Each saved query that may be asked, by name: `name`, `label`, `description`, `metrics`, `group_by`."""
        return self._each("list_saved_queries", "saved_queries", {})

    def describe(self, metric: str) -> Mapping[str, Any] | Refusal:
        """A metric with the names to group and filter it by and what is published of it now, as the server's `describe_metric` has it."""
        return self._told("describe_metric", {"name": metric}, dict)

    def _told(
        self, tool: str, asked: Mapping[str, Any], read: Callable[[Mapping[str, Any]], ToldT]
    ) -> ToldT | Refusal:
        told, is_refusal = self._server.call(tool, asked)
        try:
            return told_refusal(told) if is_refusal else read(told)
        except (ValueError, KeyError, TypeError) as error:
            raise self._server.not_understood(f"{tool} told something else") from error

    def _each(self, tool: str, name: str, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        after: str | None = None
        while True:
            page = self._told(tool, {**asked, "after": after}, dict)
            if isinstance(page, Refusal):
                raise self._server.not_understood(f"it refused {tool}: {page.message}")
            yield from page[name]
            after = page["next"]
            if after is None:
                return


def _written(asked: MetricQuery | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(asked, MetricQuery):
        return asked.model_dump(mode="json", exclude_none=True)
    return asked
