"""What the registered agents may read now."""

from collections.abc import Mapping

from orchestration_assets.cli.place import Place
from semantic.metric import Metric
from semantic.policy import Reader


def granted_metrics(place: Place, metrics: Mapping[str, Metric]) -> dict[str, list[str]]:
    """By registered agent, the metrics of these that it asks for and that the published policy permits."""
    found = {}
    for name, written in place.ledger.registered_agents().items():
        asks = frozenset(written["metrics"])
        reader = Reader(name=name, asks=asks)
        asked = [metrics[item] for item in sorted(asks) if item in metrics]
        found[name] = [it.name for it in asked if place.policy.is_readable(reader, it)]
    return found
