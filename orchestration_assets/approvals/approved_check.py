"""The asset check `approved` of an agent that may propose something: pending until a person has answered, and what follows waits for it."""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import DagsterInstance

from orchestration_assets.agent_materialization import DECISION_ID
from semantic.ledger.approvals import Approval, ApprovalState

APPROVED = "approved"
_PASSES = (ApprovalState.APPROVED, ApprovalState.USED, ApprovalState.DONE)
_STATE = "state"


def approved_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check. It blocks: what is built on the asset under a condition of Dagster waits, and holds no worker meanwhile."""
    return dg.AssetCheckSpec(
        APPROVED,
        asset=key,
        blocking=True,
        description="A person has approved what the agent proposes: governed-agents approvals",
    )


def check_approved(
    approval: Approval | None, *, has_decided: bool, key: dg.AssetKey
) -> dg.AssetCheckResult:
    """The result for a run that has just ended. While it waits it is a warning, so that the run itself ends well."""
    is_open = approval is not None and approval.state is ApprovalState.PENDING
    is_passed = has_decided and not is_open
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=APPROVED,
        passed=is_passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=_words(approval, has_decided=has_decided),
        metadata={_STATE: _shown(approval), "proposal": approval.code} if approval else {},
    )


def report_answers(
    instance: DagsterInstance, keys: Mapping[str, dg.AssetKey], found: Sequence[Approval]
) -> None:
    """Has Dagster know what became of proposals, each of the newest materialization of its agent, once for each state."""
    newest = {approval.agent: approval for approval in found if approval.agent in keys}
    checks = {dg.AssetCheckKey(keys[agent], APPROVED): it for agent, it in newest.items()}
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([*checks])
    for check, approval in checks.items():
        execution = latest.get(check)
        evaluation = (
            execution.event.asset_check_evaluation if execution and execution.event else None
        )
        known = evaluation.metadata.get(_STATE) if evaluation else None
        shown = evaluation.metadata.get("proposal") if evaluation else None
        state = _shown(approval)
        if shown is None or shown.value != approval.code or (known and known.value == state):
            continue
        report_answer(instance, check.asset_key, approval)


def report_answer(instance: DagsterInstance, key: dg.AssetKey, approval: Approval) -> None:
    """Tells Dagster how the check stands, outside a run, where the newest materialization is of this proposal."""
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    decision = materialization.metadata.get(DECISION_ID) if materialization else None
    if event is None or decision is None or decision.value != approval.decision_id:
        return
    is_passed = approval.state in _PASSES
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=APPROVED,
            passed=is_passed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=_told(approval),
            metadata={
                _STATE: dg.MetadataValue.text(_shown(approval)),
                "proposal": dg.MetadataValue.text(approval.code),
                "by": dg.MetadataValue.text(approval.answered_by or ""),
                "why": dg.MetadataValue.text(approval.why),
            },
            blocking=True,
        )
    )


def _words(approval: Approval | None, *, has_decided: bool) -> str:
    if approval is None:
        return "Nothing is to be approved" if has_decided else "It came to no decision"
    return (
        "Waits for a person"
        if approval.state is ApprovalState.PENDING
        else approval.why.capitalize()
    )


def _shown(approval: Approval) -> str:
    """What Dagster is told: that something was used is still that it was approved."""
    return ApprovalState.APPROVED.value if approval.state in _PASSES else approval.state.value


def _told(approval: Approval) -> str:
    is_answer = _shown(approval) in (ApprovalState.APPROVED, ApprovalState.REJECTED)
    by = f" by {approval.answered_by}" if approval.answered_by and is_answer else ""
    return f"{_shown(approval).capitalize()}{by}"
