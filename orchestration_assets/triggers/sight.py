"""What the triggers of one agent look at, and what they find."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agent_resources.agent import AgentDefinition
from orchestration_assets.triggers.basis import Basis
from orchestration_assets.triggers.gates import Closed
from semantic.change_log import Changes
from semantic.governed_metrics import GovernedMetrics
from semantic.snapshot_record import SnapshotRecord
from semantic.watch import Watch
from semantic.watch_measurement import seen_of


@dataclass(frozen=True, kw_only=True)
class OtherDecision:
    """What another agent decided, or what became of its proposal: the number and id of the record, and its output. `hops` counts the agents that each ran
    because of the one before, up to it.
    """

    seq: int
    decision_id: str
    agent: str
    at: str
    state: str
    output: Mapping[str, Any]
    hops: int


@dataclass(frozen=True, kw_only=True)
class Sight:
    """All that triggers of one agent look at. `handled` is what its last run was based on and `basis` what another would be; `changes` what each snapshot
    between them changed, None where that is not kept; by metric `ages` are how old its data may be; `since` the moment after which events count.
    """

    definition: AgentDefinition
    readable: tuple[str, ...]
    handled: Basis | None
    basis: Basis
    record: SnapshotRecord
    changes: tuple[Changes, ...] | None
    closed: Mapping[str, Closed]
    ages: Mapping[str, timedelta]
    since: datetime
    metrics: GovernedMetrics
    decisions: Sequence[OtherDecision] = ()

    @property
    def now(self) -> datetime:
        return self.basis.at

    def asked(self, names: Sequence[str]) -> list[str]:
        """The metrics that a trigger names, or all that the agent may read."""
        return [name for name in names if name in self.readable] if names else [*self.readable]

    def whole(self, name: str) -> Watch:
        """The days over which a metric is measured."""
        return Watch(metric=name, periods=self.metrics.catalog.metrics[name].scope.days)

    def seen(self, watch: Watch) -> tuple[Watch, str] | None:
        """A watch as far as the agent may see it, and its key in a snapshot."""
        metric = self.metrics.catalog.metrics.get(watch.metric)
        return seen_of(self.metrics.policy, self.definition.name, watch, metric) if metric else None


@dataclass(frozen=True, kw_only=True)
class TriggerReason:
    """Why an agent runs: in words, which are found when they are asked for, with the metrics that it speaks of, and a `key` that stands for it as long as it
    stands. `told` are the watches of which it tells values; where it `is_of_whole` metrics, the days over which these are measured.

    `telling` are the metrics of which values are in its words. `is_of_gate` says that it is about a closed metric, so that the gates do not hold it back.
    """

    kind: str
    words: str | Callable[[], str]
    key: str
    metrics: tuple[str, ...] = ()
    told: tuple[Watch, ...] = ()
    hops: int = 0
    is_of_gate: bool = False
    is_of_whole: bool = False

    telling: Callable[[], Collection[str]] = tuple

    @property
    def text(self) -> str:
        return self.words if isinstance(self.words, str) else self.words()


@dataclass(frozen=True, kw_only=True)
class Called:
    """What calls for a run, and in `notes` what would and cannot."""

    reasons: tuple[TriggerReason, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def hops(self) -> int:
        return max((reason.hops for reason in self.reasons), default=0)

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for it in self.reasons for name in it.metrics))


@dataclass
class Found:
    """The reasons that triggers find one after the other, and notes on what they cannot look at."""

    reasons: list[TriggerReason] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
