"""Carries a refusal up to where it is recorded."""

from semantic.answer import Reason


class Refused(Exception):
    """No data, and why. `detail` and the names of the `rules` that decided go to the record, never to the reader. `is_recorded` says
    that it is there already.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        hint: str | None = None,
        detail: str | None = None,
        rules: tuple[str, ...] = (),
        is_recorded: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.detail = detail
        self.rules = rules
        self.is_recorded = is_recorded
