"""What a run proposes: its decision, where its agent's file says so, and the calls of tools that change something outside."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dagster as dg

from agent_resources.agent import AgentDefinition
from agent_resources.agent_run import AgentRun, Run
from agent_resources.approval import ProposedAction
from orchestration_assets.triggers.basis import Basis
from semantic.ledger import Ledger, ReadContext
from semantic.ledger.approval_steps import propose
from semantic.ledger.approvals import Approval, Terms

REQUESTER_TAG = "governed_agents/requested_by"


def proposal_of(
    ledger: Ledger,
    definition: AgentDefinition,
    run: Run,
    basis: Basis,
    context: ReadContext,
    *,
    moving: Collection[str],
    requester: str | None,
) -> Approval | None:
    """What a person has to answer of a run, on record; None where that is nothing. Of `moving`, the platform's metrics, it rests on no version: these change with
    every run, and a remedy looks at its run itself. Raises `LedgerUnavailable`.
    """
    if not isinstance(run, AgentRun):
        return None
    if definition.approval.of == "actions" and not run.proposed:
        return None
    asked = definition.approval
    return propose(
        ledger,
        definition.name,
        run.decision_id,
        actions=[action.record_id for action in run.proposed],
        rests_on={
            name: basis.metrics[name].key
            for name in _read(run)
            if name in basis.metrics and name not in moving
        },
        definition_hash=definition.hash,
        terms=Terms(
            by=definition.approvers,
            hours=asked.within_hours,
            requester=requester,
            by_requester=asked.by_requester,
        ),
        context=context,
    )


def _read(run: AgentRun) -> list[str]:
    """The metrics of which the run was given data."""
    found = (item.name for answer in run.answers() for item in answer.provenance.metrics)
    return sorted(set(found))


def proposal_metadata(
    approval: Approval | None, actions: Sequence[ProposedAction]
) -> dict[str, Any]:
    """What the page of an agent tells of what it proposes, nothing where that is nothing."""
    if approval is None:
        return {}
    return {
        "proposal": approval.code,
        **(_to_answer(approval) if not approval.rules else {"allowed": approval.why}),
        "proposed_actions": actions_table([(action.name, action.arguments) for action in actions]),
    }


def _to_answer(approval: Approval) -> dict[str, Any]:
    return {
        "answer_with": dg.MetadataValue.md(
            f"`governed-agents approve {approval.code} --why ...` or `governed-agents reject {approval.code} --why ...`"
        ),
        "may_answer": ", ".join(approval.terms.by),
        "answer_until": f"{approval.expires_at[:16].replace('T', ' ')} UTC",
    }


def actions_table(
    actions: Sequence[tuple[str, Mapping[str, Any]]],
) -> dg.TableMetadataValue:
    """Calls of tools, one in a row."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"tool": name, "arguments": json.dumps(arguments, ensure_ascii=False)})
            for name, arguments in actions
        ],
        schema=dg.TableSchema(
            [dg.TableColumn("tool", "string"), dg.TableColumn("arguments", "string")]
        ),
    )
