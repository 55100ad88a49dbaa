"""Finds what looks like a key or a password."""

import os
import re
from collections.abc import Sequence

from agent_resources.guardrails.screen import Finding, Passage
from semantic.ledger.tokens import PATTERN as TOKEN_PATTERN

_PATTERNS = (
    r"\bsk-[\w-]{16,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_\w{20,}",
    r"\bgithub_pat_\w{20,}",
    r"\bxox[abprs]-[\w-]{10,}",
    r"\bAIza[\w-]{30,}",
    TOKEN_PATTERN,
    r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:[^\s/@]{1,100}@",
)
_CREDENTIAL = re.compile("|".join(_PATTERNS))


# A variable with such a word in its name holds a secret, unless it is too short for one.
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET = 8
_given: set[str] = set()


def keep_secret(value: str | None) -> None:
    """Remembers a key that this process was given, so that it is taken out of texts whatever it looks like and wherever it came from."""
    if value and len(value) >= _SHORTEST_SECRET:
        _given.add(value)


def known_secrets() -> tuple[str, ...]:
    """The keys that this process was given, and every secret in its environment; the longest first, so that none is left in part."""
    found = {
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name)
    }
    return tuple(sorted(found | _given, key=len, reverse=True))


def without_secrets(text: str) -> str:
    """A text of somebody else's, such as the error of a provider, in which `[credential]` stands for what looks like one and for every secret that
    this process knows.
    """
    for value in known_secrets():
        text = text.replace(value, "[credential]")
    return _CREDENTIAL.sub("[credential]", text)


class Credentials:
    """A screen for keys of known services, tokens, private keys, addresses with a password in them, and the secrets that this process knows."""

    name = "credentials"
    passage = Passage.MASKED

    def __init__(self) -> None:
        known = [*map(re.escape, known_secrets()), _CREDENTIAL.pattern]
        self._credential = re.compile("|".join(known))

    def find(self, text: str) -> Sequence[Finding]:
        """What looks like a credential, in the order of the text."""
        return [
            Finding(what="credential", start=match.start(), end=match.end())
            for match in self._credential.finditer(text)
        ]
