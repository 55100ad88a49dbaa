"""The asset below an agent that writes: one materialization for what was approved and is done now."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from agent_resources.agent import AgentDefinition
from agent_resources.errors import GateClosed
from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.agent_run_place import read_context
from orchestration_assets.approvals.acting import Done, act_on
from orchestration_assets.approvals.standing import void_because
from orchestration_assets.errors import told_to_dagster
from orchestration_assets.other_policy import refuse_other_policy
from orchestration_assets.read_events import checkpoint_metadata
from orchestration_assets.translator import valid_owners
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext
from semantic.ledger.approval_steps import end_use, use, void
from semantic.ledger.approvals import Approval, ApprovalState, approvals
from semantic.ledger.moment import as_recorded

ACTED = "acted"


def actions_key(agent: str) -> dg.AssetKey:
    """The key of the asset of what an agent did, once that was approved."""
    return dg.AssetKey(["actions", agent])


def build_actions_asset(
    definition: AgentDefinition,
    agent_key: dg.AssetKey,
    *,
    resource_key: str,
    group_name: str = "agents",
) -> dg.AssetsDefinition:
    """The asset. A run of it makes the calls that the agent proposed and a person approved, in the order in which they were decided.

    Where nothing is approved it fails before anything is done. `resource_key` names the `GovernedMetricsResource`.
    """
    key = actions_key(definition.name)

    @dg.asset(
        key=key,
        deps=[agent_key],
        group_name=group_name,
        kinds={"agent", "action"},
        description=f"What '{definition.name}' did outside, once a person had approved it.",
        owners=valid_owners([definition.owner]),
        required_resource_keys={resource_key},
        pool=f"actions_{definition.name}",
        check_specs=[
            dg.AssetCheckSpec(
                ACTED, asset=key, blocking=True, description="Every call that was approved was made"
            )
        ],
    )
    def actions(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        place = read_context(context, purpose="approved action")
        with (
            told_to_dagster(),
            resource.open(context.instance) as metrics,
            metrics.ledger.holding(f"actions of {definition.name}") as is_alone,
        ):
            if not is_alone:
                raise GateClosed(
                    f"Another run does what '{definition.name}' was allowed to do",
                    hint="run it when that has ended",
                )
            refuse_other_policy(definition.name, metrics)
            done = []
            for approval, stopped in _approved(definition, metrics, place):
                acts = act_on(approval, definition, metrics, place, stopped=stopped)
                end_use(metrics.ledger, approval, _outcome(acts), place)
                done.append((approval, acts))
            checkpoint = metrics.ledger.seal()
        return _materialized(key, done, checkpoint)

    return actions


def _approved(
    definition: AgentDefinition, metrics: GovernedMetrics, place: ReadContext
) -> list[tuple[Approval, str | None]]:
    """What may be done now, each marked as used before anything of it is; of what an earlier try began, why nothing more of it may be begun. Raises
    `GateClosed` where that is nothing.
    """
    now, record = datetime.now(UTC), metrics.snapshots.current()
    own = [it for it in approvals(metrics.ledger) if it.agent == definition.name]
    newest = own[-1].approval_id if own else ""
    found: list[tuple[Approval, str | None]] = []
    refused = []
    for approval in (it.at_moment(now) for it in own):
        if approval.state is ApprovalState.USED:
            why = void_because(approval, definition, metrics, record, newest)
            is_late = as_recorded(now) >= approval.expires_at
            found.append((approval, why or ("it has expired" if is_late else None)))
        if approval.state is not ApprovalState.APPROVED or not approval.actions:
            continue
        why = void_because(approval, definition, metrics, record, newest)
        if why is not None:
            refused.append(f"{approval.code} is void: {why}")
            void(metrics.ledger, approval, why)
        elif use(metrics.ledger, approval, place):
            found.append((approval, None))
    if not found:
        raise GateClosed(
            f"'{definition.name}' may do nothing: {'; '.join(refused) or 'nothing that it proposed is approved'}",
            hint="governed-agents approvals tells what waits for an answer",
        )
    return found


def _outcome(acts: Sequence[Done]) -> dict[str, int]:
    states = [act.state for act in acts]
    return {state: states.count(state) for state in ("done", "failed", "unknown")}


def _materialized(
    key: dg.AssetKey, done: Sequence[tuple[Approval, Sequence[Done]]], checkpoint: str | None
) -> dg.MaterializeResult[None]:
    rows = [
        dg.TableRecord(
            {
                "proposal": approval.code,
                "approved_by": approval.answered_by or "",
                "tool": act.tool,
                "arguments": str(dict(act.arguments)),
                "state": act.state,
                "returned": act.returned,
            }
        )
        for approval, acts in done
        for act in acts
    ]
    wrong = [act for _, acts in done for act in acts if act.state != "done"]
    return dg.MaterializeResult(
        asset_key=key,
        metadata={
            "actions": dg.MetadataValue.table(
                rows,
                schema=dg.TableSchema(
                    [
                        dg.TableColumn(name, "string")
                        for name in (
                            "proposal",
                            "approved_by",
                            "tool",
                            "arguments",
                            "state",
                            "returned",
                        )
                    ]
                ),
            ),
            "done": len(rows) - len(wrong),
            "not_done": len(wrong),
            **checkpoint_metadata(checkpoint),
        },
        check_results=[
            dg.AssetCheckResult(
                asset_key=key,
                check_name=ACTED,
                passed=not wrong,
                description="; ".join(f"{act.tool}: {act.state}, {act.returned}" for act in wrong)
                or None,
            )
        ],
    )
