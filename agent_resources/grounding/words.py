"""Words of a text and of a name, and whether two of them say the same."""

import re
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]+")
_SHORTEST_STEM = 4
_SMALL = frozenset(
    [
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "of",
        "on",
        "or",
        "out",
        "per",
        "the",
        "to",
        "up",
        "was",
        "were",
        "with",
    ]
)


def words_of(text: str) -> list[str]:
    """The words of a text or of a name such as `on_time_rate`, in lower case."""
    return [word.lower() for word in _WORD.findall(text)]


def telling_words_of(text: str) -> list[str]:
    """The words of a name without those that every text has; all of them where it has no others."""
    words = words_of(text)
    return [word for word in words if word not in _SMALL] or words


def is_same_word(one: str, other: str) -> bool:
    """Whether two words have a stem in common: `cancelled` and `cancellations`."""
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    common = 0
    for left, right in zip(shorter, longer, strict=False):
        if left != right:
            break
        common += 1
    return common >= max(_SHORTEST_STEM, len(shorter) - 3)


def named_share(words: Iterable[str], text_words: Iterable[str]) -> tuple[int, float]:
    """How many of these words a text has, and which share of them that is."""
    wanted, given = list(words), list(text_words)
    found = sum(any(is_same_word(word, item) for item in given) for word in wanted)
    return found, found / len(wanted) if wanted else 0.0
