"""What becomes of a remedy, one tick after another: it is begun, goes on, or has ended, and then whether it helped is on record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from dagster import DagsterInstance
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster_shared.check import CheckError

from agent_resources.agent import AgentDefinition
from agent_resources.remedies import Remedy
from orchestration_assets.approvals.notifying import Notice, Notifier, NotNotified, address_digest
from orchestration_assets.in_progress import assets_in_progress, unfinished_runs
from orchestration_assets.platform.run_facts import (
    FIRST_RUN_TAG,
    REMEDY_TAG,
    first_run_of,
    tries_again,
)
from orchestration_assets.recovery.asked_remedies import AskedRemedy
from orchestration_assets.recovery.failed_run import FailedRun, failed_run, newest_failed
from semantic.errors import did_you_mean
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger.approval_steps import remind
from semantic.ledger.approvals import RemedyEnd
from semantic.ledger.moment import parsed

ACTION_TAG = "governed_agents/remedy_action"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """That a remedy has ended, and how."""

    end: RemedyEnd
    note: str


@dataclass(frozen=True, kw_only=True)
class Waits:
    """That a remedy goes on, and for what it waits."""

    note: str


Step = Ended | Waits | dg.RunRequest


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where remedies are done: the instance, the code location, the door, and who is told, by address."""

    instance: DagsterInstance
    repository: dg.RepositoryDefinition
    metrics: GovernedMetrics
    notifiers: Mapping[str, Notifier]
    now: datetime

    @property
    def graph(self) -> BaseAssetGraph[Any]:
        return self.repository.asset_graph


def next_step(asked: AskedRemedy, definition: AgentDefinition, around: Surroundings) -> Step:
    """What is next for a remedy. Raises `LedgerUnavailable`."""
    failed = failed_run(around.instance, asked.run_id)
    if failed is None:
        hint = did_you_mean(asked.run_id, newest_failed(around.instance))
        return Ended(
            end=RemedyEnd.NOT_DONE,
            note=f"there is no failed run {asked.run_id!r}{f'; {hint}' if hint else ''}",
        )
    try:
        return _STEPS[asked.remedy](asked, failed, definition, around)
    except (dg.DagsterError, CheckError) as error:
        # One that Dagster does not take is no reason that the others wait.
        return Ended(
            end=RemedyEnd.NOT_DONE,
            note=f"Dagster does not take it ({type(error).__name__}), so that a person looks at the run",
        )


def _run_again(
    asked: AskedRemedy, failed: FailedRun, definition: AgentDefinition, around: Surroundings
) -> Step:
    begun = around.instance.get_runs(dg.RunsFilter(tags={ACTION_TAG: asked.action}), limit=1)
    if begun:
        return _end_of(begun[0])
    wrong = _cannot_be_made(failed, around.graph)
    if wrong is not None:
        return Ended(end=RemedyEnd.NOT_DONE, note=wrong)
    if failed.is_mended(around.instance):
        return Ended(end=RemedyEnd.RECOVERED, note="it was made by another run since")
    keys = list(failed.unmade)
    if asked.remedy is Remedy.REFRESH_UPSTREAM:
        keys = [*failed.upstream(around.graph), *keys]
    wrong = _wrong_partitions(failed, keys, around) or _not_permitted(asked, definition, around)
    if wrong is not None:
        return Ended(end=RemedyEnd.NOT_DONE, note=wrong)
    busy = assets_in_progress(around.instance, unfinished_runs(around.instance), keys)
    if busy:
        named = ", ".join(sorted(key.to_user_string() for key in busy))
        return Waits(note=f"another run makes {named}")
    more = (
        definition.recovery.more_resources
        if definition.recovery and asked.remedy is Remedy.RETRY_WITH_MORE_RESOURCES
        else {}
    )
    return dg.RunRequest(
        run_key=f"remedy-{asked.action}",
        asset_selection=keys,
        partition_key=failed.partition,
        run_config=failed.config(around.repository, keys),
        tags={
            **failed.tags,
            **more,
            REMEDY_TAG: asked.remedy.value,
            ACTION_TAG: asked.action,
            FIRST_RUN_TAG: first_run_of(failed.run),
        },
    )


def _not_permitted(
    asked: AskedRemedy, definition: AgentDefinition, around: Surroundings
) -> str | None:
    """Why it is not begun any more, None where it is: the policy may have changed while it waited."""
    verdict = around.metrics.policy.may_call(definition.reader, asked.remedy.value)
    return None if verdict.is_permitted else f"the policy permits it to '{definition.name}' no more"


def _wrong_partitions(
    failed: FailedRun, keys: Sequence[dg.AssetKey], around: Surroundings
) -> str | None:
    """Why these assets cannot be made in one run, None where they can."""
    partitions = {key: around.graph.get(key).partitions_def for key in keys}
    kinds = {str(found): found for found in partitions.values() if found is not None}
    if len(kinds) > 1:
        return "what is made of other partitions is not made in one run, so that a person does it"
    [found] = kinds.values() or [None]
    known = failed.partition
    if found is None or known is None:
        return None
    is_there = (
        around.instance.has_dynamic_partition(str(found.name), known)
        if isinstance(found, dg.DynamicPartitionsDefinition)
        else found.has_partition_key(known)
    )
    return None if is_there else f"there is no partition {known!r} any more"


def _end_of(run: dg.DagsterRun) -> Step:
    if not run.is_finished:
        return Waits(note=f"the run {run.run_id} goes on")
    if tries_again(run):
        return Waits(note=f"Dagster tries the run {run.run_id} again")
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return Ended(end=RemedyEnd.RECOVERED, note=f"the run {run.run_id} succeeded")
    return Ended(
        end=RemedyEnd.FAILED, note=f"the run {run.run_id} ended as {run.status.value.lower()}"
    )


def _cannot_be_made(failed: FailedRun, graph: BaseAssetGraph[Any]) -> str | None:
    """Why a run of assets is not asked for, None where one can be."""
    if not failed.unmade:
        return f"the job {failed.run.job_name} makes no assets, so that a person runs it again"
    strange = sorted(set(failed.unmade) - graph.materializable_asset_keys)
    if strange:
        return f"{strange[0].to_user_string()} is no asset of this code location, so that a person runs it again"
    return None


def _wait(asked: AskedRemedy, failed: FailedRun, _: AgentDefinition, around: Surroundings) -> Step:
    if failed.is_mended(around.instance):
        return Ended(end=RemedyEnd.RECOVERED, note="it was made while this waited")
    until = parsed(asked.at) + timedelta(minutes=asked.minutes)
    if around.now < until:
        return Waits(note=f"until {until:%Y-%m-%d %H:%M} UTC")
    return Ended(end=RemedyEnd.FAILED, note=f"it was not made within {asked.minutes} minutes")


def _escalate(
    asked: AskedRemedy, failed: FailedRun, definition: AgentDefinition, around: Surroundings
) -> Step:
    """Each address is told once, also where another could not be."""
    to = definition.approval.escalate_to or definition.approvers
    if not around.notifiers:
        return Ended(
            end=RemedyEnd.NOT_DONE,
            note="nobody is told: `notify` in the agents' defs.yaml names no address",
        )
    approval = asked.approval
    notice = Notice(
        stage="escalation",
        agent=approval.agent,
        proposal=approval.code,
        to=to,
        actions=(asked.remedy.value,),
        until=approval.expires_at,
        run_id=asked.run_id,
        about=f"The Dagster run {asked.run_id} of {failed.run.job_name} failed and needs a person.",
    )
    could_not = []
    for address, one in around.notifiers.items():
        step = f"escalate {asked.action} {address_digest(address)}"
        if step in approval.reminded:
            continue
        try:
            one.notify(notice)
        except NotNotified as error:
            could_not.append(error.message)
            continue
        remind(around.metrics.ledger, approval, step, to)
    if could_not:
        return Waits(note="; ".join(could_not))
    return Ended(end=RemedyEnd.TOLD, note=f"told {', '.join(to)}")


_STEPS: Mapping[Remedy, Callable[[AskedRemedy, FailedRun, AgentDefinition, Surroundings], Step]] = {
    Remedy.RETRY: _run_again,
    Remedy.RETRY_WITH_MORE_RESOURCES: _run_again,
    Remedy.REFRESH_UPSTREAM: _run_again,
    Remedy.WAIT: _wait,
    Remedy.ESCALATE: _escalate,
}
