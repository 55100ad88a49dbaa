"""The asset check `grounded` of an agent: whether what it stated can be traced to cells that it read."""

from collections.abc import Sequence

import dagster as dg

from agent_resources.agent import AgentDefinition
from agent_resources.agent_run import AgentRun, LimitedRun
from agent_resources.grounding import GroundedText, ground

GROUNDED = "grounded"
_MOST_ROWS = 200


def grounded_spec(definition: AgentDefinition, key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check of an agent's asset. Blocking where its file says so: then what rests on the decision does not run."""
    return dg.AssetCheckSpec(
        GROUNDED,
        asset=key,
        blocking=definition.grounding.on_untraced == "block",
        description="Each number, percentage, day and ranking that the agent states is a cell of the reads that it cites, or comes from such cells",
    )


def check_grounded(
    definition: AgentDefinition, run: AgentRun | LimitedRun, key: dg.AssetKey
) -> dg.AssetCheckResult:
    """The result of the check for a run: fails where a claim cannot be traced, and names it; and where there is no decision to rest on."""
    is_blocking = definition.grounding.on_untraced == "block"
    severity = dg.AssetCheckSeverity.ERROR if is_blocking else dg.AssetCheckSeverity.WARN
    if isinstance(run, LimitedRun):
        return dg.AssetCheckResult(
            asset_key=key,
            check_name=GROUNDED,
            passed=False,
            severity=severity,
            description=f"It came to no decision: {run.limit}",
        )
    texts = ground(
        run.decision,
        run.reads,
        tolerance=definition.grounding.tolerance,
        no_figures=definition.grounding.no_figures,
    )
    untraced = [(text, claim) for text in texts for claim in text.untraced]
    named = "; ".join(f"{claim.text} ({claim.kind})" for _, claim in untraced[:10])
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=GROUNDED,
        passed=not untraced,
        severity=severity,
        description=f"Cannot be traced to a read that is cited: {named}" if untraced else None,
        metadata={
            "claims": sum(len(text.traces) for text in texts),
            "untraced_claims": len(untraced),
            "untraced": _untraced_table(texts),
            "traced": _traced_table(texts),
        },
    )


def _untraced_table(texts: Sequence[GroundedText]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"claim": claim.text, "kind": claim.kind.value, "in": text.text})
            for text in texts
            for claim in text.untraced
        ][:_MOST_ROWS],
        schema=_columns("claim", "kind", "in"),
    )


def _traced_table(texts: Sequence[GroundedText]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "claim": trace.claim.text,
                    "kind": trace.claim.kind.value,
                    "is": trace.how or "",
                    "read_id": trace.read_id or "",
                }
            )
            for text in texts
            for trace in text.traces
            if trace.is_grounded
        ][:_MOST_ROWS],
        schema=_columns("claim", "kind", "is", "read_id"),
    )


def _columns(*names: str) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, "string") for name in names])
