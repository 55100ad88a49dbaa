"""What agents proposed, and what it has come to, as it is read off the records of each proposal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from semantic.errors import QuestionError, did_you_mean
from semantic.ledger.erasable import restored
from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import as_recorded, parsed
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records

SHORT = 12
# The reasons of records that are neither an answer nor what followed one.
PROPOSED, REMINDED, REMEDIED = "proposed", "reminded", "remedied"
# Who answered where a rule of the policy did.
POLICY = "the policy"


class RemedyEnd(StrEnum):
    """How a remedy for a failed run ended: what failed was made, or was not; it was not done at all; or people were told."""

    RECOVERED = "recovered"
    FAILED = "failed"
    NOT_DONE = "not done"
    TOLD = "told"


@dataclass(frozen=True, kw_only=True)
class EndedRemedy:
    """How a remedy for a failed run ended, when, and in words why."""

    remedy: str
    run_id: str
    at: str
    end: RemedyEnd
    note: str


class ApprovalState(StrEnum):
    """What a proposal has come to. `expired` needs no record: the clock says so."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOID = "void"
    EXPIRED = "expired"
    USED = "used"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Who may answer a proposal, as patterns of names, until when, and who asked for the run. Nobody may answer what he asked for, unless `by_requester`."""

    by: tuple[str, ...]
    hours: float
    requester: str | None = None
    by_requester: bool = False


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A proposal and what it has come to; `rules` are those of the policy that allowed it without a person. `digest` covers the decision, the calls that are proposed (`actions` are the ids of their records) and what they
    rest on: by metric a version and since when it stands; `remedies` are by action how those ended that are remedies for failed runs. Moments are as the ledger writes them.
    """

    approval_id: str
    digest: str
    agent: str
    decision_id: str
    run_id: str | None
    at: str
    expires_at: str
    terms: Terms
    actions: tuple[str, ...]
    rests_on: Mapping[str, str]
    definition_hash: str
    state: ApprovalState = ApprovalState.PENDING
    answered_by: str | None = None
    answered_at: str | None = None
    why: str = ""
    rules: tuple[str, ...] = ()
    reminded: tuple[str, ...] = ()
    outcome: Mapping[str, Any] = field(default_factory=dict)
    remedies: Mapping[str, EndedRemedy] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """What a person approves: the beginning of the digest."""
        return self.digest[:SHORT]

    def seconds_waiting(self, now: datetime) -> float:
        """For how long it has waited."""
        return (now - parsed(self.at)).total_seconds()

    def at_moment(self, now: datetime) -> "Approval":
        """What it has come to by then."""
        waits = self.state is ApprovalState.PENDING
        is_to_be_done = self.state is ApprovalState.APPROVED and bool(self.actions)
        if (waits or is_to_be_done) and as_recorded(now) >= self.expires_at:
            return replace(self, state=ApprovalState.EXPIRED)
        return self


def approvals(ledger: Ledger) -> list[Approval]:
    """Every proposal on record, in the order in which they were made, each with what it has come to but for the clock. Raises `LedgerUnavailable`."""
    asked = (
        sa.select(records)
        .where(records.c.kind == RecordKind.APPROVAL.value)
        .order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        rows = connection.execute(asked).all()
        contents = restored(connection, [row.body for row in rows])
    found: dict[str, Approval] = {}
    for row, content in zip(rows, contents, strict=True):
        details = content["details"]
        if row.reason == PROPOSED:
            found[row.record_id] = _proposed(row, details)
        elif details["approval"] in found:
            before = found[details["approval"]]
            found[before.approval_id] = _after(before, row, details)
    return list(found.values())


def approval_of(ledger: Ledger, approval_id: str) -> Approval:
    """One proposal by its id."""
    [found] = [it for it in approvals(ledger) if it.approval_id == approval_id]
    return found


def find_approval(ledger: Ledger, code: str, *, whole: bool = False) -> Approval:
    """The proposal whose digest begins so. Raises `QuestionError` where there is none, or more than one, or where the code is to be `whole` and is less than
    people are shown.
    """
    if whole and len(code) < SHORT:
        raise QuestionError(
            f"{code!r} is less than the {SHORT} characters of a code",
            hint="what is answered is what was shown: governed-agents approvals tells the code",
        )
    every = approvals(ledger)
    alike = [it for it in every if code and it.digest.startswith(code.lower())]
    if len(alike) != 1:
        known = [it.code for it in every]
        raise QuestionError(
            f"{len(alike) or 'No'} proposals are shown as {code!r}",
            hint=did_you_mean(code, known) or "governed-agents approvals tells what waits",
        )
    return alike[0]


def _proposed(row: Any, details: Mapping[str, Any]) -> Approval:
    return Approval(
        approval_id=row.record_id,
        digest=details["digest"],
        agent=details["agent"],
        decision_id=details["decision"],
        run_id=row.run_id,
        at=row.recorded_at,
        expires_at=details["expires_at"],
        terms=Terms(
            by=tuple(details["by"]),
            hours=float(details["hours"]),
            requester=details["requester"],
            by_requester=details["by_requester"],
        ),
        actions=tuple(details["actions"]),
        rests_on=details["rests_on"],
        definition_hash=details["definition_hash"],
    )


def _after(before: Approval, row: Any, details: Mapping[str, Any]) -> Approval:
    """What a proposal has come to after another record of it."""
    if row.reason == REMINDED:
        return replace(before, reminded=(*before.reminded, details["stage"]))
    if row.reason == REMEDIED:
        ended = EndedRemedy(
            remedy=details["remedy"],
            run_id=details["run"],
            at=row.recorded_at,
            end=RemedyEnd(details["end"]),
            note=str(details["note"]),
        )
        return replace(before, remedies={**before.remedies, details["action"]: ended})
    state = ApprovalState(row.reason)
    steps: Mapping[ApprovalState, Callable[[], Approval]] = {
        ApprovalState.USED: lambda: replace(before, state=state),
        ApprovalState.DONE: lambda: replace(before, state=state, outcome=details["outcome"]),
        ApprovalState.VOID: lambda: replace(before, state=state, why=str(details["why"])),
    }
    if state in steps:
        return steps[state]()
    rules = tuple(details.get("rules", ()))
    return replace(
        before,
        state=state,
        rules=rules,
        answered_by=POLICY if rules else row.reader,
        answered_at=row.recorded_at,
        why=str(details["why"]),
    )
