"""Finds what would lead a person who reads an answer, or the page it is shown on, to somewhere else."""

import re
from collections.abc import Sequence

from agent_resources.guardrails.screen import Finding, Passage

_TAGS = (
    "a|applet|area|audio|base|body|button|embed|form|frame|html|iframe|image|img|input|link|math|meta|object|script|style|svg|"
    "template|textarea|track|video"
)
_LINK = re.compile(
    r"!\[[^\n]{0,200}"
    r"|\]\([^)\n]{0,500}\)?"
    r"|\]:[ \t]{0,3}(?:<|/|[\w+.-]+:|\S{1,200}\.\w)\S{0,500}"
    r"|(?<![\w:/])//[\w-]+(?:\.[\w-]+)+[^\s)>\]]*"
    r"|\b(?:https?|ftps?|wss?):[^\s)>\]]+"
    r"|\bfile:/[^\s)>\]]+"
    r"|\b(?:javascript|vbscript)\s?:\s?[^\s)>\]]+"
    r"|\bdata\s?:\s?\w+/[\w.+-]+[;,]\S*"
    r"|\bwww\.[^\s)>\]]+"
    r"|&(?:#x?[0-9a-f]{1,7}|colon|sol|lt|gt|lpar|lsqb|lbrack|excl);?"
    rf"|<\s?/?\s?(?:{_TAGS})\b[^>]{{0,500}}>?",
    re.IGNORECASE,
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
