"""The message of an error as it may be told: short, and without keys, passwords and personal data."""

import re

from agent_resources.guardrails.credentials import without_secrets
from agent_resources.guardrails.personal_data import PersonalData

_LINES, _LONGEST = 3, 300
# `password=...`, `"api_key": "..."`, `Authorization: Bearer ...`: whatever follows such a word.
_NAMED_SECRET = re.compile(
    r"(?i)\b([\w.-]*(?:password|passwd|pwd|secret|token|api[_-]?key|authorization|credential)[\w.-]*)"
    r"(['\"]?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(?!\[credential\])(\"[^\"]*\"|'[^']*'|[^\s,;&)}\]]+)"
)
_OTHER_SPACE = re.compile(r"\s+")
_screen = PersonalData()


def redacted(message: str, error_class: str = "") -> str:
    """The first lines of a message on one, with `[credential]` and `[personal data]` for what must not be told. The name of its class is not said twice."""
    lines = [line.strip() for line in message.removeprefix(f"{error_class}:").splitlines()]
    text = " | ".join([line for line in lines if line][:_LINES])
    text = without_secrets(_NAMED_SECRET.sub(r"\1\2[credential]", text))
    for found in reversed(_screen.find(text)):
        text = f"{text[: found.start]}[personal data]{text[found.end :]}"
    text = _OTHER_SPACE.sub(" ", text).strip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
