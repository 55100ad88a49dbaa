"""The only tools that carry data to a model: list metrics, describe a metric, query metrics.

A refusal is a result like any other: it says what was refused and what the model may do instead. Cells are data, and travel as
JSON values; nothing that is read becomes an instruction.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.toolsets import FunctionToolset

from agent_resources.agent_run import ReadOfRun
from agent_resources.because import Told
from agent_resources.metric_views import answer_view, metric_line, metric_view, unavailable
from agent_resources.run_journal import RunJournal
from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.answer_json import answer_from_json, answer_to_json
from semantic.governed_metrics import GovernedMetrics, ReadSession
from semantic.ledger import Erasable, RecordKind
from semantic.recordable import recordable
from semantic.told_values import ToldValues

LIST_METRICS = "list_metrics"
DESCRIBE_METRIC = "describe_metric"
QUERY_METRICS = "query_metrics"
_LONGEST_CALL_ID = 100
_LONGEST_NAME = 300


# What answers a query that is made by a call, and what tells values that were measured.
Ask = Callable[[Mapping[str, Any], str], MetricAnswer | Refusal]
Tell = Callable[[Told, str], MetricAnswer | Refusal]


class MetricReader:
    """The reads of one agent run: what the tools act on. Safe for tools that run in parallel.

    `on_read` is called with each read before the model is told of it. `ask` answers a query that an earlier try of the run has not made, and `tell`
    what it is told of why it runs; the session does unless another is given.
    """

    def __init__(
        self,
        metrics: GovernedMetrics,
        session: ReadSession,
        *,
        journal: RunJournal,
        max_rows: int,
        on_read: Callable[[ReadOfRun], None] = lambda _: None,
        ask: Ask | None = None,
        tell: Tell | None = None,
    ) -> None:
        self._ask = ask or self._ask_session
        self._tell = tell or self._tell_session
        self._metrics = metrics
        self._journal = journal
        self._session = session
        self._max_rows = max_rows
        self._on_read = on_read
        self._reads: list[ReadOfRun] = []
        self._described: set[str] = set()
        self._lock = threading.Lock()
        self._nothing_is_read = threading.Condition(self._lock)
        self._under_way = 0

    @property
    def reads(self) -> tuple[ReadOfRun, ...]:
        with self._lock:
            return tuple(self._reads)

    @property
    def described(self) -> frozenset[str]:
        """The metrics that were described to the model."""
        with self._lock:
            return frozenset(self._described)

    def list_metrics(self) -> list[dict[str, Any]]:
        readable = self._metrics.readable_metrics(self._session.reader)
        return [metric_line(item) for item in readable]

    def describe_metric(self, name: str, call: str) -> dict[str, Any]:
        """A metric and the names to group it by, or a refusal, which is on record. `call` names the call within its run."""
        found = self._metrics.describe(self._session.reader, name)
        if found is None:
            written = recordable(name)
            self._session.record(
                RecordKind.TOOL_CALL,
                {"tool": DESCRIBE_METRIC, "arguments": Erasable(written[:_LONGEST_NAME])},
                record_id=self._journal.record_id("describe", call, written),
                reason="not_available",
            )
            return unavailable(name, self._metrics, self._session.reader)
        with self._lock:
            self._described.add(found.metric.name)
        return metric_view(found)

    def query_metrics(self, asked: Mapping[str, Any], call: str) -> dict[str, Any]:
        """An answer or a refusal, as the model is told. `call` names the call within its run: one that an earlier try of the run has made is not
        made again.
        """
        limited = dict(asked)
        limit = limited.get("limit")
        if limit is None or (isinstance(limit, int) and limit > self._max_rows):
            limited["limit"] = self._max_rows
        return answer_view(self._read(limited, call, lambda: self._ask(limited, call)))

    def tell(self, told: Told, call: str) -> MetricAnswer | Refusal:
        """What a snapshot was measured to have, as a read of this run."""
        return self._read(told.query, call, lambda: self._tell(told, call))

    def _read(
        self,
        asked: Mapping[str, Any],
        call: str,
        answered: Callable[[], MetricAnswer | Refusal],
    ) -> MetricAnswer | Refusal:
        fingerprint = fingerprint_of(asked)
        with self._reading():
            kept = self._kept(call, fingerprint)
            result = kept
            if result is None:
                result = answered()
            read = ReadOfRun(asked=asked, result=result)
            with self._lock:
                self._reads.append(read)
                self._on_read(read)
            if kept is None and result.read_id is not None and not _is_cancelled(result):
                self._journal.keep(f"read {call}", fingerprint, answer_to_json(result))
        return result

    def _tell_session(self, told: Told, call: str) -> MetricAnswer | Refusal:
        values = ToldValues.of_texts(
            told.query, told.snapshot, told.published_at, told.versions, told.rows
        )
        return self._session.tell(values, call_id=f"{self._journal.attempt} {call}")

    def _ask_session(self, asked: Mapping[str, Any], call: str) -> MetricAnswer | Refusal:
        return self._session.query(asked, call_id=f"{self._journal.attempt} {call}")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                self._nothing_is_read.notify_all()

    def stop(self) -> None:
        """Stops what is still being read: nobody waits for the answer any more."""
        self._session.cancel()

    def wait(self) -> None:
        """Returns when nothing is being read, and how each read ended is on record."""
        with self._nothing_is_read:
            self._nothing_is_read.wait_for(lambda: not self._under_way)

    def _kept(self, call: str, fingerprint: str) -> MetricAnswer | Refusal | None:
        """What an earlier try of the run was answered, as far as the record says the same."""
        written = self._journal.found(f"read {call}", fingerprint)
        kept = answer_from_json(written) if written is not None else None
        return kept if kept is not None and self._session.is_on_record(kept) else None


def fingerprint_of(asked: Mapping[str, Any]) -> str:
    """The digest of what is asked, as the journal knows it."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _is_cancelled(result: MetricAnswer | Refusal) -> bool:
    """Whether the model never hears of it: another try of the run asks again."""
    return isinstance(result, Refusal) and result.reason is Reason.CANCELLED


def build_metric_toolset() -> FunctionToolset[MetricReader]:
    """The three tools, over the `MetricReader` that a run has as its dependencies."""
    toolset: FunctionToolset[MetricReader] = FunctionToolset(max_retries=3)

    def list_metrics(context: RunContext[MetricReader]) -> list[dict[str, Any]]:
        return context.deps.list_metrics()

    def describe_metric(context: RunContext[MetricReader], name: str) -> dict[str, Any]:
        return context.deps.describe_metric(name, call_name(context))

    def query_metrics(
        context: RunContext[MetricReader],
        metrics: list[str] | str,
        group_by: list[str] | str | None = None,
        filters: list[dict[str, Any]] | dict[str, Any] | None = None,
        time_range: dict[str, Any] | str | None = None,
        compare_to: str | None = None,
        order_by: list[str] | str | None = None,
        limit: int | None = None,
    ) -> dict[str, Any]:
        asked = {
            "metrics": metrics,
            "group_by": group_by,
            "filters": filters,
            "time_range": time_range,
            "compare_to": compare_to,
            "order_by": order_by,
            "limit": limit,
        }
        given = {key: value for key, value in asked.items() if value is not None}
        return context.deps.query_metrics(given, call_name(context))

    for function in (list_metrics, describe_metric, query_metrics):
        toolset.add_function(function, description=prompt(function.__name__))
    return toolset


def call_name(context: RunContext[MetricReader]) -> str:
    """The name of a call within its run. Its id is from the model, and may be anything."""
    given = context.tool_call_id or ""
    fits = len(given) <= _LONGEST_CALL_ID and given.isprintable()
    return f"{context.run_step:03} {given if fits else hashlib.sha256(given.encode('utf-8', 'surrogatepass')).hexdigest()}"


def prompt(name: str) -> str:
    """The text of `prompts/<name>.md`."""
    return resources.files("agent_resources").joinpath("prompts", f"{name}.md").read_text().strip()
