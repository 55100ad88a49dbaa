"""Who rests on metrics that change: the agents that may read and did read them, the decisions that stand, and the facts that are remembered."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from semantic.ledger import (
    CountBy,
    Ledger,
    ReadOutcome,
    ReadQuestion,
    RecordKind,
    count_reads,
    find_reads,
)
from semantic.ledger.erasable import is_erased
from semantic.ledger.run_decisions import RunDecision, standing_decisions
from semantic.ledger.said import newest_said
from semantic.lineage.change import ChangedMetric
from semantic.policy import REFRESH

_SAVED = "saved"
_FACTS = 2_000


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who read a metric: how often since then, and when last (as the ledger writes times)."""

    agent: str
    reads: int
    last_at: str | None


@dataclass(frozen=True, kw_only=True)
class Impact:
    """A metric that changes, and who rests on it. `standing` are those of the newest decisions of agents that rest on reads of it; `facts` counts by agent
    what is remembered that does.
    """

    metric: ChangedMetric
    granted: tuple[str, ...] = ()
    read_by: tuple[Reader, ...] = ()
    standing: tuple[RunDecision, ...] = ()
    facts: Mapping[str, int]

    @property
    def is_felt(self) -> bool:
        """Whether anybody may read it, has read it or rests on it."""
        return bool(self.granted or self.read_by or self.standing or self.facts)


def impacts(
    ledger: Ledger,
    changed: Collection[ChangedMetric],
    granted: Mapping[str, Collection[str]],
    *,
    since: datetime,
) -> list[Impact]:
    """Who rests on each of these metrics. `granted` are the metrics that each agent may read; reads are looked for since a time. Raises
    `LedgerUnavailable`.
    """
    names = [item.name for item in changed]
    read_by = _read_by(ledger, names, since)
    standing = _standing(ledger, names)
    facts = _facts(
        ledger, names, [*granted, *(it.agent for some in read_by.values() for it in some)]
    )
    return [
        Impact(
            metric=item,
            granted=tuple(sorted(agent for agent, may in granted.items() if item.name in may)),
            read_by=tuple(read_by.get(item.name, ())),
            standing=tuple(standing.get(item.name, ())),
            facts=facts.get(item.name, {}),
        )
        for item in changed
    ]


def _read_by(ledger: Ledger, names: Collection[str], since: datetime) -> dict[str, list[Reader]]:
    if not names:
        return {}
    question = ReadQuestion(
        metric=list(names), since=since, outcome=ReadOutcome.ALLOWED.value, without_agent=REFRESH
    )
    found: dict[str, list[Reader]] = {}
    for count in count_reads(ledger, question, by=(CountBy.METRIC, CountBy.AGENT)):
        reader = Reader(
            agent=count.by[CountBy.AGENT] or "", reads=count.reads, last_at=count.last_at
        )
        found.setdefault(str(count.by[CountBy.METRIC]), []).append(reader)
    return found


def _standing(ledger: Ledger, names: Collection[str]) -> dict[str, list[RunDecision]]:
    """By metric, the newest decision of each agent that rests on a read of it."""
    decisions = standing_decisions(ledger) if names else []
    resting_on = {read_id for decision in decisions for read_id in decision.reads}
    if not resting_on:
        return {}
    metrics: dict[str, set[str]] = {}
    for read in find_reads(ledger, ReadQuestion(read=sorted(resting_on), metric=list(names))):
        metrics.setdefault(read.read_id, set()).add(read.metric)
    found: dict[str, list[RunDecision]] = {}
    for decision in decisions:
        for name in sorted(set().union(*(metrics.get(it, ()) for it in decision.reads))):
            found.setdefault(name, []).append(decision)
    return found


def _facts(
    ledger: Ledger, names: Collection[str], agents: Collection[str]
) -> dict[str, dict[str, int]]:
    """By metric and agent, how many facts are remembered that rest on a read of it."""
    found: dict[str, dict[str, int]] = {}
    for agent in sorted(set(agents)):
        for said in newest_said(ledger, agent, [RecordKind.MEMORY], limit=_FACTS):
            rests_on = said.details.get("rests_on")
            if said.reason != _SAVED or rests_on is None or is_erased(rests_on):
                continue
            queries = [item.get("query") or {} for item in json.loads(rests_on)]
            metrics = {name for query in queries for name in query.get("metrics", ())}
            for name in metrics.intersection(names):
                of_metric = found.setdefault(name, {})
                of_metric[agent] = of_metric.get(agent, 0) + 1
    return found
