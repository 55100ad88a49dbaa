"""What every part of an agent's file has in common."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

from semantic.policy import REFRESH

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")


class Written(BaseModel):
    """A part of an agent's file: frozen, and without keys that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def as_list(value: object) -> object:
    """One value in place of a list of one."""
    return [value] if isinstance(value, str | int) else value


def _not_reserved(name: str) -> str:
    if name == REFRESH:
        raise ValueError(
            f"'{REFRESH}' is the reader that measures every metric; give the agent another name"
        )
    return name


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")
    return value


def no_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank; write a sentence")
    return text


def an_address(owner: str) -> str:
    if not _ADDRESS.match(owner):
        raise ValueError(
            "is no e-mail address; write one, and the name of a team under `team` instead"
        )
    return owner


Identifier = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$"), AfterValidator(_not_reserved)
]
Whole = Annotated[int, BeforeValidator(_no_truth)]
