"""What becomes of a proposal, step by step: it is made, people are told of it, one answers, and what was approved is used, once.

Every step is a record of its own. Those that end the time of waiting have one id between them, and those that end the time after another: so that of two
people, or of a person and the clock, the first is the one that counts.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from semantic.errors import QuestionError
from semantic.ledger.approval_digest import digest_of, not_as_shown
from semantic.ledger.approvals import (
    PROPOSED,
    REMEDIED,
    REMINDED,
    Approval,
    ApprovalState,
    RemedyEnd,
    Terms,
    approval_of,
)
from semantic.ledger.erasable import Erasable
from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import as_recorded
from semantic.ledger.reason import refuse_empty
from semantic.ledger.record import ReadContext, Record, RecordKind, derived_id
from semantic.ledger.tokens import Token
from semantic.pattern import matches_any

_USED, _DONE = "used", "done"


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
        reason=PROPOSED,
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


def allow(ledger: Ledger, approval: Approval, rules: Sequence[str], *, policy: str) -> Approval:
    """Puts on record that rules of a policy let a proposal be done without a person. Returns what it has come to."""
    named = ", ".join(f"'{rule}'" for rule in rules)
    details = {
        "why": f"allowed without a person by {named}",
        "digest": approval.digest,
        "rules": list(rules),
        "policy": policy,
    }
    _end(ledger, approval, ApprovalState.APPROVED.value, by=None, details=details)
    return approval_of(ledger, approval.approval_id)


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


def end_remedy(
    ledger: Ledger,
    approval: Approval,
    action: str,
    *,
    remedy: str,
    run_id: str,
    end: RemedyEnd,
    note: str,
) -> None:
    """Puts on record how a remedy for a failed run ended, once."""
    details = {"action": action, "remedy": remedy, "run": run_id, "end": end.value, "note": note}
    _step(ledger, approval, f"{REMEDIED} {action}", REMEDIED, details)


def remind(ledger: Ledger, approval: Approval, stage: str, to: Sequence[str]) -> None:
    """Puts on record that people were told of a proposal, at a stage of it."""
    name = f"{REMINDED} {stage}"
    _step(ledger, approval, name, REMINDED, {"stage": stage, "to": list(to)})


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
