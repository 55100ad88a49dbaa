"""A sensor that follows what agents propose: has people told, ends what is void, tells Dagster of answers, and asks for what was approved to be done.

It keeps nothing of its own: every step is on record, and the next tick goes on where one ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster import DagsterInstance

from agent_resources.agent import AgentDefinition
from agent_resources.metrics_resource import GovernedMetricsResource
from orchestration_assets.approvals.actions_asset import actions_key
from orchestration_assets.approvals.approved_check import report_answers
from orchestration_assets.approvals.notifying import (
    Notice,
    Notifier,
    NotNotified,
    address_digest,
    notifiers_of,
)
from orchestration_assets.approvals.standing import void_because
from orchestration_assets.other_policy import NOT_PUBLISHED
from orchestration_assets.read_events import AGENT_TAG
from semantic.errors import GovernedMetricsError, SnapshotUnavailable
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import RecordKind
from semantic.ledger.approval_steps import remind, void
from semantic.ledger.approvals import (
    Approval,
    ApprovalState,
    approvals,
)

_HOUR = 3_600
_MOST_TRIES = 3
_APPROVAL_TAG = "governed_agents/approval"
_OPEN = (ApprovalState.PENDING, ApprovalState.APPROVED)
NOBODY: Mapping[str, Notifier] = {}


@dataclass(frozen=True, kw_only=True)
class Proposer:
    """An agent that may propose something, and its asset."""

    definition: AgentDefinition
    key: dg.AssetKey


def build_approvals_sensor(
    proposers: Sequence[Proposer],
    *,
    name: str = "agents_approvals",
    resource_key: str = "governed_metrics",
    notify_env: Sequence[str] = (),
    notify: Sequence[str] = (),
    minimum_interval_seconds: int = 30,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """The sensor. `notify` are addresses of those who are told, `notify_env` environment variables that hold such; a file, a webhook, or what Apprise knows."""
    acting = [it for it in proposers if it.definition.writes]

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*(actions_key(it.definition.name) for it in acting))
        if acting
        else None,
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        required_resource_keys={resource_key},
        description="Follows what agents propose: tells people, ends what is void, and has what was approved done.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resource: GovernedMetricsResource = getattr(context.resources, resource_key)
        try:
            with resource.open(context.instance) as metrics:
                return follow(
                    context.instance, metrics, proposers, notifiers_of(notify, notify_env)
                )
        except GovernedMetricsError as error:
            return dg.SensorResult(skip_reason=str(error))

    return sensor


def follow(
    instance: DagsterInstance,
    metrics: GovernedMetrics,
    proposers: Sequence[Proposer],
    notifiers: Mapping[str, Notifier] = NOBODY,
    *,
    now: datetime | None = None,
) -> dg.SensorResult:
    """One tick: what is to be done, or why nothing is. `notifiers` are by address, of which the record keeps a digest."""
    if not metrics.has_published_policy():
        return dg.SensorResult(skip_reason=NOT_PUBLISHED)
    moment = now or metrics.now()
    by_name = {it.definition.name: it for it in proposers}
    own = [it for it in approvals(metrics.ledger) if it.agent in by_name]
    found = [it.at_moment(moment) for it in _void(own, by_name, metrics, moment)]
    report_answers(instance, {name: it.key for name, it in by_name.items()}, found)
    told, failed = _tell(found, by_name, metrics, notifiers, moment)
    to_do = [
        it
        for it in found
        if it.state in (ApprovalState.APPROVED, ApprovalState.USED)
        and it.actions
        and by_name[it.agent].definition.writes
    ]
    asked = [_request(it, instance) for it in to_do]
    requests = [it for it in asked if isinstance(it, dg.RunRequest)]
    failed += [it for it in asked if isinstance(it, str)]
    if requests:
        return dg.SensorResult(run_requests=requests)
    waiting = [it for it in found if it.state is ApprovalState.PENDING]
    lines = [
        f"{it.agent}: {it.code} waits for {', '.join(it.terms.by)} until {it.expires_at[:16].replace('T', ' ')} UTC"
        for it in waiting
    ]
    return dg.SensorResult(
        skip_reason="\n".join([*told, *failed, *lines]) or "nothing waits for an answer"
    )


def _void(
    own: Sequence[Approval],
    proposers: Mapping[str, Proposer],
    metrics: GovernedMetrics,
    now: datetime,
) -> list[Approval]:
    """The proposals, after those of which what they rest on changed were ended."""
    try:
        record = metrics.snapshots.current()
    except SnapshotUnavailable:
        return list(own)
    newest = {it.agent: it.approval_id for it in own}
    found = []
    for approval in own:
        after = approval
        if approval.at_moment(now).state in _OPEN:
            definition = proposers[approval.agent].definition
            why = void_because(approval, definition, metrics, record, newest[approval.agent])
            after = approval if why is None else void(metrics.ledger, approval, why)
        found.append(after)
    return found


def _tell(
    found: Sequence[Approval],
    proposers: Mapping[str, Proposer],
    metrics: GovernedMetrics,
    notifiers: Mapping[str, Notifier],
    now: datetime,
) -> tuple[list[str], list[str]]:
    """Has people told of what waits, each stage once. Returns what was told, and what could not be."""
    told, failed = [], []
    for approval in found if notifiers else ():
        if approval.state is not ApprovalState.PENDING:
            continue
        definition = proposers[approval.agent].definition
        for stage, to in _due(approval, definition, now):
            notice = _notice(stage, to, approval, metrics)
            for address, one in notifiers.items():
                step = f"{stage} {address_digest(address)}"
                if step in approval.reminded:
                    continue
                try:
                    one.notify(notice)
                except NotNotified as error:
                    failed.append(f"{approval.agent}: {stage} of {approval.code}: {error.message}")
                    continue
                remind(metrics.ledger, approval, step, to)
                told.append(f"{approval.agent}: {stage} of {approval.code}, to {', '.join(to)}")
    return told, failed


def _due(
    approval: Approval, definition: AgentDefinition, now: datetime
) -> list[tuple[str, tuple[str, ...]]]:
    """The stages that people are to be told of by now and were not, with whom."""
    asked, waited = definition.approval, approval.seconds_waiting(now)
    stages = [
        ("proposed", 0.0, approval.terms.by),
        ("reminder", asked.remind_after_hours, approval.terms.by),
        ("escalation", asked.escalate_after_hours, asked.escalate_to),
    ]
    return [
        (stage, to) for stage, hours, to in stages if hours is not None and waited >= hours * _HOUR
    ]


def _notice(
    stage: str, to: tuple[str, ...], approval: Approval, metrics: GovernedMetrics
) -> Notice:
    bodies = (metrics.ledger.body(it, RecordKind.TOOL_CALL) for it in approval.actions)
    return Notice(
        stage=stage,
        agent=approval.agent,
        proposal=approval.code,
        to=to,
        actions=tuple(body["details"]["tool"].partition(":")[2] for body in bodies if body),
        until=approval.expires_at,
        run_id=approval.run_id,
    )


def _request(approval: Approval, instance: DagsterInstance) -> dg.RunRequest | str:
    """A request for the run that does what was approved, again where one ended before it had; or why none is asked for."""
    tag = {_APPROVAL_TAG: approval.code}
    earlier = instance.get_runs(dg.RunsFilter(tags=tag))
    if any(not run.is_finished for run in earlier):
        return f"{approval.agent}: {approval.code} is being done"
    if len(earlier) >= _MOST_TRIES:
        return f"{approval.agent}: {approval.code} was tried {len(earlier)} times; materialize {actions_key(approval.agent).to_user_string()} when what keeps it is mended"
    return dg.RunRequest(
        run_key=f"{approval.agent}-approved-{approval.approval_id}-{len(earlier)}",
        asset_selection=[actions_key(approval.agent)],
        tags={AGENT_TAG: approval.agent, **tag},
    )
