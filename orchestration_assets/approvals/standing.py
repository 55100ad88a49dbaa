"""Whether what a proposal rests on still stands. A change in it makes the proposal void, answered or not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain

from agent_resources.agent import AgentDefinition
from orchestration_assets.triggers.basis import read_basis
from orchestration_assets.triggers.gates import (
    closed_in_snapshot,
    closed_to,
    oldest_allowed,
)
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import RecordKind
from semantic.ledger.approval_digest import not_as_shown
from semantic.ledger.approvals import Approval
from semantic.ledger.recalls import recalls
from semantic.ledger.run_decisions import decisions_with
from semantic.snapshot_record import SnapshotRecord


def void_because(
    approval: Approval,
    definition: AgentDefinition,
    metrics: GovernedMetrics,
    record: SnapshotRecord,
    newest: str,
) -> str | None:
    """Why a proposal counts no more, None where it does. `newest` is the id of the newest proposal of its agent. Raises `LedgerUnavailable`."""
    # What is proposed for one failed run is no answer to what was proposed for another.
    if approval.approval_id != newest and (
        definition.recovery is None or definition.approval.of == "decision"
    ):
        return f"'{approval.agent}' has proposed something newer since"
    if approval.definition_hash != definition.hash:
        return f"the definition of '{approval.agent}' changed since"
    changes = chain(
        filter(None, [not_as_shown(metrics.ledger, approval)]),
        _changed_data(approval, definition, metrics, record),
        _changed_tools(approval, definition, metrics),
        _taken_back(approval, metrics),
    )
    return next(changes, None)


def _changed_data(
    approval: Approval,
    definition: AgentDefinition,
    metrics: GovernedMetrics,
    record: SnapshotRecord,
) -> Iterator[str]:
    """What changed of the metrics that it rests on, as the agent sees them."""
    names = [*approval.rests_on]
    ages = oldest_allowed(definition.reader, names, metrics)
    in_snapshot = closed_in_snapshot(names, metrics, record)
    closed = closed_to(names, in_snapshot, ages, record, metrics.now())
    basis = read_basis(definition.reader, names, metrics, record, at=datetime.now(UTC), seq=0)
    for name, stood in approval.rests_on.items():
        if name not in basis.metrics:
            yield f"'{approval.agent}' may not read {name} any more"
        elif name in closed:
            yield f"{name} may not be read now: {closed[name].told}"
        elif basis.metrics[name].key != stood:
            yield f"{name} changed since"


def _changed_tools(
    approval: Approval, definition: AgentDefinition, metrics: GovernedMetrics
) -> Iterator[str]:
    for action in approval.actions:
        if not _may_call(action, definition, metrics):
            yield f"'{approval.agent}' may not call a tool any more that it proposes to call"


def _taken_back(approval: Approval, metrics: GovernedMetrics) -> Iterator[str]:
    known = recalls(metrics.ledger)
    for decision in decisions_with(metrics.ledger, [approval.decision_id] if known else []):
        for recall in known:
            if recall.concerns(decision):
                yield f"what it rests on was taken back: {recall.reason}"


def _may_call(action: str, definition: AgentDefinition, metrics: GovernedMetrics) -> bool:
    """Whether the tool of a recorded call is still one of the agent's, and permitted."""
    body = metrics.ledger.body(action, RecordKind.TOOL_CALL)
    call = body["details"]["tool"] if body else None
    found = next((tool for tool in definition.every_tool if tool.call == call), None)
    return found is not None and metrics.policy.may_call(definition.reader, found.name).is_permitted
