"""Occasions: times of the calendar, and decisions of other agents."""

from collections.abc import Mapping
from typing import Any

from agent_resources.trigger import Cron, DecisionOf
from orchestration_assets.triggers.calendar import last_tick
from orchestration_assets.triggers.sight import Found, Sight, TriggerReason
from semantic.ledger.moment import as_recorded

MOST_HOPS = 5


def look_at_clock(when: Cron, sight: Sight, found: Found) -> None:
    """Finds the newest tick of a schedule since the agent last ran."""
    tick = last_tick(when, sight.since, sight.now)
    if tick is not None:
        found.reasons.append(
            TriggerReason(
                kind=when.kind,
                words=f"it is time: {when.at} {when.time_zone}, {tick:%Y-%m-%d %H:%M} UTC",
                key=f"cron {when.at} {when.time_zone} {tick.isoformat()}",
            )
        )


def look_at_decisions(when: DecisionOf, sight: Sight, found: Found) -> None:
    """Finds what another agent decided since the agent last ran, up to a number of agents that each ran because of another."""
    after = sight.handled.seq if sight.handled else 0
    since = as_recorded(sight.since)
    for decision in sight.decisions:
        is_of_it = decision.agent == when.of and decision.state == when.state
        is_new = decision.seq > after and (sight.handled is not None or decision.at >= since)
        if not (is_of_it and is_new and _matches(when, decision.output)):
            continue
        hops = decision.hops + 1
        if hops > MOST_HOPS:
            found.notes.append(
                f"stopped: the decision {decision.decision_id[:8]} of {when.of} came of {decision.hops} agents that each ran because of another; "
                f"at most {MOST_HOPS} do"
            )
            continue
        fields = ", ".join(f"{name} {decision.output[name]}" for name in when.where)
        found.reasons.append(
            TriggerReason(
                kind=when.kind,
                words=f"{when.of}: {when.state} {decision.decision_id}{f', {fields}' if fields else ''}",
                key=f"decision {decision.decision_id} {when.state}",
                hops=hops,
            )
        )


def _matches(when: DecisionOf, output: Mapping[str, Any]) -> bool:
    return all(output.get(name) in wanted for name, wanted in when.where.items())
