"""What the calls of an agent run came to, so that a run that is tried again goes on where the one before it ended.

A journal belongs to a root run, a step of it and a partition. Each attempt begins with what it rests on; another try goes on with it as long
as that is the same, is given what is kept of each call that it makes again, and neither pays for it nor reads it again. An attempt
that came to an end is followed by another one, unless its step did not get to tell of its decision.
"""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from agent_resources.because import Because
from agent_resources.errors import RunChanged
from semantic.ledger import (
    JournalEntry,
    JournalPlace,
    Ledger,
    ReadContext,
    derived_id,
    uuid7,
)

_BEGUN = "begun"
_ENDED = "ended"


class EndState(StrEnum):
    """How an attempt ended: with a decision, at a limit, or with a model that came to no valid decision."""

    DECIDED = "decided"
    LIMITED = "limited"
    FAILED = "failed"


class RunBasis(BaseModel):
    """What a run rests on. `metrics` are those that it may read, each with the hash of its definition; `because` is what called for it, and another try is
    told the same.
    """

    model_config = ConfigDict(frozen=True)

    definition_hash: str
    question: str | None
    policy_hash: str
    snapshot: str
    metrics: dict[str, str]
    because: Because | None = None

    def changed_since(self, before: "RunBasis") -> tuple[str, ...]:
        """What is another than it was, in words."""
        words = {
            "definition_hash": "its definition",
            "question": "the question",
            "policy_hash": "the policy",
            "snapshot": "the snapshot, which is no longer kept",
            "metrics": "the definition of a metric that it may read",
        }
        return tuple(
            told for name, told in words.items() if getattr(self, name) != getattr(before, name)
        )


class RunJournal:
    """The calls of one attempt of a run: those that are kept of an earlier try, and its own. Safe for threads.

    A run that has no place keeps nothing.
    """

    def __init__(
        self,
        ledger: Ledger,
        place: JournalPlace | None,
        run_id: str,
        attempt: int,
        kept: Sequence[JournalEntry] = (),
    ) -> None:
        self._ledger = ledger
        self._place = place
        self._run_id = run_id
        self._kept = {entry.call: entry for entry in kept}
        self._requests = 0
        self._lock = threading.Lock()
        self.attempt = attempt
        self.resumed_from = kept[-1].run_id if kept else None

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        context: ReadContext,
        *,
        partition: str = "",
        is_done: Callable[[str], bool] = lambda _: False,
    ) -> Self:
        """The journal of a run: it goes on with the attempt that began last, unless that came to an end. `is_done` tells whether the run with
        an id has done this step: then the step is asked for anew.
        """
        if context.root_run_id is None:
            return cls(ledger, None, "", 1)
        place = JournalPlace(
            root_run_id=context.root_run_id, step=context.step_key or "", partition=partition
        )
        run_id = context.run_id or context.root_run_id
        kept = ledger.journal(place)
        if not kept:
            return cls(ledger, place, run_id, 1)
        ends = [json.loads(entry.body) for entry in kept if entry.call == _ENDED]
        has_failed = any(end["state"] == EndState.FAILED for end in ends)
        if has_failed or (ends and any(is_done(item) for item in {it.run_id for it in kept})):
            return cls(ledger, place, run_id, kept[0].attempt + 1)
        return cls(ledger, place, run_id, kept[0].attempt, kept)

    def started_again(self) -> Self:
        """The journal of the attempt after this one."""
        return type(self)(self._ledger, self._place, self._run_id, self.attempt + 1)

    @property
    def place(self) -> JournalPlace | None:
        """Whose calls these are, None for a run that has no place."""
        return self._place

    @property
    def basis(self) -> RunBasis | None:
        """What this attempt rests on, None where it has not begun."""
        return begun_with(self._kept.values())

    def begin(self, basis: RunBasis) -> None:
        """Begins the attempt, or goes on with it. Raises `RunChanged` where it rests on something else."""
        before = self.basis
        if before is None:
            self.keep(_BEGUN, "", basis.model_dump(mode="json"))
            return
        changed = basis.changed_since(before)
        if changed:
            raise self._changed(" and ".join(changed))

    def end(self, state: EndState) -> None:
        """Ends the attempt."""
        self.keep(_ENDED, "", {"state": state.value})

    def next_request(self) -> str:
        """The name of the next request to the chat model."""
        with self._lock:
            self._requests += 1
            return f"model {self._requests:03}"

    def record_id(self, what: str, *names: str) -> str:
        """An id for a record of this attempt: the same in another try of it, a new one for a run that has no place."""
        if self._place is None:
            return str(uuid7())
        of_run = (self._place.root_run_id, self._place.step, self._place.partition)
        return derived_id(what, [*of_run, str(self.attempt), *names])

    def found(self, call: str, fingerprint: str) -> Any | None:
        """What a call came to before, None where that is not kept. Raises `RunChanged` where something else was asked then."""
        entry = self._kept.get(call)
        if entry is None:
            return None
        if entry.fingerprint != fingerprint:
            raise self._changed(f"what it asks ({call})")
        return json.loads(entry.body)

    def entry(
        self, call: str, fingerprint: str, value: object
    ) -> tuple[JournalPlace, JournalEntry] | None:
        """What a call came to, to be kept with the record of it. None for a run that has no place."""
        if self._place is None:
            return None
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return self._place, JournalEntry(
            attempt=self.attempt,
            call=call,
            run_id=self._run_id,
            fingerprint=fingerprint,
            body=body.encode("utf-8", "surrogatepass"),
        )

    def keep(self, call: str, fingerprint: str, value: object) -> None:
        """Keeps what a call came to. Raises `LedgerUnavailable`."""
        entry = self.entry(call, fingerprint, value)
        if entry is not None:
            self._ledger.keep(*entry)

    def _changed(self, what: str) -> RunChanged:
        return RunChanged(
            f"The run does not go on where {str(self.resumed_from)[:8]} ended, because {what} changed since",
            hint="run it anew, in a run that is not a retry; or let it begin again by itself with "
            "`resume: {if_changed: start_again}` in the agent's file",
        )


def begun_with(entries: Iterable[JournalEntry]) -> RunBasis | None:
    """What an attempt with these calls rests on, None where it has not begun."""
    begun = next((entry for entry in entries if entry.call == _BEGUN), None)
    return RunBasis.model_validate_json(begun.body) if begun else None
