"""Why something was erased or deleted, as it goes on record."""

from semantic.errors import GovernedMetricsError


def refuse_empty(reason: str, *, of: str) -> None:
    """Raises `GovernedMetricsError` where a reason holds no letter and no digit: who looks at the record later must find one."""
    if not any(map(str.isalnum, reason)):
        raise GovernedMetricsError(
            f"{reason!r} does not say why {of}",
            hint="name a reason for the record, like 'request 17' or 'kept for two years'",
        )
