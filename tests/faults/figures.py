"""The figures of a test, of which `make soak` prints one line each."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

LINES: list[str] = []


@contextmanager
def figures(what: str) -> Iterator[dict[str, int]]:
    """Counts, by name, that are told with the time they took."""
    counts: dict[str, int] = {}
    started = perf_counter()
    yield counts
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    LINES.append(f"{what}: {told}, {perf_counter() - started:.0f} s")
