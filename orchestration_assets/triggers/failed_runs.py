"""Dagster runs that failed since an agent last looked."""

from collections import Counter

from agent_resources.remedies import Remedy
from agent_resources.trigger import RunFailed
from orchestration_assets.triggers.sight import Found, Sight, TriggerReason
from semantic.ledger.approvals import RemedyEnd, approvals
from semantic.ledger.moment import as_recorded
from semantic.pattern import matches_any
from semantic.platform.failed_assets import FAILURE_WATCH, FAILURES, PAST_WATCH, FailedAsset
from semantic.watch import Points

_ANY_ATTEMPTS = 20


def look_at_failures(when: RunFailed, sight: Sight, found: Found) -> None:
    """Finds the runs that failed since the agent last ran, each as it was published first. Of a failure of the agent itself it is not told: that would have no end."""
    seen = sight.seen(FAILURE_WATCH) if FAILURES in sight.readable else None
    now = sight.record.watched.get(seen[1]) if seen else None
    if seen is None or now is None:
        found.notes.append(
            f"{FAILURES} is not measured by what it tells of a failure; it is from the next publication of platform_health on, where the policy permits all of its dimensions"
        )
        return
    before = sight.handled.figures.get(seen[1], {}) if sight.handled else {}
    _look_at_remedies(when, sight, found)
    known = {it.run for it in _failed(before)}
    recovery = sight.definition.recovery
    most = recovery.attempts if recovery else _ANY_ATTEMPTS
    if now and not _failed(now):
        found.notes.append(
            f"the policy leaves out or masks dimensions of {FAILURES}, so that one failure cannot be told from another"
        )
    for failed in _failed(now):
        if failed.run in known or not _speaks_of(when, failed) or _is_own(failed, sight):
            continue
        if failed.attempts > most:
            found.notes.append(
                f"stopped: the run {failed.run} is try {failed.attempt}, and the agent looks after {most}"
            )
            continue
        found.reasons.append(
            TriggerReason(
                kind=when.kind,
                words=f"failed: {failed.told}",
                key=f"failed {failed.run} {failed.failed}",
                metrics=(FAILURES,),
                told=(FAILURE_WATCH, PAST_WATCH),
                telling=lambda: (FAILURES,),
            )
        )


def _look_at_remedies(when: RunFailed, sight: Sight, found: Found) -> None:
    """Finds remedies of the agent that have come to nothing since, without a run of their own that could fail."""
    if sight.definition.recovery is None or sight.handled is None:
        return
    since = as_recorded(sight.handled.at)
    tries: Counter[str] = Counter()
    for approval in approvals(sight.metrics.ledger):
        ended = approval.remedies if approval.agent == sight.definition.name else {}
        for action, it in ended.items():
            is_in_vain = it.end is RemedyEnd.NOT_DONE or (
                it.end is RemedyEnd.FAILED and it.remedy == Remedy.WAIT
            )
            tries[it.run_id] += is_in_vain
            if not is_in_vain or it.at <= since:
                continue
            if tries[it.run_id] >= sight.definition.recovery.attempts:
                found.notes.append(
                    f"stopped: {tries[it.run_id]} remedies of the run {it.run_id} were in vain, and the agent looks after {sight.definition.recovery.attempts}"
                )
            else:
                found.reasons.append(
                    TriggerReason(
                        kind=when.kind,
                        words=f"{it.remedy} of the run {it.run_id}: {it.end}: {it.note}",
                        key=f"remedy {action}",
                    )
                )


def _failed(points: Points) -> list[FailedAsset]:
    found = (FailedAsset.of(cells) for cells in sorted(points))
    return [failed for failed in found if failed is not None]


def _speaks_of(when: RunFailed, failed: FailedAsset) -> bool:
    is_of_job = not when.jobs or matches_any(failed.job or "", when.jobs)
    return is_of_job and (not when.assets or matches_any(failed.failed or "", when.assets))


def _is_own(failed: FailedAsset, sight: Sight) -> bool:
    return sight.definition.name in (failed.agent or "").split(",")
