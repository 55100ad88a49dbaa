"""What a materialization tells of an agent's run: what it decided, or at which limit it ended, and what that took."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from agent_resources.agent_run import AgentRun, LimitedRun
from agent_resources.because import Because
from agent_resources.decision import Decision
from agent_resources.quality import Quality, quality_of
from orchestration_assets.read_events import (
    checkpoint_metadata,
    input_version_tags,
    linked_reads,
    reads_table,
)
from semantic.ledger import Ledger
from semantic.ledger.budgets import MICROS
from semantic.ledger.run_decisions import HISTORY
from semantic.ledger.verdicts import judged_decisions

BASIS = "basis"
STATE = "state"
DECIDED = "decided"
PROPOSED = "proposed"
LIMITED = "limited"
DECISION_ID = "decision_id"
_RECENT_DAYS = 90


def materialized(
    run: AgentRun | LimitedRun,
    basis: str | None,
    metric_keys: Mapping[str, dg.AssetKey],
    checkpoint: str | None,
    *,
    run_id: str,
    quality: Quality | None = None,
    checks: Sequence[dg.AssetCheckResult] = (),
    proposal: Mapping[str, Any] | None = None,
    as_known: str | None = None,
) -> dg.MaterializeResult[None]:
    """The materialization of a run: its decision in words and the figures with their reads, or its limit; and what it took.

    `basis` is what the agent's own task has been done for; None where it never was. `checkpoint` covers every record of the run. `quality` is that
    of its decisions before, as far as somebody told how they turned out; `proposal` tells what a person has to answer, where that is something; `as_known` says
    as which past a run was played.
    """
    return dg.MaterializeResult(
        metadata={
            STATE: _state(run, is_proposed=bool(proposal), is_played=as_known is not None),
            **({"as_known": as_known} if as_known else {}),
            **(proposal or {}),
            **_because(run.because),
            **_ended(run),
            "reads": reads_table(run.reads),
            "reads_linked": linked_reads(run.reads, metric_keys, run_id),
            "reads_allowed": len(run.answers()),
            "reads_refused": len(run.refusals()),
            "model": run.model,
            "is_scripted": run.is_scripted,
            "requests": run.usage.requests,
            "input_tokens": run.usage.input_tokens,
            "output_tokens": run.usage.output_tokens,
            **_cost(run.usage.cost_micros),
            "seconds": round(run.seconds, 3),
            **(_quality(quality) if quality else {}),
            "definition_hash": run.definition_hash,
            "snapshot": run.snapshot,
            **checkpoint_metadata(checkpoint),
            **({"resumed_from": run.resumed_from} if run.resumed_from else {}),
            **({BASIS: basis} if basis else {}),
        },
        tags=input_version_tags(run.reads, metric_keys),
        check_results=checks,
    )


def _state(run: AgentRun | LimitedRun, *, is_proposed: bool, is_played: bool) -> str:
    if not isinstance(run, AgentRun):
        return LIMITED
    if is_played:
        return HISTORY
    return PROPOSED if is_proposed else DECIDED


def _ended(run: AgentRun | LimitedRun) -> dict[str, Any]:
    if isinstance(run, LimitedRun):
        return {"limit": run.limit, DECISION_ID: run.limit_id}
    decision = run.decision
    return {
        "answer": dg.MetadataValue.md(decision.answer),
        "findings": dg.MetadataValue.md(
            "\n".join(f"- {finding.statement}" for finding in decision.findings) or "none"
        ),
        "figures": _figures_table(decision),
        "confidence": decision.confidence,
        DECISION_ID: run.decision_id,
        **({"output": dg.MetadataValue.json(decision.output)} if decision.output else {}),
        "decision": dg.MetadataValue.json(decision.model_dump(mode="json")),
    }


def _because(because: Because | None) -> dict[str, Any]:
    """Why it ran, nothing where a person asked for that."""
    if because is None or not because.causes:
        return {}
    lines = (line for cause in because.causes for line in cause.text.splitlines())
    return {"because": dg.MetadataValue.md("\n".join(f"- {line}" for line in lines))}


def recent_quality(ledger: Ledger, agent: str) -> Quality:
    """How well an agent decided in the last days. Raises `LedgerUnavailable`."""
    since = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=_RECENT_DAYS)
    return quality_of(judged_decisions(ledger, agents=[agent], since=since))


def _quality(quality: Quality) -> dict[str, int | float]:
    """Nothing where nobody told how a decision turned out."""
    if quality.right_share is None:
        return {}
    per_right = quality.cost_micros_per_right
    return {
        "outcomes_told": quality.told,
        "outcomes_right": quality.right,
        "outcomes_acted_on": quality.acted_on,
        "outcomes_right_share": quality.right_share,
        **({} if per_right is None else {"cost_usd_per_right_outcome": per_right / MICROS}),
    }


def _cost(micros: int | None) -> dict[str, float]:
    """The cost in US dollars; nothing where it is not known, since nothing is not zero."""
    return {} if micros is None else {"cost_usd": micros / MICROS}


def _figures_table(decision: Decision) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "figure": figure.name,
                    "value": figure.value,
                    "unit": figure.unit or "",
                    "read_id": figure.read_id,
                }
            )
            for figure in decision.figures()
        ],
        schema=dg.TableSchema(
            [
                dg.TableColumn("figure", "string"),
                dg.TableColumn("value", "float"),
                dg.TableColumn("unit", "string"),
                dg.TableColumn("read_id", "string"),
            ]
        ),
    )
