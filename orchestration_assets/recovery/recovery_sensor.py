"""A sensor that does what was allowed about failed runs, and puts on record whether it helped.

It keeps nothing of its own: what was asked for and how it ended is in the record, and a run that it asked for is known by its tags.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from agent_resources.agent import AgentDefinition
from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.approvals.notifying import notifiers_of
from orchestration_assets.other_policy import NOT_PUBLISHED
from orchestration_assets.recovery.asked_remedies import AskedRemedy, asked_remedies
from orchestration_assets.recovery.following import Ended, Surroundings, Waits, next_step
from semantic.errors import GovernedMetricsError
from semantic.ledger import Ledger
from semantic.ledger.approval_steps import end_remedy
from semantic.ledger.approvals import Approval, RemedyEnd, approval_of
from semantic.ledger.verdicts import Source, Turned, Verdict, tell_verdict

_BY = "agents_recovery"


def build_recovery_sensor(
    definitions: Sequence[AgentDefinition],
    *,
    name: str = _BY,
    resource_key: str = "governed_metrics",
    notify: Sequence[str] = (),
    notify_env: Sequence[str] = (),
    minimum_interval_seconds: int = 30,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """The sensor. It may ask for a run of any asset of the code location."""

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        required_resource_keys={resource_key},
        description="Does what was allowed about failed runs, and puts on record whether it helped.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        repository = context.repository_def
        if repository is None:
            return dg.SensorResult(skip_reason="There is no code location to look at")
        try:
            with resource.open(context.instance) as metrics:
                around = Surroundings(
                    instance=context.instance,
                    repository=repository,
                    metrics=metrics,
                    notifiers=notifiers_of(notify, notify_env),
                    now=metrics.now(),
                )
                return recover(around, {it.name: it for it in definitions})
        except GovernedMetricsError as error:
            return dg.SensorResult(skip_reason=str(error))

    return sensor


def recover(around: Surroundings, definitions: Mapping[str, AgentDefinition]) -> dg.SensorResult:
    """One tick: the runs to ask for, or how each remedy stands."""
    metrics = around.metrics
    if not metrics.has_published_policy():
        return dg.SensorResult(skip_reason=NOT_PUBLISHED)
    requests: list[dg.RunRequest] = []
    lines: list[str] = []
    for asked in asked_remedies(metrics.ledger, definitions):
        step = next_step(asked, definitions[asked.approval.agent], around)
        told = f"{asked.approval.agent}: {asked.remedy} of {asked.run_id}"
        match step:
            case dg.RunRequest() if _overlap(step, requests):
                lines.append(f"{told} waits: another remedy makes the same")
            case dg.RunRequest():
                requests.append(step)
            case Waits():
                lines.append(f"{told} waits: {step.note}")
            case Ended():
                _end(metrics.ledger, asked, step)
                lines.append(f"{told} {step.end.value}: {step.note}")
    if requests:
        return dg.SensorResult(run_requests=requests)
    return dg.SensorResult(
        skip_reason="\n".join(lines) or "nothing is to be done about failed runs"
    )


def _overlap(one: dg.RunRequest, others: Sequence[dg.RunRequest]) -> bool:
    """Whether a run would make what another one of this tick makes."""
    taken = {key for it in others for key in it.asset_selection or ()}
    return not taken.isdisjoint(one.asset_selection or ())


def _end(ledger: Ledger, asked: AskedRemedy, step: Ended) -> None:
    """Puts on record how a remedy ended, and where all of a proposal have, how that turned out: its agent is told by its memory of past runs."""
    end_remedy(
        ledger,
        asked.approval,
        asked.action,
        remedy=asked.remedy.value,
        run_id=asked.run_id,
        end=step.end,
        note=step.note,
    )
    approval = approval_of(ledger, asked.approval.approval_id)
    goes_on = any(
        it.approval.approval_id == approval.approval_id
        for it in asked_remedies(ledger, {approval.agent})
    )
    turned = _turned(approval)
    if turned is not None and not goes_on:
        note = "; ".join(f"{it.end.value}: {it.note}" for it in approval.remedies.values())
        verdict = Verdict(turned=turned, acted_on=True, note=note)
        tell_verdict(ledger, approval.decision_id, verdict, by=_BY, source=Source.CHECK)


def _turned(approval: Approval) -> Turned | None:
    """Wrong where one of its remedies failed, right where one helped and none failed; None where none says anything."""
    ends = [it.end for it in approval.remedies.values()]
    if RemedyEnd.FAILED in ends:
        return Turned.WRONG
    return Turned.RIGHT if RemedyEnd.RECOVERED in ends else None
