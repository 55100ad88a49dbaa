"""What a snapshot measures for the agents that are registered: the days of each metric that they ask for, and the figures of their triggers."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agent_resources.trigger import Trigger
from semantic.catalog import Catalog
from semantic.watch import Watch


def watches_of(
    registered: Mapping[str, Mapping[str, Any]], catalog: Catalog
) -> dict[str, tuple[Watch, ...]]:
    """By agent, without what its policy then refuses. A trigger that this version does not know watches nothing."""
    return {name: _watches(definition, catalog) for name, definition in registered.items()}


def _watches(definition: Mapping[str, Any], catalog: Catalog) -> tuple[Watch, ...]:
    asked = definition.get("metrics", ())
    whole = (
        Watch(metric=name, periods=catalog.metrics[name].scope.days)
        for name in asked
        if name in catalog.metrics
    )
    try:
        trigger = Trigger.model_validate(definition.get("trigger", {}))
    except ValidationError:
        return tuple(whole)
    return (*whole, *(it for it in trigger.watches() if it.metric in catalog.metrics))
