"""What the scopes of a token let its holder ask for. They take away, and never give what the policy does not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from semantic.metric import Metric
from semantic.policy import Selector


@dataclass(frozen=True)
class Scopes:
    """By scope, the metrics that it lets ask for. Without any, tokens are not limited by scopes."""

    selectors: Mapping[str, Selector]

    def __bool__(self) -> bool:
        return bool(self.selectors)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.selectors))

    def asked(self, scopes: Iterable[str], metrics: Iterable[Metric]) -> frozenset[str]:
        """The metrics that a token with these scopes may ask for."""
        given = [self.selectors[scope] for scope in scopes if scope in self.selectors]
        return frozenset(
            metric.name for metric in metrics if any(it.matches(metric) for it in given)
        )

    def for_metric(self, metric: Metric) -> tuple[str, ...]:
        """The scopes of which any one lets ask for a metric."""
        return tuple(name for name in self.names if self.selectors[name].matches(metric))
