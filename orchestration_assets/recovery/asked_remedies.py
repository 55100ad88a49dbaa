"""The remedies that were allowed and asked for, and have not come to an end, as the record tells them."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from agent_resources.remedies import Remedy, remedy_of
from semantic.ledger import Ledger, RecordKind, derived_id
from semantic.ledger.approvals import Approval, ApprovalState, approvals

_ACTED = (ApprovalState.USED, ApprovalState.DONE)


@dataclass(frozen=True, kw_only=True)
class AskedRemedy:
    """A remedy for a run, the proposal that it is of, and the id of the call in it; `at` is the moment at which it was asked for, `minutes` how long it waits."""

    approval: Approval
    action: str
    remedy: Remedy
    run_id: str
    at: str
    minutes: int = 0


def asked_remedies(ledger: Ledger, agents: Collection[str]) -> list[AskedRemedy]:
    """Those of these agents, in the order in which they were proposed. Raises `LedgerUnavailable`."""
    return [
        asked
        for approval in approvals(ledger)
        if approval.agent in agents and approval.state in _ACTED
        for action in approval.actions
        if action not in approval.remedies
        and (asked := _asked(ledger, approval, action)) is not None
    ]


def _asked(ledger: Ledger, approval: Approval, action: str) -> AskedRemedy | None:
    """What the call of a tool asked for, None where it asked for nothing, or was not made."""
    proposed = ledger.body(action, RecordKind.TOOL_CALL)
    remedy = remedy_of(str(proposed["details"]["tool"])) if proposed else None
    ended = ledger.body(derived_id("action", [approval.approval_id, action]), RecordKind.OUTCOME)
    if remedy is None or ended is None or ended["reason"] is not None:
        return None
    told = _returned(str(ended["details"].get("returned", "")))
    return AskedRemedy(
        approval=approval,
        action=action,
        remedy=remedy,
        run_id=str(told.get("run_id", "")),
        at=ended["at"],
        minutes=int(told.get("minutes", 0)),
    )


def _returned(text: str) -> dict[str, Any]:
    """What the call returned; nothing where that was erased, so that it ends as one of no run."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
