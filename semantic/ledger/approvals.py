"""What agents proposed, and what people said to it: each proposal bound to a digest of what is shown, answered once, used once.

Every step is a record of its own, and what a proposal has come to is read off them. Those that end it have one id between them, so that of two people,
or of a person and the clock, the first is the one that counts.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from semantic.canonical import canonical_json
from semantic.errors import QuestionError, did_you_mean
from semantic.ledger.erasable import (
    Erasable,
    digests_in,
    is_value_of,
    kept_values,
    restored,
)
from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import as_recorded, parsed
from semantic.ledger.reason import refuse_empty
from semantic.ledger.record import ReadContext, Record, RecordKind, derived_id
from semantic.ledger.schema import records
from semantic.ledger.tokens import Token
from semantic.pattern import matches_any

SHORT = 12
_PROPOSED, _REMINDED, _USED, _DONE = "proposed", "reminded", "used", "done"


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
    """A proposal and what it has come to. `digest` covers the decision, the calls that are proposed (`actions` are the ids of their records) and what they
    rest on: by metric a version and since when it stands. Moments are as the ledger writes them.
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
    used_at: str | None = None
    reminded: tuple[str, ...] = ()
    outcome: Mapping[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """What a person approves: the beginning of the digest."""
        return self.digest[:SHORT]

    def at_moment(self, now: datetime) -> "Approval":
        """What it has come to by then."""
        waits = self.state is ApprovalState.PENDING
        is_to_be_done = self.state is ApprovalState.APPROVED and bool(self.actions)
        if (waits or is_to_be_done) and as_recorded(now) >= self.expires_at:
            return replace(self, state=ApprovalState.EXPIRED)
        return self


def propose(
    ledger: Ledger,
    agent: str,
    decision_id: str,
    *,
    actions: Sequence[str],
    rests_on: Mapping[str, str],
    definition_hash: str,
    terms: Terms,
    context: ReadContext,
    now: datetime | None = None,
) -> Approval:
    """Puts on record that an agent proposes what it decided, and these calls. The same for the same decision. Raises `LedgerUnavailable`."""
    approval_id = derived_id("approval", [decision_id])
    digest = digest_of(
        ledger, agent, decision_id, actions=actions, rests_on=rests_on, definition=definition_hash
    )
    expires_at = as_recorded((now or datetime.now(UTC)) + timedelta(hours=terms.hours))
    record = Record(
        record_id=approval_id,
        kind=RecordKind.APPROVAL,
        reader=agent,
        context=context,
        reason=_PROPOSED,
        details={
            "agent": agent,
            "decision": decision_id,
            "digest": digest,
            "actions": list(actions),
            "rests_on": dict(rests_on),
            "definition_hash": definition_hash,
            "expires_at": expires_at,
            "by": list(terms.by),
            "requester": terms.requester,
            "by_requester": terms.by_requester,
            "hours": str(terms.hours),
        },
    )
    ledger.append(record)
    return approval_of(ledger, approval_id)


def digest_of(
    ledger: Ledger,
    agent: str,
    decision_id: str,
    *,
    actions: Sequence[str],
    rests_on: Mapping[str, str],
    definition: str,
) -> str:
    """The digest of what a person is shown: it changes with the decision, with what is to be done, and with what these rest on.

    Texts are in it as the records have them, by digests with keys, so that it confirms no guess.
    """
    shown = [
        agent,
        definition,
        _body_hash(ledger, decision_id, RecordKind.DECISION),
        [_body_hash(ledger, action, RecordKind.TOOL_CALL) for action in actions],
        sorted(rests_on.items()),
    ]
    return hashlib.sha256(canonical_json(shown)).hexdigest()


def _body_hash(ledger: Ledger, record_id: str, kind: RecordKind) -> str:
    with ledger.reading() as connection:
        return hashlib.sha256(_body(ledger, connection, record_id, kind)).hexdigest()


def _body(ledger: Ledger, connection: sa.Connection, record_id: str, kind: RecordKind) -> bytes:
    """The body of a record, also of one in the archive; nothing where there is none."""
    asked = sa.select(records.c.body).where(
        records.c.record_id == record_id, records.c.kind == kind.value
    )
    body: bytes | None = connection.execute(asked).scalar_one_or_none()
    if body is None:
        archived = ledger.archive.with_ids(connection, [record_id], [kind])
        body = archived[0][3] if archived else b""
    return body


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
        if row.reason == _PROPOSED:
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


def answer(
    ledger: Ledger,
    approval: Approval,
    token: Token,
    *,
    is_approved: bool,
    why: str,
    agents: Sequence[str] = (),
    now: datetime | None = None,
) -> Approval:
    """Puts on record what a person says to a proposal, who is known by a token. Returns what it has come to.

    Raises `QuestionError` where it is not open, was not shown so, or this is not one who may answer it, and `GovernedMetricsError` where it is not said why.
    """
    verdict = ApprovalState.APPROVED if is_approved else ApprovalState.REJECTED
    refuse_empty(why, of=f"something is {verdict}")
    current = approval_of(ledger, approval.approval_id).at_moment(now or datetime.now(UTC))
    _refuse_closed(current)
    _refuse_changed(ledger, current)
    _refuse_person(current, token, agents)
    is_new = _end(
        ledger,
        current,
        verdict.value,
        by=token.holder,
        details={
            "why": Erasable(why),
            "digest": current.digest,
            "token": token.token_id,
        },
    )
    after = approval_of(ledger, approval.approval_id)
    if not is_new:
        _refuse_closed(after)
    return after


def _refuse_closed(approval: Approval) -> None:
    if approval.state is not ApprovalState.PENDING:
        by = f" by {approval.answered_by}" if approval.answered_by else ""
        why = f": {approval.why}" if approval.why else ""
        raise QuestionError(
            f"The proposal {approval.code} of '{approval.agent}' is {approval.state}{by}{why}",
            hint="governed-agents approvals tells what waits for an answer",
        )


def _refuse_changed(ledger: Ledger, approval: Approval) -> None:
    """Raises `QuestionError` where the record is not what the proposal was made of."""
    why = not_as_shown(ledger, approval)
    if why is not None:
        raise QuestionError(
            f"The proposal {approval.code} cannot be answered: {why}",
            hint="have the agent propose it anew; governed-agents verify tells where a record was changed",
        )


def not_as_shown(ledger: Ledger, approval: Approval) -> str | None:
    """Why what is on record is not what the proposal was made of: another body, a text that was changed, or one that was erased. None where it is."""
    parts = [
        (approval.decision_id, RecordKind.DECISION),
        *((it, RecordKind.TOOL_CALL) for it in approval.actions),
    ]
    with ledger.reading() as connection:
        for record_id, kind in parts:
            body = _body(ledger, connection, record_id, kind)
            kept = {it.digest: it for it in kept_values(connection, [body])[0]}
            if not kept.keys() >= set(digests_in(body)):
                return "something of it was erased"
            if not all(is_value_of(it.digest, it.key, it.value) for it in kept.values()):
                return "a text of it is not the one that was recorded"
    now = digest_of(
        ledger,
        approval.agent,
        approval.decision_id,
        actions=approval.actions,
        rests_on=approval.rests_on,
        definition=approval.definition_hash,
    )
    return None if now == approval.digest else "what it was made of is not what is on record now"


def _refuse_person(approval: Approval, token: Token, agents: Sequence[str]) -> None:
    """Raises `QuestionError` where somebody may not answer a proposal. An agent never may."""
    who, terms = token.holder, approval.terms
    if who in agents:
        raise QuestionError(
            f"'{who}' is an agent, and no agent answers a proposal", hint="a person does"
        )
    if not matches_any(who, terms.by):
        raise QuestionError(
            f"'{who}' may not answer what '{approval.agent}' proposes",
            hint=f"it is for {', '.join(terms.by)}",
        )
    if who == terms.requester and not terms.by_requester:
        raise QuestionError(
            f"'{who}' asked for the run, and somebody else answers what it proposes",
            hint=f"it is for {', '.join(terms.by)}",
        )


def void(ledger: Ledger, approval: Approval, why: str) -> Approval:
    """Puts on record that a proposal counts no more, because what it rests on changed, answered or not. Returns what it has come to."""
    if approval.state is ApprovalState.PENDING:
        _end(ledger, approval, ApprovalState.VOID.value, by=None, details={"why": why})
    elif approval.state is ApprovalState.APPROVED:
        _step(ledger, approval, _USED, ApprovalState.VOID.value, {"why": why})
    return approval_of(ledger, approval.approval_id)


def use(ledger: Ledger, approval: Approval, context: ReadContext) -> bool:
    """Puts on record that what was approved is done now. Returns False where it was used or is void: once is all."""
    return _step(ledger, approval, _USED, ApprovalState.USED.value, {}, context=context)


def end_use(
    ledger: Ledger, approval: Approval, outcome: Mapping[str, Any], context: ReadContext
) -> None:
    """Puts on record how what was approved ended."""
    _step(ledger, approval, _DONE, ApprovalState.DONE.value, {"outcome": dict(outcome)}, context)


def remind(ledger: Ledger, approval: Approval, stage: str, to: Sequence[str]) -> None:
    """Puts on record that people were told of a proposal, at a stage of it."""
    name = f"{_REMINDED} {stage}"
    _step(ledger, approval, name, _REMINDED, {"stage": stage, "to": list(to)})


def _end(
    ledger: Ledger, approval: Approval, reason: str, *, by: str | None, details: Mapping[str, Any]
) -> bool:
    """What ends the time in which it waits for an answer: one of these, and no second."""
    return _step(ledger, approval, "end", reason, details, by=by)


def _step(
    ledger: Ledger,
    approval: Approval,
    name: str,
    reason: str,
    details: Mapping[str, Any],
    context: ReadContext = ReadContext(),  # noqa: B008
    *,
    by: str | None = None,
) -> bool:
    record = Record(
        record_id=derived_id("approval step", [approval.approval_id, name]),
        kind=RecordKind.APPROVAL,
        reader=by or approval.agent,
        context=context,
        reason=reason,
        details={
            "approval": approval.approval_id,
            "agent": approval.agent,
            "decision": approval.decision_id,
            **details,
        },
    )
    return ledger.append(record)


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
    if row.reason == _REMINDED:
        return replace(before, reminded=(*before.reminded, details["stage"]))
    state = ApprovalState(row.reason)
    steps: Mapping[ApprovalState, Callable[[], Approval]] = {
        ApprovalState.USED: lambda: replace(before, state=state, used_at=row.recorded_at),
        ApprovalState.DONE: lambda: replace(before, state=state, outcome=details["outcome"]),
        ApprovalState.VOID: lambda: replace(before, state=state, why=str(details["why"])),
    }
    if state in steps:
        return steps[state]()
    return replace(
        before,
        state=state,
        answered_by=row.reader,
        answered_at=row.recorded_at,
        why=str(details["why"]),
    )


def seconds_waiting(approval: Approval, now: datetime) -> float:
    """For how long a proposal has waited."""
    return (now - parsed(approval.at)).total_seconds()
