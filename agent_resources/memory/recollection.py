"""What one agent has on record of before: facts that it saved, and its own past decisions. Kept in this process from run to run."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from agent_resources.memory.rests_on import RestsOn
from agent_resources.memory.searched import Searched
from semantic.ledger import Ledger, RecordKind
from semantic.ledger.erasable import is_erased
from semantic.ledger.said import Said, id_at, last_taken_away, newest_said

SAVED, RECALLED = "saved", "recalled"
_RESTS_ON = TypeAdapter(tuple[RestsOn, ...])
_MOST_KEPT = 2_000


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """Something that an agent said before: when (as the ledger writes times), under which root run, and the reads that it rests on. `id` is that
    of its record.
    """

    id: str
    text: str
    at: str
    root_run_id: str | None
    rests_on: tuple[RestsOn, ...]


class Recollection:
    """The facts and the past decisions of one agent, as the record has them. Safe for threads."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._facts: Searched[Remembered] = Searched()
        self._runs: Searched[Remembered] = Searched()
        self._seen = 0
        # What was taken away last, and the record seen last: another ledger at the same place has others.
        self._stands: tuple[int, str | None] = (0, None)
        self._lock = threading.Lock()

    def refresh(self, ledger: Ledger) -> None:
        """Takes in what was put on record since, and lets go of what was erased. Raises `LedgerUnavailable`."""
        with self._lock:
            stands = (last_taken_away(ledger), id_at(ledger, self._seen))
            if stands != self._stands:
                self._facts, self._runs, self._seen = Searched(), Searched(), 0
            kinds = (RecordKind.MEMORY, RecordKind.DECISION)
            memories, decisions = (
                newest_said(ledger, self._agent, [kind], after=self._seen, limit=_MOST_KEPT)
                for kind in kinds
            )
            self._facts = _with_newer(self._facts, _facts_in(memories))
            self._runs = _with_newer(self._runs, _answers_in(decisions))
            self._seen = max((said.seq for said in (*memories, *decisions)), default=self._seen)
            self._stands = (stands[0], id_at(ledger, self._seen))

    def facts(self) -> Searched[Remembered]:
        """The facts that it saved."""
        with self._lock:
            return self._facts

    def runs(self) -> Searched[Remembered]:
        """What it answered in its past runs."""
        with self._lock:
            return self._runs


def _with_newer(known: Searched[Remembered], newer: Iterator[Remembered]) -> Searched[Remembered]:
    """What is known and what came since; the same where nothing did."""
    found = list(newer)[::-1]
    return Searched([*found, *known.items][:_MOST_KEPT]) if found else known


def _facts_in(memories: Sequence[Said]) -> Iterator[Remembered]:
    for said in memories:
        if said.reason == SAVED and not is_erased(dict(said.details)):
            yield _remembered(said, str(said.details["fact"]))


def _answers_in(decisions: Sequence[Said]) -> Iterator[Remembered]:
    for said in decisions:
        if said.reason is None and "rests_on" in said.details and not is_erased(dict(said.details)):
            yield _remembered(said, str(json.loads(said.details["decision"])["answer"]))


def _remembered(said: Said, text: str) -> Remembered:
    return Remembered(
        id=said.record_id,
        text=text,
        at=said.at,
        root_run_id=said.root_run_id,
        rests_on=_RESTS_ON.validate_json(said.details["rests_on"]),
    )
