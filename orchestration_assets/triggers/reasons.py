"""What calls for a run of an agent: each trigger of its file, held against what its last run was based on.

Nothing here keeps a state of its own. What stands now, and what each snapshot changed since the last run, are there anyway; so a restart, a reload or a
missed tick loses nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from agent_resources.trigger import (
    Check,
    Cron,
    DecisionOf,
    DefinitionChanged,
    Freshness,
    RunFailed,
    ValueChanged,
)
from orchestration_assets.triggers.changed_states import (
    look_at_checks,
    look_at_definitions,
    look_at_freshness,
)
from orchestration_assets.triggers.changed_values import look_at_values
from orchestration_assets.triggers.failed_runs import look_at_failures
from orchestration_assets.triggers.occasions import look_at_clock, look_at_decisions
from orchestration_assets.triggers.sight import Called, Found, Sight

_LOOKS: Mapping[type, Callable[[Any, Sight, Found], None]] = {
    ValueChanged: look_at_values,
    DefinitionChanged: look_at_definitions,
    Freshness: look_at_freshness,
    Check: look_at_checks,
    Cron: look_at_clock,
    DecisionOf: look_at_decisions,
    RunFailed: look_at_failures,
}


def called_for(sight: Sight) -> Called:
    """What calls for a run of an agent now."""
    found = Found()
    for when in sight.definition.trigger.on:
        _LOOKS[type(when)](when, sight, found)
    return Called(reasons=tuple(found.reasons), notes=tuple(dict.fromkeys(found.notes)))
