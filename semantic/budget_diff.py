"""Budgets and breaker settings that two policies set in two ways: no query that was asked would show them."""

from collections.abc import Iterator
from dataclasses import dataclass

from semantic.budget_rule import BudgetRule, Per
from semantic.ledger import BreakerSettings
from semantic.ledger.budgets import duration, in_words, word_of
from semantic.policy import Policy


@dataclass(frozen=True, kw_only=True)
class LimitChange:
    """A budget or the breaker in words, as one policy and another one set it; None where it does not."""

    limit: str
    before: str | None
    after: str | None


def limit_changes(before: Policy, after: Policy) -> Iterator[LimitChange]:
    """What `after` limits in another way than `before`: changed, added and removed budgets by name, and the breaker."""
    one, other = ({item.name: _budget(item) for item in found.budgets} for found in (before, after))
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            yield LimitChange(limit=f"budget '{name}'", before=one.get(name), after=other.get(name))
    if before.breaker != after.breaker:
        yield LimitChange(
            limit="breaker", before=_breaker(before.breaker), after=_breaker(after.breaker)
        )


def _budget(rule: BudgetRule) -> str:
    amounts = ", ".join(
        f"{in_words(unit, limit)} {word_of(unit)}" for unit, limit in sorted(rule.limits.items())
    )
    within = f" within {duration(rule.seconds)}" if rule.seconds else ""
    whose = "for all together" if rule.per is Per.ALL else f"per {rule.per}"
    metrics = f", metrics {', '.join(sorted(rule.metrics))}" if rule.metrics else ""
    return f"{amounts}{within} {whose}, readers {', '.join(sorted(rule.readers))}{metrics}"


def _breaker(settings: BreakerSettings) -> str:
    return f"{settings.failures:,} failures, {settings.seconds:g} seconds"
