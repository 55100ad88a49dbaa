"""What the registered agents may read now."""

from collections.abc import Mapping

from semantic.ledger import Ledger
from semantic.metric import Metric
from semantic.policy import Policy, Reader


def granted_metrics(
    ledger: Ledger, policy: Policy, metrics: Mapping[str, Metric]
) -> dict[str, list[str]]:
    """By registered agent, the metrics of these that it asks for and that the policy permits. Raises `LedgerUnavailable`."""
    found = {}
    for name, written in ledger.registered_agents().items():
        asks = frozenset(written["metrics"])
        reader = Reader(name=name, asks=asks)
        asked = [metrics[item] for item in sorted(asks) if item in metrics]
        found[name] = [it.name for it in asked if policy.is_readable(reader, it)]
    return found
