"""How a text may be spelled where it stands in another: in either case, with accents encoded in either way, and escaped as JSON and
Python escape texts, also one within the other.
"""

import re
from collections.abc import Iterator
from unicodedata import normalize

_ESCAPED = re.compile(
    r"""\\(["'\\/bfnrt]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})"""
)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# More than anything writes one within the other; escapes that follow from each other could go on as long as a text.
_DEEPEST = 10


def holds(value: str, text: str) -> bool:
    """Whether a text stands in a value, however it is spelled there."""
    wanted = folded(text)
    return any(wanted in folded(spelling) for spelling in _unescaped(value))


def folded(text: str) -> str:
    """A text as it is compared with others: in one case, and each letter with its accents as one character where there is one."""
    return normalize("NFC", normalize("NFD", text).casefold())


def _unescaped(value: str) -> Iterator[str]:
    """A value as it is, and with its escapes undone once, twice and so on: a text that was never escaped may look as if it had been."""
    yield value
    for _ in range(_DEEPEST):
        before, value = value, _ESCAPED.sub(_character, value)
        if value == before:
            return
        yield _with_pairs_joined(value)


def _character(escape: re.Match[str]) -> str:
    said = escape[1]
    return chr(int(said[1:], 16)) if len(said) > 1 else _LETTERS.get(said, said)


def _with_pairs_joined(text: str) -> str:
    """JSON may write one character as two surrogates."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
