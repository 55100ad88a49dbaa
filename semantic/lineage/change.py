"""What became of a metric, and by which places of a dbt project."""

from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    """What became of a metric."""

    MEANING = "meaning"
    CODE = "code"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One place where a meaning changed: what stands there, and what it said before and says now."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class ChangedMetric:
    """A metric that changed. `path` are the places that changed its meaning; of one whose code changed, the models whose code did."""

    name: str
    change: Change
    path: tuple[Step, ...] = ()
