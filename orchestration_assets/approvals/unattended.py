"""What the policy lets an agent do without a person, and how often: the proposal is on record like any other, and answered by the rule."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dagster import DagsterInstance

from agent_resources.agent import AgentDefinition
from agent_resources.approval import ProposedAction
from orchestration_assets.platform.run_facts import first_run_of
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, RecordKind
from semantic.ledger.approval_steps import allow
from semantic.ledger.approvals import Approval, ApprovalState, approvals
from semantic.ledger.moment import as_recorded
from semantic.tool_rule import ToolRule, Unattended


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A call that is proposed, or was allowed before."""

    tool: str
    arguments: dict[str, Any]
    at: str


def allow_unattended(
    instance: DagsterInstance,
    metrics: GovernedMetrics,
    definition: AgentDefinition,
    approval: Approval | None,
    actions: Sequence[ProposedAction],
) -> Approval | None:
    """The proposal, allowed where rules of the policy let every call of it be made unattended. One that needs a person for one call needs him for all.

    Asked in the run of the agent, of which there is one at a time: so no two count the same. Raises `LedgerUnavailable`.
    """
    is_open = approval is not None and approval.state is ApprovalState.PENDING
    if approval is None or not is_open or definition.approval.of == "decision" or not actions:
        return approval
    now = metrics.now()
    before = list(_allowed_before(metrics.ledger, definition.name))
    used: list[str] = []
    for action in actions:
        call = _Call(tool=action.name, arguments=dict(action.arguments), at=as_recorded(now))
        verdict = metrics.policy.may_call(definition.reader, action.name)
        rule = next(
            (it for it in verdict.unattended if _has_room(it, call, before, instance, now)), None
        )
        if rule is None:
            return approval
        used.append(rule.name)
        before.append(call)
    return allow(metrics.ledger, approval, sorted(set(used)), policy=metrics.policy.hash)


def _allowed_before(ledger: Ledger, agent: str) -> Iterator[_Call]:
    """The calls of an agent that were allowed without a person. One whose arguments were erased counts for every value."""
    for approval in approvals(ledger):
        if approval.agent != agent or not approval.rules:
            continue
        for action in approval.actions:
            body = ledger.body(action, RecordKind.TOOL_CALL)
            details = body["details"] if body else {}
            yield _Call(
                tool=str(details.get("tool", "")).partition(":")[2],
                arguments=_arguments(details),
                at=approval.answered_at or approval.at,
            )


def _arguments(details: dict[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(str(details.get("arguments", "")))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _has_room(
    rule: ToolRule,
    call: _Call,
    before: Sequence[_Call],
    instance: DagsterInstance,
    now: datetime,
) -> bool:
    """Whether a rule allows one more such call."""
    limit = rule.unattended
    if limit is None or (limit.per is not None and limit.per not in call.arguments):
        return False
    since = as_recorded(now - timedelta(hours=limit.hours))
    alike = [
        it
        for it in before
        if it.at >= since and it.tool == call.tool and _is_of_same(limit, it, call, instance)
    ]
    return len(alike) < limit.times


def _is_of_same(limit: Unattended, one: _Call, other: _Call, instance: DagsterInstance) -> bool:
    if limit.per is None or limit.per not in one.arguments:
        return True
    return _subject(one.arguments[limit.per], instance) == _subject(
        other.arguments[limit.per], instance
    )


def _subject(value: object, instance: DagsterInstance) -> object:
    """A value, or where it is the id of a run the first one that this is a retry of."""
    run = instance.get_run_by_id(value) if isinstance(value, str) else None
    return first_run_of(run) if run else value
