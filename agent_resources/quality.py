"""How well agents decided, and what that cost, over some of their decisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from semantic.ledger.verdicts import JudgedDecision, Turned


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Some decisions: how many were told how they turned out, how many were right and acted on, what they were worth by unit, and what their runs cost in
    millionths of a US dollar. None where the cost of one is not known.
    """

    decisions: int
    right: int
    wrong: int
    acted_on: int
    values: Mapping[str, Decimal]
    cost_micros: int | None

    @property
    def told(self) -> int:
        return self.right + self.wrong

    @property
    def right_share(self) -> float | None:
        """Of those that were told, the share that was right; None where none was."""
        return self.right / self.told if self.told else None

    @property
    def cost_micros_per_right(self) -> float | None:
        """What all of them cost for each that was right; None where none was, or the cost is not known."""
        if self.cost_micros is None or not self.right:
            return None
        return self.cost_micros / self.right


def quality_of(decisions: Iterable[JudgedDecision]) -> Quality:
    """The quality of these decisions."""
    found = list(decisions)
    costs = [item.cost_micros for item in found]
    return Quality(
        decisions=len(found),
        right=sum(item.turned is Turned.RIGHT for item in found),
        wrong=sum(item.turned is Turned.WRONG for item in found),
        acted_on=sum(item.is_acted_on for item in found),
        values=_values_of(found),
        cost_micros=None if None in costs else sum(cost or 0 for cost in costs),
    )


def _values_of(decisions: Iterable[JudgedDecision]) -> dict[str, Decimal]:
    """What decisions were worth, by unit: minutes and money are not added up."""
    found: dict[str, Decimal] = {}
    for amount, unit in (item.value for item in decisions if item.value is not None):
        found[unit] = found.get(unit, Decimal(0)) + amount
    return found
