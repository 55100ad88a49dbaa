"""What everything that a reader can ask has in common: no unknown field, no control character, no list without end.

Strict in meaning, kind in form: a single string is taken where a list of one is meant, because that is how models write.
"""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

MAX_METRICS = 20
MAX_GROUP_BY = 8
MAX_FILTERS = 20
MAX_FILTER_DEPTH = 4
MAX_VALUES = 500
MAX_TEXT = 1_000
MAX_ROWS = 100_000


class Asked(BaseModel):
    """A frozen part of a query. A field that it does not have is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def plain_text(value: str) -> str:
    """The text, refused where it holds a control character or a lone surrogate."""
    for character in value:
        if ord(character) < 32 or 127 <= ord(character) < 160 or 0xD800 <= ord(character) < 0xE000:
            raise ValueError(f"holds the control character U+{ord(character):04X}")
    return value


def as_list(value: object) -> object:
    """A list, of one where a single value came."""
    return value if isinstance(value, list | tuple) else [value]


Name = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=300),
    AfterValidator(plain_text),
]
