"""A tool with the name of a remedy."""


def wait(minutes: int) -> str:
    """Waits."""
    return f"{minutes} minutes"
