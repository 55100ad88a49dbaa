"""Sends what the record says of runs, each event once. What could not be sent is sent later: the record is where events wait."""

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from openlineage.client.generated.base import RunEvent

from semantic.errors import GovernedMetricsError
from semantic.ledger import Ledger
from semantic.ledger.exports import Exported, exported, record_export
from semantic.ledger.run_activity import ReaderRun, RunActivity, active_runs, run_activities
from semantic.openlineage.destination import Destination
from semantic.openlineage.run_events import RunElsewhere, RunEvents
from semantic.policy import REFRESH

_AT_ONCE = 200
# Runs of which nobody will ever say how they ended.
_MOST_UNENDED = 5_000
# By run id, what who ran it knows of these runs; those that it does not know are left out.
RunsElsewhere = Callable[[Collection[str]], Mapping[str, RunElsewhere]]


class SendingFailed(GovernedMetricsError):
    """Events could not be sent. They wait in the record."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """How many events of how many runs were sent now. `is_elsewhere` says that somebody else was sending to the same destination, so that none were."""

    events: int = 0
    runs: int = 0
    is_elsewhere: bool = False

    def __add__(self, other: "Sent") -> "Sent":
        return Sent(events=self.events + other.events, runs=self.runs + other.runs)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends to one destination. Two senders do not send the same event: one of them sends, whichever process it is in.

    Only a process that is ended between an event and the note of it on record has it sent again, with the same id, kind and moment.
    """

    ledger: Ledger
    events: RunEvents
    destination: Destination
    runs_elsewhere: RunsElsewhere

    def send(self, *, seconds: float = math.inf) -> Sent:
        """Sends what is on record and was not sent yet, the oldest first, and begins with nothing more after so many seconds. Raises `SendingFailed`, and
        `LedgerUnavailable`.
        """
        until = time.monotonic() + seconds
        with self.ledger.holding(f"export {self.destination.name}") as is_held:
            if not is_held:
                return Sent(is_elsewhere=True)
            # What a checkpoint covers is all there, also where several write at once: nothing with a lower number comes later.
            self.ledger.seal()
            newest = self.ledger.covered_through()
            position, total = exported(self.ledger, self.destination.name), Sent()
            while position.through < newest:
                position, sent = self._send_part(position, newest)
                total = total + sent
                if time.monotonic() > until:
                    return total
            return total + self._send_endings(position)

    def _active(self, position: Exported, newest: int) -> tuple[tuple[ReaderRun, ...], int]:
        return active_runs(
            self.ledger,
            after=position.through,
            upto=position.upto or newest,
            without=REFRESH,
            most=_AT_ONCE,
        )

    def _send_part(self, position: Exported, newest: int) -> tuple[Exported, Sent]:
        """Sends what some runs did. Where that fails, what was sent of it is on record, and is not sent again."""
        runs, through = self._active(position, newest)
        unended = dict.fromkeys((*position.unended, *runs))
        sending = _Sending(self.destination, position.told)
        try:
            for activity, elsewhere in self._looked_up(runs, through):
                events, has_ended = self._events(activity, elsewhere, position)
                if has_ended:
                    unended.pop(activity.run, None)
                sending.send(events)
        except BaseException:  # also where a person ends it
            told = position.told.union(sending.identities)
            self._note(replace(position, upto=through, told=told), sending)
            raise
        reached = Exported(through=through, unended=tuple(unended)[-_MOST_UNENDED:])
        self._note(reached, sending)
        return reached, sending.sent

    def _events(
        self, activity: RunActivity, elsewhere: RunElsewhere | None, position: Exported
    ) -> tuple[list[RunEvent], bool]:
        """What there is to tell of a run since a position, and whether it has ended."""
        is_new = activity.first > position.through
        started = [self.events.started(activity, elsewhere)] if is_new else []
        ended = self.events.ended(activity, elsewhere, after=position.through)
        if ended:
            return [*started, *ended], True
        reading = self.events.reading(activity, elsewhere)
        return [*started, *([reading] if reading else [])], bool(activity.decisions)

    def _send_endings(self, position: Exported) -> Sent:
        """Of the runs that were told of as going on, those that have ended since without a word in the record."""
        left = dict.fromkeys(position.unended)
        known = self._known(position.unended)
        ended = [
            run
            for run in position.unended
            if run.run_id is None or ((it := known.get(run.run_id)) and it.ending)
        ]
        sending = _Sending(self.destination)
        try:
            for activity in run_activities(self.ledger, ended, upto=position.through):
                elsewhere = known.get(activity.run.run_id or "")
                if events := self.events.ended(activity, elsewhere, after=position.through):
                    sending.send(events)
                    left.pop(activity.run, None)
        finally:
            self._note(replace(position, unended=tuple(left)), sending)
        return sending.sent

    def _looked_up(
        self, runs: Collection[ReaderRun], upto: int
    ) -> Iterator[tuple[RunActivity, RunElsewhere | None]]:
        """Who ran them is asked first: of a run that has ended by then, all is on record that there will be."""
        known = self._known(runs)
        for activity in run_activities(self.ledger, runs, upto=upto):
            yield activity, known.get(activity.run.run_id or "")

    def _known(self, runs: Collection[ReaderRun]) -> Mapping[str, RunElsewhere]:
        return self.runs_elsewhere({run.run_id for run in runs if run.run_id is not None})

    def _note(self, position: Exported, sending: "_Sending") -> None:
        """Nothing is written of a look at the record by which nothing was sent."""
        if sending.identities:
            record_export(
                self.ledger,
                self.destination.name,
                position,
                events=sending.sent.events,
                runs=sending.runs,
            )


class _Sending:
    """Events on their way to a destination, without those that it was told of before."""

    def __init__(self, destination: Destination, told: frozenset[str] = frozenset()) -> None:
        self._destination = destination
        self._told = told
        self.identities: list[str] = []
        self.runs: set[str] = set()

    @property
    def sent(self) -> Sent:
        return Sent(events=len(self.identities), runs=len(self.runs))

    def send(self, events: Iterable[RunEvent]) -> None:
        """Raises `SendingFailed`."""
        for event in events:
            identity = _identity(event)
            if identity not in self._told:
                self._emit(event)
                self.identities.append(identity)
                self.runs.add(event.run.runId)

    def _emit(self, event: RunEvent) -> None:
        try:
            self._destination.client.emit(event)
        except Exception as error:  # each transport fails in its own way
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise SendingFailed(
                f"An event of {event.job.name} could not be sent to {self._destination.name}: {reason}",
                hint="nothing is lost: it is sent later, from the record",
            ) from error


def _identity(event: RunEvent) -> str:
    return f"{event.run.runId} {event.eventType.value if event.eventType else ''} {event.eventTime}"
