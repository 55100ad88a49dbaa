"""Carries a refusal up to where it is recorded."""

from semantic.answer import Reason


class Refused(Exception):
    """No data, and why. `detail` goes to the record, never to the reader. `is_recorded` says that it is there already."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        hint: str | None = None,
        detail: str | None = None,
        is_recorded: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.detail = detail
        self.is_recorded = is_recorded
