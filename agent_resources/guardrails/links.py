"""Finds what would lead a person who reads an answer, or the page it is shown on, to somewhere else."""

import re
from collections.abc import Sequence

from agent_resources.guardrails.screen import Finding, Passage

_TAGS = (
    "a|applet|area|audio|base|body|button|embed|form|frame|html|iframe|image|img|input|link|math|meta|object|script|style|svg|"
    "template|textarea|track|video"
)
_LINK = re.compile(
    r"!?\[[^\]\n]{0,500}\]\([^)\n]{0,2000}\)"
    r"|^ {0,3}\[[^\]\n]{1,500}\]:\s*\S+"
    r"|\b(?:https?|ftps?|wss?|file)\s*:\s*//?[^\s)>\]]+"
    r"|\b(?:javascript|vbscript)\s*:\s*[^\s)>\]]+"
    r"|\bdata\s*:\s*\w+/[\w.+-]+[;,]\S*"
    r"|\bwww\.[^\s)>\]]+"
    rf"|<\s*/?\s*(?:{_TAGS})\b[^>]*>?",
    re.IGNORECASE | re.MULTILINE,
)


class Links:
    """A screen for addresses, Markdown links and images, and HTML that loads or leads."""

    name = "links"
    passage = Passage.MASKED

    def find(self, text: str) -> Sequence[Finding]:
        """What leads elsewhere, in the order of the text."""
        return [
            Finding(what="link", start=match.start(), end=match.end())
            for match in _LINK.finditer(text)
        ]
