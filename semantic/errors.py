"""Errors of the semantic layer, named by who can act on them.

A reader that asks for what it may not have gets a `Refusal`, which is a value. These are exceptions: something that the
developer or the operator has to mend.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class GovernedMetricsError(Exception):
    """What went wrong in one line, and in `hint` what to do about it."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class ManifestError(GovernedMetricsError):
    """The dbt artifacts are missing, stale or not what they should be. The developer can act."""


class PolicyError(GovernedMetricsError):
    """The policy file does not parse, or names what does not exist. The owner of the policy can act."""


class MetricCompileError(GovernedMetricsError):
    """A metric's definition cannot be turned into one safe SELECT. The analytics engineer can act."""


class WarehouseUnavailable(GovernedMetricsError):
    """The warehouse file is gone, locked, or lacks a relation. The operator can act."""


class SnapshotUnavailable(GovernedMetricsError):
    """Nothing has been published to read from, or what was published cannot be opened. The operator can act."""


class PolicyNotCurrent(GovernedMetricsError):
    """Another policy than the published one was presented. The owner of the policy can act."""


class BudgetSpent(GovernedMetricsError):
    """A budget has too little left for what was asked. The reader can ask for less, or later."""


class SourceUnavailable(GovernedMetricsError):
    """What would answer has failed too often, and is left alone for a while. The operator can act."""


class LedgerUnavailable(GovernedMetricsError):
    """The record cannot be written or read, so no data may be. The operator can act."""


class ServerUnavailable(GovernedMetricsError):
    """A server of metrics does not answer, or not as one. Who runs it can act; to try again later may do."""


class NotAdmitted(GovernedMetricsError):
    """A token does not do at a server of metrics. Who hands out tokens can act; to try again with the same does not help."""


class QuestionError(GovernedMetricsError):
    """A question to the record that it has no answer for. Who asks can act."""


def did_you_mean(asked: str, names: Iterable[str]) -> str | None:
    """The nearest of `names` to what was asked as a hint, or None where nothing is near."""
    near = get_close_matches(asked, list(names), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(name) for name in near)}?" if near else None


def listed(names: Iterable[str]) -> str:
    """Names in quotes, as in a sentence."""
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
