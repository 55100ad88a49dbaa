"""Names in parts that a database takes at once."""

from collections.abc import Iterable, Sequence

_AT_ONCE = 500


def in_parts(names: Sequence[str]) -> Iterable[Sequence[str]]:
    """Names in parts that a database takes at once."""
    return (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))
