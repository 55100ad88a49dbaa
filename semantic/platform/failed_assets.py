"""What failed in Dagster, as it is watched: one point for each asset, or step that makes none, of a failed run."""

from dataclasses import dataclass, fields
from typing import Self

from semantic.time_range import TimeUnit
from semantic.watch import NO_VALUE, Watch

FAILURES = "dagster_failures"
_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class FailedAsset:
    """A failure as its dimensions tell it, each None where it is not known. `failed` is the asset, or the step of one that makes none."""

    run: str | None
    attempt: str | None
    job: str | None
    failed: str | None
    error_class: str | None
    message: str | None
    agent: str | None

    @classmethod
    def of(cls, cells: tuple[str, ...]) -> Self | None:
        """That of a point of `FAILURE_WATCH`, whose first cell is a day; None where a policy leaves some of it out."""
        values = [None if cell == NO_VALUE else cell for cell in cells[1:]]
        return cls(**dict(zip(_NAMES, values, strict=True))) if len(values) == len(_NAMES) else None

    @property
    def attempts(self) -> int:
        """The how manieth run it was of all that tried the same."""
        return int(self.attempt) if self.attempt and self.attempt.isdigit() else 1

    @property
    def told(self) -> str:
        """What failed, in words."""
        again = f", try {self.attempt}" if self.attempts > 1 else ""
        return f"{self.failed} in the run {self.run} of {self.job}{again}: {self.error_class}: {self.message}"


_NAMES = tuple(item.name for item in fields(FailedAsset))
_PAST = ("run", "failed", "first_run", "last_good_run", "last_good_at", "definition", "upstream")


def _watch(dimensions: tuple[str, ...]) -> Watch:
    named = tuple(f"dagster_failure__{name}" for name in dimensions)
    return Watch(metric=FAILURES, by=named, grain=TimeUnit.DAY, periods=_DAYS)


# What failed and how; and when it was last well, whether it was redefined since, and how what it is made from stands.
FAILURE_WATCH = _watch(_NAMES)
PAST_WATCH = _watch(_PAST)
