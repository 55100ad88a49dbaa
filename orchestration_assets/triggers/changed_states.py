"""States that changed: what a metric means, whether it is fresh, and whether its checks pass."""

from itertools import pairwise

from agent_resources.trigger import Check, DefinitionChanged, Freshness
from orchestration_assets.triggers.gates import Gate
from orchestration_assets.triggers.sight import Found, Sight, TriggerReason


def look_at_definitions(when: DefinitionChanged, sight: Sight, found: Found) -> None:
    """Finds the metrics that mean something else than when the agent last ran."""
    before = sight.handled.meanings if sight.handled else {}
    since = {name: step.identity for step in sight.changes or () for name in step.meant}
    for name in sight.asked(when.metrics):
        meaning = sight.basis.meanings.get(name)
        if name in before and meaning is not None and (meaning != before[name] or name in since):
            found.reasons.append(
                TriggerReason(
                    kind=when.kind,
                    words=f"{name} means something else than when it last ran",
                    key=f"meaning {name} {meaning} {since.get(name, sight.record.identity)}",
                    metrics=(name,),
                )
            )


def look_at_freshness(when: Freshness, sight: Sight, found: Found) -> None:
    """Finds the metrics that became stale, or fresh again."""
    before = sight.handled.closed if sight.handled else {}
    for name in sight.asked(when.metrics):
        closed = sight.closed.get(name)
        was_stale = before.get(name, "").startswith(Gate.FRESHNESS)
        is_stale = closed is not None and closed.gate is Gate.FRESHNESS
        if when.becomes == "stale" and is_stale and closed and before.get(name) != closed.episode:
            found.reasons.append(
                TriggerReason(
                    kind=when.kind,
                    words=f"{name} became stale: {closed.told}",
                    key=f"stale {name} {closed.episode}",
                    metrics=(name,),
                    is_of_gate=True,
                )
            )
        became_fresh = not is_stale and (was_stale or _was_stale_between(name, sight))
        if when.becomes == "fresh" and became_fresh:
            found.reasons.append(
                TriggerReason(
                    kind=when.kind,
                    words=f"{name} is fresh again: its data was published at {sight.record.published([name]):%Y-%m-%d %H:%M} UTC",
                    key=f"fresh {name} {sight.record.identity}",
                    metrics=(name,),
                )
            )


def _was_stale_between(name: str, sight: Sight) -> bool:
    """Whether the data of a metric grew too old between two snapshots since the last run."""
    within = sight.ages.get(name)
    if within is None or sight.handled is None:
        return False
    is_of_platform = name in sight.metrics.catalog.platform_metrics
    steps = [it for it in sight.changes or () if is_of_platform or not it.is_of_platform]
    moments = [sight.handled.published_at(name), *(step.published_at for step in steps)]
    if sight.changes is None:
        moments.append(sight.record.published([name]))
    return any(after - at > within for at, after in pairwise(moments))


def look_at_checks(when: Check, sight: Sight, found: Found) -> None:
    """Finds the metrics of which a check failed, or passes again."""
    before = sight.handled.closed if sight.handled else {}
    for name in sight.asked(when.metrics):
        closed = sight.closed.get(name)
        is_failed = closed is not None and closed.gate is Gate.CHECK
        was_failed = before.get(name, "").startswith(Gate.CHECK)
        steps = [step for step in sight.changes or () if name in step.closed]
        between = [step.closed[name] for step in steps]
        last = steps[-1].identity if steps else before.get(name, "")
        if when.becomes == "failed":
            episode = closed.episode if closed and is_failed else None
            failed = [why for why in between if why is not None]
            if episode is not None and before.get(name) != episode:
                text, key = f"{name}: {closed.told if closed else ''}", f"failed {name} {episode}"
            elif failed and not is_failed:
                text = f"{name} failed a check and recovered since: {failed[-1]}"
                key = f"failed {name} {last}"
            else:
                continue
            found.reasons.append(
                TriggerReason(kind=when.kind, words=text, key=key, metrics=(name,), is_of_gate=True)
            )
        elif not is_failed and (was_failed or any(why is None for why in between)):
            found.reasons.append(
                TriggerReason(
                    kind=when.kind,
                    words=f"what {name} is made of passes its checks again",
                    key=f"recovered {name} {last}",
                    metrics=(name,),
                )
            )
