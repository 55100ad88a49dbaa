"""How long several ways take that take turns in one process, so that what disturbs one disturbs all."""

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

FEWEST_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times of one way in milliseconds, in the order of the rounds."""

    taken: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.taken)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, _, high = statistics.quantiles(self.taken, n=4, method="inclusive")
        return low, high

    def ratios(self, other: "Times") -> tuple[float, ...]:
        """Round by round, how many times as long as the other way."""
        return tuple(one / two for one, two in zip(self.taken, other.taken, strict=True))


def take_turns(
    ways: Mapping[str, Callable[[], object]], *, rounds: int, seconds: float
) -> dict[str, Times]:
    """The times of all ways, in a new order each round, so that none profits from the one before it. Ends early after so many
    seconds, but not before a few rounds.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    until = time.monotonic() + seconds
    order, turns = list(ways), random.Random(0)
    with _no_collector():
        for done in range(rounds):
            if done >= FEWEST_ROUNDS and time.monotonic() > until:
                break
            turns.shuffle(order)
            for name in order:
                taken[name].append(milliseconds(ways[name]))
    return {name: Times(taken=tuple(times)) for name, times in taken.items()}


def milliseconds(run: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1000


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """An interval that holds the median with this confidence: two of the values, by the binomial distribution."""
    ordered, count = sorted(values), len(values)
    outside, below = (1 - confidence) / 2, 0
    reached = 0.5**count
    while reached <= outside and below < count // 2:
        below += 1
        reached += math.comb(count, below) * 0.5**count
    low = max(below - 1, 0)
    return ordered[low], ordered[count - 1 - low]


def is_at_most(interval: tuple[float, float], most: float, doubt: float = 0.05) -> bool:
    """Whether an interval holds this value or lies below it, and is narrow enough to tell."""
    low, high = interval
    return low <= most and high <= most + doubt


@contextmanager
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
