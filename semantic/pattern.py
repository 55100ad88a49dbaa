"""Names with `*` in them."""

from collections.abc import Iterable
from fnmatch import fnmatchcase


def is_match(name: str, pattern: str) -> bool:
    """Whether the name is the one of the pattern, in which `*` stands for any text and nothing else has a meaning."""
    return name == pattern or (
        "*" in pattern and fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))
    )


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether the name is one of these patterns'."""
    return any(is_match(name, pattern) for pattern in patterns)
