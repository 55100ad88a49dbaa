"""The reads that something an agent said rests on, and whether it may still be told of it."""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agent_resources.agent_run import ReadOfRun
from agent_resources.metric_tools import MetricReader
from semantic.answer import MetricAnswer
from semantic.canonical import canonical_json
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Erasable
from semantic.policy import Reader
from semantic.query import MetricQuery
from semantic.snapshot_record import SnapshotRecord
from semantic.standing import standing

# What no standing is.
_NONE = ""
# That of a tool: it may be called.
_CALLED = "called"


class RestsOn(BaseModel):
    """What something rests on, with the `standing` that its reader had: a read, by its id and what was asked; the description of a `metric`, with its
    definition; or what a `tool` returned.
    """

    model_config = ConfigDict(frozen=True)

    read_id: str = ""
    query: dict[str, Any] = {}
    metric: str = ""
    tool: str = ""
    standing: str = _NONE

    @cached_property
    def written(self) -> bytes:
        """What it is, the same for the same."""
        return canonical_json([self.query, self.metric, self.tool])


class Standings:
    """What one reader is permitted now, on one snapshot. A query is looked at once."""

    def __init__(self, metrics: GovernedMetrics, reader: Reader, snapshot: SnapshotRecord) -> None:
        self._metrics = metrics
        self._reader = reader
        self._snapshot = snapshot
        self._known: dict[bytes, str | None] = {}

    def of(self, reads: Iterable[ReadOfRun]) -> tuple[RestsOn, ...]:
        """What is answered by these reads, each with the standing of now. One that has none by now is never told of again."""
        found = []
        for read in reads:
            if not isinstance(read.result, MetricAnswer):
                continue
            query = MetricQuery.model_validate(read.asked)
            stands = self._standing(query) or _NONE
            found.append(
                RestsOn(read_id=read.result.read_id, query=query.canonical(), standing=stands)
            )
        return tuple(found)

    def of_run(self, reader: MetricReader, tools: Iterable[str]) -> tuple[RestsOn, ...]:
        """What anything rests on that is said in a run: its reads, the metrics that were described to it, and the tools that it called."""
        described = (
            RestsOn(metric=name, standing=self._standing_of_metric(name) or _NONE)
            for name in sorted(reader.described)
        )
        called = (RestsOn(tool=name, standing=_CALLED) for name in sorted(tools))
        return (*self.of(reader.reads), *described, *called)

    def hold(self, rests_on: Sequence[RestsOn]) -> bool:
        """Whether there is something that it rests on, and the reader may have all of it as it had it then."""
        return bool(rests_on) and all(self._holds(item) for item in rests_on)

    def _holds(self, item: RestsOn) -> bool:
        if item.written not in self._known:
            self._known[item.written] = self._standing_of(item)
        return self._known[item.written] == item.standing

    def _standing_of_metric(self, name: str) -> str | None:
        """The definition of a metric that the reader may read."""
        metric = self._metrics.catalog.metrics.get(name)
        is_readable = metric and self._metrics.policy.is_readable(self._reader, metric)
        return metric.definition_hash if metric and is_readable else None

    def _standing_of(self, item: RestsOn) -> str | None:
        if item.tool:
            may_call = self._metrics.policy.may_call(self._reader, item.tool).is_permitted
            return _CALLED if may_call else None
        if item.metric:
            return self._standing_of_metric(item.metric)
        try:
            return self._standing(MetricQuery.model_validate(item.query))
        except ValidationError:
            return None

    def _standing(self, query: MetricQuery) -> str | None:
        written = canonical_json(query.canonical())
        if written not in self._known:
            self._known[written] = standing(self._metrics, self._reader, query, self._snapshot)
        return self._known[written]


def erasable(rests_on: Sequence[RestsOn]) -> Erasable:
    """What something rests on, as it is recorded: values that were asked for may be personal."""
    return Erasable(json.dumps([item.model_dump(mode="json") for item in rests_on]))
