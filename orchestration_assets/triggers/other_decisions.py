"""What agents decided, and what people said to it, for those that run because of it."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from orchestration_assets.triggers.sight import OtherDecision
from semantic.ledger import Ledger, RecordKind
from semantic.ledger.approvals import ApprovalState
from semantic.ledger.erasable import is_erased
from semantic.ledger.said import Said, newest_said_by, newest_said_of

_MOST = 1_000
_ANSWERS = (ApprovalState.APPROVED.value, ApprovalState.REJECTED.value)


def other_decisions(
    ledger: Ledger, agents: Collection[str], *, after: int
) -> tuple[OtherDecision, ...]:
    """The newest decisions of these agents after a record, and the answers to them, in the order in which they came. Raises `LedgerUnavailable`."""
    said = newest_said_by(ledger, agents, [RecordKind.DECISION], after=after, limit=_MOST)
    found = [_decided(item) for item in said if item.reason is None]
    answers = newest_said_of(ledger, RecordKind.APPROVAL, _ANSWERS, after=after, limit=_MOST)
    found += [_answered(ledger, item) for item in answers if item.details.get("agent") in agents]
    return tuple(sorted(found, key=lambda item: item.seq))


def _decided(said: Said) -> OtherDecision:
    return OtherDecision(
        seq=said.seq,
        decision_id=said.record_id,
        agent=said.reader,
        at=said.at,
        state="decided",
        output=_output(said.details),
        hops=int(said.details.get("hops", 0)),
    )


def _answered(ledger: Ledger, said: Said) -> OtherDecision:
    """What a person said to a proposal, with what was decided."""
    decision_id = said.details["decision"]
    body = ledger.body(decision_id, RecordKind.DECISION)
    details = body["details"] if body else {}
    return OtherDecision(
        seq=said.seq,
        decision_id=decision_id,
        agent=said.details["agent"],
        at=said.at,
        state=said.reason or "",
        output=_output(details),
        hops=int(details.get("hops", 0)),
    )


def _output(details: Mapping[str, Any]) -> dict[str, Any]:
    """Its own fields of output, nothing where they were erased."""
    if "decision" not in details or is_erased(dict(details)):
        return {}
    found = json.loads(details["decision"]).get("output")
    return found if isinstance(found, dict) else {}
