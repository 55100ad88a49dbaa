"""What the policy lets an agent do without a person, and how often: the proposal is on record like any other, and answered by the rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dagster import DagsterInstance

from agent_resources.agent import AgentDefinition
from agent_resources.approval import ProposedAction
from agent_resources.remedies import remedy_of
from orchestration_assets.approvals.acting import recorded_arguments
from orchestration_assets.platform.run_facts import first_run_of
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, RecordKind
from semantic.ledger.approval_steps import allow
from semantic.ledger.approvals import Approval, ApprovalState, approvals
from semantic.ledger.moment import as_recorded
from semantic.pattern import matches_any
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

    Of agents that ask at the same moment one is counted, and the others wait for a person: so no two count the same. Raises `LedgerUnavailable`.
    """
    is_open = approval is not None and approval.state is ApprovalState.PENDING
    if approval is None or not is_open or definition.approval.of == "decision" or not actions:
        return approval
    with metrics.ledger.holding("what is allowed without a person") as is_alone:
        rules = _allowing(instance, metrics, definition, actions) if is_alone else None
        if rules is None:
            return approval
        return allow(metrics.ledger, approval, rules, policy=metrics.policy.hash)


def _allowing(
    instance: DagsterInstance,
    metrics: GovernedMetrics,
    definition: AgentDefinition,
    actions: Sequence[ProposedAction],
) -> list[str] | None:
    """The rules that allow all of these calls, None where one needs a person. Every rule that speaks of a call has to have room for it."""
    now = metrics.now()
    before = list(_allowed_before(metrics.ledger))
    used: set[str] = set()
    for action in actions:
        call = _Call(tool=action.name, arguments=dict(action.arguments), at=as_recorded(now))
        rules = metrics.policy.may_call(definition.reader, action.name).unattended
        is_known = remedy_of(action.tool) is None or _run_of(call, instance) is not None
        if not (rules and is_known):
            return None
        if not all(_has_room(it, call, before, instance, now) for it in rules):
            return None
        used |= {rule.name for rule in rules}
        before.append(call)
    return sorted(used)


def _run_of(call: _Call, instance: DagsterInstance) -> object:
    """The run that a remedy is for, None where there is none of this id: such a call a person looks at."""
    named = call.arguments.get("run_id")
    return instance.get_run_by_id(named) if isinstance(named, str) else None


def _allowed_before(ledger: Ledger) -> Iterator[_Call]:
    """The calls that were allowed without a person, of all agents. One whose arguments were erased counts for every value."""
    for approval in approvals(ledger):
        if not approval.rules:
            continue
        for action in approval.actions:
            body = ledger.body(action, RecordKind.TOOL_CALL)
            details = body["details"] if body else {}
            yield _Call(
                tool=str(details.get("tool", "")).partition(":")[2],
                arguments=recorded_arguments(details) or {},
                at=approval.answered_at or approval.at,
            )


def _has_room(
    rule: ToolRule,
    call: _Call,
    before: Sequence[_Call],
    instance: DagsterInstance,
    now: datetime,
) -> bool:
    """Whether a rule allows one more call of its tools."""
    limit = rule.unattended
    if limit is None or (limit.per is not None and limit.per not in call.arguments):
        return False
    since = as_recorded(now - timedelta(hours=limit.hours))
    alike = [
        it
        for it in before
        if it.at >= since
        and matches_any(it.tool, rule.tools)
        and _is_of_same(limit, it, call, instance)
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
    return first_run_of(run) if run else " ".join(str(value).split()).casefold()
