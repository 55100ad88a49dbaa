"""Texts of others, as they can be recorded."""

from typing import Any


def recordable(text: str) -> str:
    """The text, in which each half of a surrogate pair stands as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def recordable_value(value: Any) -> Any:
    """A value of plain JSON, each text in it likewise."""
    match value:
        case str():
            return recordable(value)
        case dict():
            return {recordable_value(key): recordable_value(item) for key, item in value.items()}
        case list():
            return [recordable_value(item) for item in value]
        case _:
            return value
