"""The figures of a test, of which `make soak` prints one line each."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

LINES: list[str] = []


def tell(line: str) -> None:
    """Prints a line at the end of the run."""
    LINES.append(line)


@contextmanager
def figures(what: str) -> Iterator[dict[str, int]]:
    """Counts, by name, that are told with the time they took."""
    counts: dict[str, int] = {}
    started = perf_counter()
    yield counts
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    tell(f"{what}: {told}, {perf_counter() - started:.0f} s")
