"""The asset check `outcome` of an agent: how its decisions turned out, as a function finds out from later metrics."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from agent_resources.agent import AgentDefinition
from agent_resources.decision import Decision
from agent_resources.metrics_resource import GovernedMetricsResource
from agent_resources.quality import quality_of
from orchestration_assets.errors import told_to_dagster
from semantic.answer import MetricAnswer, Refusal
from semantic.ledger import ReadContext
from semantic.ledger.erasable import is_erased
from semantic.ledger.verdicts import JudgedDecision, Source, Verdict, judged_decisions, tell_verdict
from semantic.policy import Reader
from semantic.query import MetricQuery

OUTCOME = "outcome"
Ask = Callable[[MetricQuery | Mapping[str, Any]], MetricAnswer | Refusal]
Judge = Callable[[Decision, datetime, Ask], Verdict | None]


def build_outcome_check(
    definition: AgentDefinition, key: dg.AssetKey, judge: Judge, *, resource_key: str
) -> dg.AssetChecksDefinition:
    """The check of an agent's asset. It asks `judge` of each decision of the last days that no check has judged yet: given the decision, when it was
    made (UTC) and a way to ask metrics as the reader that the agent's file names, it returns a `Verdict`, or None where it is too early.

    Passes where enough of the decisions that were told turned out right. `resource_key` names the `GovernedMetricsResource`.
    """
    asked = definition.outcome
    assert asked is not None

    @dg.asset_check(
        asset=key,
        name=OUTCOME,
        description=f"At least {asked.at_least:.0%} of the agent's decisions of {asked.days} days that were told turned out right",
        required_resource_keys={resource_key},
    )
    def outcome(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        since = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=asked.days)
        run = context.run
        reads = ReadContext(
            run_id=run.run_id,
            root_run_id=run.root_run_id or run.run_id,
            step_key=context.op_execution_context.op.name,
            purpose=f"outcome of {definition.name}",
        )
        with told_to_dagster(), resource.open(context.instance) as metrics:
            with metrics.session(Reader(name=asked.reader), reads) as session:
                decisions = judged_decisions(metrics.ledger, agents=[definition.name], since=since)
                for item in filter(_is_open, decisions):
                    verdict = judge(
                        Decision.model_validate_json(item.details["decision"]),
                        datetime.fromisoformat(item.at),
                        session.query,
                    )
                    if verdict is not None:
                        tell_verdict(
                            metrics.ledger,
                            item.decision_id,
                            verdict,
                            by=asked.reader,
                            source=Source.CHECK,
                        )
            quality = quality_of(
                judged_decisions(metrics.ledger, agents=[definition.name], since=since)
            )
        share = quality.right_share
        return dg.AssetCheckResult(
            passed=share is None or share >= asked.at_least,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "decisions": quality.decisions,
                "told": quality.told,
                "right": quality.right,
                "acted_on": quality.acted_on,
                **({} if share is None else {"right_share": share}),
            },
        )

    return outcome


def _is_open(item: JudgedDecision) -> bool:
    return item.turned is None and not is_erased(item.details)
