"""What an agent may be told of before, in one run: never across its grants, and every recall on record."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agent_resources.agent import AgentDefinition
from agent_resources.grounding import untraced_claims
from agent_resources.memory.recollection import (
    RECALLED,
    SAVED,
    Recollection,
    Remembered,
)
from agent_resources.memory.rests_on import RestsOn, Standings, erasable
from agent_resources.metric_tools import MetricReader
from agent_resources.run_journal import RunJournal
from agent_resources.tool_calls import ToolCalls
from semantic.answer import MetricAnswer
from semantic.errors import did_you_mean
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Erasable, Ledger, RecordKind
from semantic.ledger.recalls import recalls
from semantic.ledger.verdicts import turned_out
from semantic.read_session import ReadSession

_MOST_TOLD = 10
_PAST_RUNS, _DECISIONS = "past_runs", "decisions"
_LONGEST_NAME = 64
_LONGEST_FACT = 1_000
_recollections: dict[tuple[str, str], Recollection] = {}
_making = threading.Lock()


class Memory:
    """The memory of one agent in one run. `days` is how long a fact is kept in mind; None for as long as it stands. `others` are the agents whose
    decisions it may be told of.
    """

    def __init__(
        self,
        session: ReadSession,
        *,
        ledger: Ledger,
        journal: RunJournal,
        standings: Standings,
        calls: ToolCalls,
        days: int | None,
        others: Sequence[str] = (),
    ) -> None:
        self._session = session
        self._ledger = ledger
        self._journal = journal
        self._standings = standings
        self._calls = calls
        self._days = days
        self._others = tuple(others)
        self._recollection = _recollection(ledger, session.reader.name)
        self._recollection.refresh(ledger)
        self._recalled: dict[tuple[str, bytes], RestsOn] = {}
        self._told_decisions: dict[str, None] = {}
        self._taken_back = {
            name for it in recalls(ledger) for names in (it.reads, it.decisions) for name in names
        }

    def remember(
        self, fact: str, read_ids: Sequence[str], reader: MetricReader, call: str
    ) -> dict[str, Any]:
        """Saves a fact with the reads of this run that it rests on, or says why not. Raises `LedgerUnavailable`."""
        cited = [
            read
            for read in reader.reads
            if isinstance(read.result, MetricAnswer) and read.result.read_id in set(read_ids)
        ]
        unknown = set(read_ids) - {read.result.read_id for read in cited}
        if unknown or not cited:
            known = [item.result.read_id for item in reader.reads if item.result.read_id]
            return _refused(
                "rests_on_nothing",
                f"A fact rests on reads of this run; {sorted(unknown) or 'none'} is no answer of it",
                f"name one or more of: {', '.join(map(str, known)) or 'nothing was read'}",
            )
        if len(fact) > _LONGEST_FACT or not fact.strip():
            return _refused(
                "not_a_fact",
                f"A fact has 1 to {_LONGEST_FACT:,} characters",
                "say it in a sentence",
            )
        untraced = untraced_claims(fact, cited)
        if untraced:
            return _refused(
                "not_traced",
                f"These stand in no read that the fact names: {', '.join(untraced)}",
                "state figures as they were read",
            )
        record_id = self._session.record(
            RecordKind.MEMORY,
            {"fact": Erasable(fact), "rests_on": erasable(self.rests_on(reader))},
            record_id=self._journal.record_id("fact", call, fact),
            reason=SAVED,
        )
        return {"saved": record_id}

    def rests_on(self, reader: MetricReader) -> tuple[RestsOn, ...]:
        """What anything rests on that the agent says now: all that it has read in this run, and what it was told of before rests on. A sentence may
        carry more than the figures that are traced.
        """
        own = self._standings.of_run(reader, self._calls.called)
        return (*own, *self._recalled.values())

    @property
    def told_decisions(self) -> tuple[str, ...]:
        """The ids of the decisions that the model was told of, in the order in which it was."""
        return tuple(self._told_decisions)

    def facts(self, about: str, call: str) -> dict[str, Any]:
        """The facts that the agent saved, as far as it may still have what they rest on. Raises `LedgerUnavailable`."""
        found = self._of_before(self._recollection.facts().best(about))
        if self._days is not None:
            oldest = (datetime.now(UTC) - timedelta(days=self._days)).isoformat()
            found = [item for item in found if item.at >= oldest]
        return self._told("facts", found, call)

    def past_runs(self, about: str, call: str) -> dict[str, Any]:
        """What the agent answered in its past runs, likewise. Raises `LedgerUnavailable`."""
        return self._told(_PAST_RUNS, self._of_before(self._recollection.runs().best(about)), call)

    def decisions(self, agent: str, about: str, call: str) -> dict[str, Any]:
        """What another agent decided, as far as this one may read just what that rests on. Raises `LedgerUnavailable`."""
        if agent not in self._others:
            return _refused(
                "not_available",
                f"The decisions of {agent[:_LONGEST_NAME]!r} are not available",
                did_you_mean(agent, self._others) or f"available: {', '.join(self._others)}",
            )
        found = _recollection(self._ledger, agent)
        found.refresh(self._ledger)
        return self._told(_DECISIONS, found.runs().best(about), call)

    def _of_before(self, found: Sequence[Remembered]) -> list[Remembered]:
        """What earlier tries of the same run said is of this run, and not of before. Another agent may have decided in it."""
        root_run = self._session.context.root_run_id
        return [it for it in found if root_run is None or it.root_run_id != root_run]

    def _told(self, what: str, found: Sequence[Remembered], call: str) -> dict[str, Any]:
        """What may be told, once it is on record."""
        kept = self._journal.found(f"recall {call}", what)
        if kept is not None:
            found = [item for item in found if item.id in kept]
        kept_back = [item for item in found if self._is_taken_back(item)]
        found = [item for item in found if item not in kept_back]
        standing = [item for item in found if self._standings.hold(item.rests_on)]
        told = _each_once(standing)[:_MOST_TOLD]
        turned = kept or dict.fromkeys((item.id for item in told), "") | {
            decision: how.value
            for decision, how in turned_out(self._ledger, [item.id for item in told]).items()
        }
        ids = [item.id for item in told]
        if what in (_PAST_RUNS, _DECISIONS):
            self._told_decisions |= dict.fromkeys(ids)
        self._recalled |= {(it.read_id, it.written): it for item in told for it in item.rests_on}
        self._session.record(
            RecordKind.MEMORY,
            {
                "told": ids,
                "not_permitted_any_more": len(found) - len(standing),
                **({"taken_back": len(kept_back)} if kept_back else {}),
            },
            record_id=self._journal.record_id("recall", call, *ids),
            reason=RECALLED,
        )
        if kept is None:
            self._journal.keep(f"recall {call}", what, turned)
        return {what: [_as_told(item, turned[item.id]) for item in told]}

    def _is_taken_back(self, item: Remembered) -> bool:
        """Whether it, or a read that it rests on, was taken back."""
        names = {item.id, *(it.read_id for it in item.rests_on)}
        return not names.isdisjoint(self._taken_back)


def memory_of(
    definition: AgentDefinition,
    metrics: GovernedMetrics,
    session: ReadSession,
    journal: RunJournal,
    standings: Standings,
    calls: ToolCalls,
) -> Memory | None:
    """What the agent knows of before, None where its file asks for nothing of it."""
    asked = definition.memory
    if not (asked.facts or asked.past_runs or asked.decisions_of):
        return None
    return Memory(
        session,
        ledger=metrics.ledger,
        journal=journal,
        standings=standings,
        calls=calls,
        days=asked.days,
        others=asked.decisions_of,
    )


def _recollection(ledger: Ledger, agent: str) -> Recollection:
    """The recollection of an agent, the same in every run of this process."""
    with _making:
        return _recollections.setdefault((ledger.name, agent), Recollection(agent))


def _each_once(found: Sequence[Remembered]) -> list[Remembered]:
    """Of those that say the same the first."""
    return list({item.text: item for item in reversed(found)}.values())[::-1]


def _as_told(item: Remembered, turned: str) -> dict[str, Any]:
    reads = [rests_on.read_id for rests_on in item.rests_on if rests_on.read_id]
    told: dict[str, Any] = {"said": item.text, "on": item.at[:10], "rests_on_reads": reads}
    return told | ({"turned_out": turned} if turned else {})


def _refused(reason: str, message: str, hint: str) -> dict[str, Any]:
    return {"refused": reason, "message": message, "hint": hint}
