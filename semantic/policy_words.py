"""What stands for names and values in the policy file."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
)

from semantic.asked import plain_text


def _as_list(value: object) -> object:
    """A list, of one where a single value stands. Says what is wrong in one sentence, where each item would say it anew."""
    found = value if isinstance(value, list) else [value]
    for item in found:
        if not isinstance(item, str | int | bool):
            written = "null" if item is None else f"{item} ({type(item).__name__})"
            raise ValueError(
                f"holds {written}; only texts and whole numbers stand here: put quotes around it"
            )
        if isinstance(item, str):
            plain_text(item)
    return found


Word = Annotated[str, StringConstraints(strict=True, min_length=1), AfterValidator(plain_text)]
Names = Annotated[list[Word], BeforeValidator(_as_list)]
Values = Annotated[list[StrictBool | StrictInt | StrictStr], BeforeValidator(_as_list)]
