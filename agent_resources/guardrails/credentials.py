"""Finds what looks like a key or a password."""

import os
import re
from collections.abc import Sequence

from agent_resources.guardrails.screen import Finding, Passage

_PATTERNS = (
    r"\bsk-[\w-]{16,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_\w{20,}",
    r"\bgithub_pat_\w{20,}",
    r"\bxox[abprs]-[\w-]{10,}",
    r"\bAIza[\w-]{30,}",
    r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:[^\s/@]{1,100}@",
)
_CREDENTIAL = re.compile("|".join(_PATTERNS))


# A variable with such a word in its name holds a secret, unless it is too short for one.
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET = 8


def without_secrets(text: str) -> str:
    """A text of somebody else's, such as the error of a provider, in which `[credential]` stands for what looks like one and for every secret in
    the environment of this process.
    """
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name):
            text = text.replace(value, "[credential]")
    return _CREDENTIAL.sub("[credential]", text)


class Credentials:
    """A screen for keys of known services, tokens, private keys and addresses with a password in them."""

    name = "credentials"
    passage = Passage.MASKED

    def find(self, text: str) -> Sequence[Finding]:
        """What looks like a credential, in the order of the text."""
        return [
            Finding(what="credential", start=match.start(), end=match.end())
            for match in _CREDENTIAL.finditer(text)
        ]
