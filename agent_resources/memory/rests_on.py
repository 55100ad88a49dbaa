"""The reads that something an agent said rests on, and whether it may still be told of it."""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agent_resources.agent_run import ReadOfRun
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


class RestsOn(BaseModel):
    """A read: its id, what was asked, and the `standing` that its reader had."""

    model_config = ConfigDict(frozen=True)

    read_id: str
    query: dict[str, Any]
    standing: str

    @cached_property
    def written(self) -> bytes:
        """What was asked, the same for the same."""
        return canonical_json(self.query)


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

    def hold(self, rests_on: Sequence[RestsOn]) -> bool:
        """Whether there is something that it rests on, and the reader may have all of it as it had it then."""
        return bool(rests_on) and all(self._holds(item) for item in rests_on)

    def _holds(self, item: RestsOn) -> bool:
        if item.written not in self._known:
            self._known[item.written] = self._standing_of(item)
        return self._known[item.written] == item.standing

    def _standing_of(self, item: RestsOn) -> str | None:
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
