"""One who calls at the door from outside, and what each call answers. What is refused is on record, whatever was called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from agent_resources.mcp_server.arguments import (
    Arguments,
    DescribeMetric,
    DimensionValues,
    ListMetrics,
    ListSavedQueries,
)
from agent_resources.mcp_server.pages import page_of
from agent_resources.mcp_server.results import Result, told
from agent_resources.metric_views import metric_line, metric_view, unavailable
from semantic.answer import Reason, Refusal
from semantic.catalog_text import shown
from semantic.errors import did_you_mean
from semantic.governed_metrics import GovernedMetrics, MetricDescription, ReadSession
from semantic.ledger import Erasable, RecordKind
from semantic.metric import Metric
from semantic.policy import Permit
from semantic.recordable import recordable
from semantic.saved_query import SavedQuery
from semantic.snapshot_record import State

MOST_ROWS = 10_000
ROWS = 500
_LONGEST_RECORDED = 10_000
_LONGEST_DESCRIPTION = 300
_TOLD_ERROR = 200


class Caller:
    """A reader at the door, for one call. `session` is where its reads happen."""

    def __init__(self, door: GovernedMetrics, session: ReadSession) -> None:
        self.door = door
        self.session = session
        self._calls: Mapping[str, Callable[[Mapping[str, Any]], Result]] = {
            "list_metrics": self.list_metrics,
            "describe_metric": self.describe_metric,
            "dimension_values": self.dimension_values,
            "query_metrics": self.query_metrics,
            "explain_query": self.explain_query,
            "list_saved_queries": self.list_saved_queries,
        }

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Result:
        """What a tool answers. Raises `LedgerUnavailable` where a refusal cannot be put on record."""
        act = self._calls.get(tool)
        if act is None:
            hint = did_you_mean(tool[:_TOLD_ERROR], self._calls)
            return self.refuse(
                tool,
                arguments,
                Refusal(
                    reason=Reason.INVALID_QUERY,
                    message=f"There is no tool {tool[:_TOLD_ERROR]!r}",
                    hint=hint or f"tools: {', '.join(self._calls)}",
                ),
            )
        try:
            return act(arguments)
        except ValidationError as error:
            return self.refuse(tool, arguments, _invalid(error))

    def list_metrics(self, arguments: Mapping[str, Any]) -> Result:
        asked = ListMetrics.model_validate(arguments)
        words = (asked.search or "").casefold().split()
        found = [item for item in self.readable if _holds(item, words)]
        page, after = page_of(found, asked.after)
        return Result(structured={"metrics": [metric_line(item) for item in page], "next": after})

    def describe_metric(self, arguments: Mapping[str, Any]) -> Result:
        asked = DescribeMetric.model_validate(arguments)
        found = self.describe(asked.name)
        if found is None:
            refusal = unavailable(asked.name, self.door, self.session.reader)
            return self.refuse(
                "describe_metric",
                arguments,
                Refusal(
                    reason=Reason.NOT_AVAILABLE, message=refusal["message"], hint=refusal["hint"]
                ),
            )
        return Result(structured=self.view(found))

    def list_saved_queries(self, arguments: Mapping[str, Any]) -> Result:
        asked = ListSavedQueries.model_validate(arguments)
        page, after = page_of(self.saved_queries, asked.after)
        return Result(structured={"saved_queries": [_line(item) for item in page], "next": after})

    def dimension_values(self, arguments: Mapping[str, Any]) -> Result:
        # The door takes more forms of a time range than a model is told of, and says what it does not take.
        asked = DimensionValues.model_validate({**arguments, "time_range": None})
        answered = self.session.dimension_values(
            asked.dimension,
            asked.metrics,
            contains=asked.contains,
            time_range=arguments.get("time_range"),
            limit=_rows(asked.limit),
        )
        return told(answered)

    def query_metrics(self, arguments: Mapping[str, Any]) -> Result:
        offset = arguments.get("offset")
        answered = self.session.query(self._limited(arguments))
        return told(answered, offset=offset if isinstance(offset, int) else 0)

    def explain_query(self, arguments: Mapping[str, Any]) -> Result:
        return told(self.session.explain(self._limited(arguments)))

    @property
    def readable(self) -> tuple[Metric, ...]:
        """The metrics that the caller may read, by name."""
        return self.door.readable_metrics(self.session.reader)

    @property
    def saved_queries(self) -> tuple[SavedQuery, ...]:
        return self.door.saved_queries(self.session.reader)

    def describe(self, metric: str) -> MetricDescription | None:
        return self.door.describe(self.session.reader, metric)

    def version(self, metric: str) -> str | None:
        """The version of a metric's data as the caller sees it; None where that was never measured. Raises `SnapshotUnavailable`."""
        found = self.door.catalog.metrics[metric]
        permit = self.door.policy.decide(self.session.reader, found)
        snapshot = self.session.snapshot
        state = snapshot.metrics.get(metric)
        if not isinstance(permit, Permit) or state is None:
            return None
        if not permit.rows:
            return state.data_version or None
        as_read = snapshot.as_read.get(permit.rows_key, {}).get(metric)
        return as_read.data_version if as_read else None

    def view(self, described: MetricDescription) -> dict[str, Any]:
        """A metric with what is published of it now. Raises `SnapshotUnavailable`."""
        metric, snapshot = described.metric, self.session.snapshot
        state = snapshot.metrics.get(metric.name)
        is_readable = state is not None and state.state is State.PASSING
        return {
            **metric_view(described),
            "owner": metric.owner,
            "definition_hash": metric.definition_hash,
            "data_version": self.version(metric.name),
            "data_until": state.last_day.isoformat() if state and state.last_day else None,
            "published_at": snapshot.published([metric.name]).isoformat(),
            "is_readable": is_readable,
            "why_not": None if is_readable else state.reason if state else "not published",
        }

    def refuse(self, tool: str, arguments: object, refusal: Refusal) -> Result:
        """Puts a refusal that is none of a read on record. Raises `LedgerUnavailable`."""
        written = recordable(repr(arguments))[:_LONGEST_RECORDED]
        record_id = self.session.record(
            RecordKind.TOOL_CALL,
            {"tool": Erasable(recordable(tool)[:_TOLD_ERROR]), "arguments": Erasable(written)},
            reason=refusal.reason.value,
        )
        return told(Refusal(**{**asdict(refusal), "read_id": record_id}))

    def _limited(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What is asked with a number of rows that can be sent. What is no number is left for the door to refuse."""
        limit = arguments.get("limit")
        is_number = isinstance(limit, int) and not isinstance(limit, bool)
        given = {key: value for key, value in arguments.items() if value is not None}
        return {**given, "limit": _rows(limit)} if limit is None or is_number else given


def _rows(limit: int | None) -> int:
    return ROWS if limit is None else min(limit, MOST_ROWS)


def _holds(metric: Metric, words: Sequence[str]) -> bool:
    texts = (metric.name, metric.label, metric.description, *metric.synonyms)
    text = " ".join(texts).casefold()
    return all(word in text for word in words)


def _line(saved: SavedQuery) -> dict[str, Any]:
    return {
        "name": saved.name,
        "label": shown(saved.label, 100),
        "description": shown(saved.description, _LONGEST_DESCRIPTION),
        "metrics": list(saved.metrics),
        "group_by": list(saved.group_by),
    }


def _invalid(error: ValidationError) -> Refusal:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part)[:_TOLD_ERROR] for part in first["loc"])
    model = error.title
    fields = next(
        (list(it.model_fields) for it in Arguments.__subclasses__() if it.__name__ == model), []
    )
    return Refusal(
        reason=Reason.INVALID_QUERY,
        message=f"{place}: {first['msg']}",
        hint=f"arguments: {', '.join(fields)}" if fields else None,
    )
