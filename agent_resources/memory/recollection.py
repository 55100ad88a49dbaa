"""What one agent has on record of before: facts that it saved, and its own past decisions. Kept in this process from run to run."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from agent_resources.memory.rests_on import RestsOn
from semantic.ledger import Ledger, RecordKind
from semantic.ledger.erasable import is_erased
from semantic.ledger.said import Said, id_at, last_taken_away, newest_said

SAVED, RECALLED = "saved", "recalled"
_RESTS_ON = TypeAdapter(tuple[RestsOn, ...])
_MOST_KEPT = 2_000
_WORD = re.compile(r"[^\W_]{2,}")


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
        self._facts: list[Remembered] = []
        self._runs: list[Remembered] = []
        self._seen = 0
        # What was taken away last, and the record seen last: another ledger at the same place has others.
        self._stands: tuple[int, str | None] = (0, None)
        self._lock = threading.Lock()

    def refresh(self, ledger: Ledger) -> None:
        """Takes in what was put on record since, and lets go of what was erased. Raises `LedgerUnavailable`."""
        with self._lock:
            stands = (last_taken_away(ledger), id_at(ledger, self._seen))
            if stands != self._stands:
                self._facts, self._runs, self._seen = [], [], 0
            kinds = (RecordKind.MEMORY, RecordKind.DECISION)
            memories, decisions = (
                newest_said(ledger, self._agent, [kind], after=self._seen, limit=_MOST_KEPT)
                for kind in kinds
            )
            self._facts = [*self._facts, *_facts_in(memories)][-_MOST_KEPT:]
            self._runs = [*self._runs, *_answers_in(decisions)][-_MOST_KEPT:]
            self._seen = max((said.seq for said in (*memories, *decisions)), default=self._seen)
            self._stands = (stands[0], id_at(ledger, self._seen))

    def facts(self) -> Sequence[Remembered]:
        """The facts that it saved, the newest first."""
        with self._lock:
            return self._facts[::-1]

    def runs(self) -> Sequence[Remembered]:
        """What it answered in its past runs, the newest first."""
        with self._lock:
            return self._runs[::-1]


def best_of(remembered: Sequence[Remembered], about: str) -> list[Remembered]:
    """Those that share words with what is asked about, the rarest words counting most and the newer ones first; all where nothing is asked."""
    wanted = set(_words(about))
    if not wanted:
        return list(remembered)
    shared = [set(_words(item.text)) & wanted for item in remembered]
    how_often = Counter(word for words in shared for word in words)
    scores = [sum(1 / how_often[word] for word in words) for words in shared]
    order = sorted(range(len(remembered)), key=lambda at: (-scores[at], at))
    return [remembered[at] for at in order if scores[at] > 0]


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


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
