"""How often a chat model that does not answer is asked again, and when."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError

_ASK_LATER = (408, 409, 425, 429)
_RETRY_AFTER = "retry-after"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """A request is made `tries` times at most. It waits `first_wait` seconds, twice as long each time, or as long as the provider says; where
    that is longer than `longest_wait` it is not made again.
    """

    tries: int = 3
    first_wait: float = 1.0
    longest_wait: float = 60.0


def waits_for(patience: Patience) -> Callable[[Exception], bool | float]:
    """Whether to ask again after an error, or after how many seconds where the provider says so: what `stamina` takes as a hook."""

    def wait(error: Exception) -> bool | float:
        if not did_not_answer(error):
            return False
        seconds = _retry_after(error)
        if seconds is None:
            return True
        return seconds if seconds <= patience.longest_wait else False

    return wait


def did_not_answer(error: Exception) -> bool:
    """Whether the provider did not answer, or has too much to do; not where it answered that the request is wrong."""
    if isinstance(error, ModelHTTPError):
        return error.status_code >= 500 or error.status_code in _ASK_LATER
    return isinstance(error, ModelAPIError | ConnectionError | TimeoutError)


def _retry_after(error: Exception) -> float | None:
    """The seconds that a provider asks to wait: a number, or until a date. None where it asks for nothing that can be read."""
    headers = error.headers if isinstance(error, ModelHTTPError) else None
    written = (headers or {}).get(_RETRY_AFTER)
    if written is None:
        return None
    try:
        return max(0.0, float(written))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(written)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    seconds: float = (until - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds)
