"""Texts of others, as they can be recorded."""


def recordable(text: str) -> str:
    """The text, in which each half of a surrogate pair stands as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()
