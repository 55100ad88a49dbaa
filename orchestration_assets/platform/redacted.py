"""The message of an error as it may be told: short, and without keys, passwords and personal data.

Where it is in doubt it takes out more: what is left is for finding out what failed, and the log in Dagster has the rest.
"""

import re

from agent_resources.guardrails.credentials import without_secrets
from agent_resources.guardrails.personal_data import PersonalData

_LINES, _LONGEST = 3, 300
_CREDENTIAL = "[credential]"
_PRIVATE_KEY = re.compile(r"-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|\Z)", re.DOTALL)
# Up to the last @ of an address: a password may hold a slash, and an @.
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]*@", re.IGNORECASE)
_OF_SERVICES = re.compile(
    r"\b(?:glpat-|hf_|dapi|npm_|pypi-|shpat_|dop_v1_|ya29\.|xapp-|rk_live_|sk_live_|SG\.)[\w.-]{8,}"
)
# Long, with letters of both cases and digits: no word, no id of a run and no hexadecimal digest is so.
_RANDOM = re.compile(
    r"(?<![\w/+=.-])(?=[\w/+=.-]*[a-z])(?=[\w/+=.-]*[A-Z])(?=[\w/+=.-]*\d)[\w/+=-]{32,}(?:\.[\w/+=-]+)*"
)
_WORDS = (
    r"[\w.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|authorization"
    r"|credential|signature)[\w.-]*|\b(?:pwd|pass|sig|auth|cookie|set-cookie|session)\b"
)
# What follows a name of a secret and a sign, to the end of its line; and where nothing does, the next one.
_NAMED = re.compile(rf"(?i)((?:{_WORDS})[\\'\"\])]*\s*[=:>,]+)[ \t]*(?:\r?\n[ \t]*)?[^\n]*")
_AFTER_A_WORD = re.compile(
    rf"(?i)(--?(?:{_WORDS})[ \t]+|\b(?:bearer|basic)[ \t]+|\bidentified[ \t]+by[ \t]+|(?:^|\s)-u[ \t]+)[^\n]*"
)
_OTHER_SPACE = re.compile(r"\s+")
_screen = PersonalData()


def redacted(message: str, error_class: str = "") -> str:
    """The first lines of a message on one, with `[credential]` and `[personal data]` for what must not be told. The name of its class is not said twice."""
    text = message.removeprefix(f"{error_class}:")
    text = _PRIVATE_KEY.sub(_CREDENTIAL, text)
    text = without_secrets(_ADDRESS.sub(_CREDENTIAL, text))
    text = _OF_SERVICES.sub(_CREDENTIAL, text)
    text = _NAMED.sub(rf"\1{_CREDENTIAL}", text)
    text = _AFTER_A_WORD.sub(rf"\1{_CREDENTIAL}", text)
    text = _RANDOM.sub(_CREDENTIAL, text)
    for found in reversed(_screen.find(text)):
        text = f"{text[: found.start]}[personal data]{text[found.end :]}"
    lines = [_OTHER_SPACE.sub(" ", line).strip() for line in text.splitlines()]
    told = " | ".join([line for line in lines if line][:_LINES])
    return told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"
