"""What processes did to one budget, and whether a budget that is never overspent can have been behind it.

Each operation is invoked, and then is ok, failed, or nothing is heard of it again: then it may have happened or not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, kw_only=True)
class Spending:
    """One thing that was charged: invoked at `began`, reserved at most `most`, and where `is_reserved` is None nobody knows.

    `settling` and `settled` are when its settlement to `actual` was invoked and acknowledged; times are infinite where that was never.
    """

    most: int
    began: float
    heard: float = inf
    is_reserved: bool | None = None
    actual: int = 0
    settling: float = inf
    settled: float = inf

    def least_at(self, moment: float) -> int:
        """The least that it can hold of the budget at a moment."""
        if self.is_reserved is not True or self.heard > moment:
            return 0
        return self.most if self.settling > moment else min(self.most, self.actual)

    def most_between(self, first: float, last: float) -> int:
        """The most that it can have held at any moment between two."""
        if self.is_reserved is False or self.began > last:
            return 0
        return self.actual if self.settled < first else max(self.most, self.actual)


def violations(history: Iterable[Spending], limit: int) -> Iterator[str]:
    """What cannot have happened with a budget of `limit`: more was held at once, or something was refused that had room."""
    done = list(history)
    for item in done:
        held = sum(other.least_at(item.heard) for other in done)
        if item.is_reserved and held > limit:
            yield f"at {item.heard:.6f} at least {held} of {limit} were held"
        if item.is_reserved is False:
            others = sum(
                other.most_between(item.began, item.heard) for other in done if other is not item
            )
            if others + item.most <= limit:
                yield f"at {item.began:.6f} {item.most} were refused, with at most {others} of {limit} held"


def possible_ends(history: Iterable[Spending]) -> tuple[int, int]:
    """The least and the most that can be spent when everything open was swept, which gives back what was only reserved."""
    least = most = 0
    for item in history:
        if item.is_reserved is False or item.settling == inf:
            continue
        most += item.actual
        least += item.actual if item.settled < inf else 0
    return least, most
