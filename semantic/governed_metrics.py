"""The one door to data: decide, plan, check the gates, record the intent, run, record the outcome, release.

    with metrics.session(Reader(name="operations_watch")) as session:
        answer = session.query({"metrics": "flights", "group_by": "carrier"})

Nothing here raises to a reader: what cannot be answered is a `Refusal`, and both are on record before they are returned.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from semantic.answer import MetricAnswer, Refusal
from semantic.catalog import Catalog
from semantic.door import Decided, DecisionKey
from semantic.engine import MetricEngine
from semantic.errors import MetricCompileError
from semantic.ledger import Ledger, ReadContext
from semantic.metric import Dimension, Metric
from semantic.names import readable_saved_queries
from semantic.open_snapshot import OpenSnapshot
from semantic.plan import Planner
from semantic.policy import Policy, Reader
from semantic.query import MetricQuery
from semantic.read_session import ReadSession
from semantic.recent import Recent
from semantic.result_cache import ResultCache
from semantic.saved_query import SavedQuery
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import SnapshotRecord

_DECISIONS = 512


@dataclass(frozen=True, kw_only=True)
class MetricDescription:
    """A metric and the dimensions by which this reader may group and filter it."""

    metric: Metric
    dimensions: tuple[Dimension, ...]


class GovernedMetrics:
    """Governed reading of one catalogue, under one policy, from published snapshots, into one ledger.

    `engine` is made when the first query needs it. Safe for threads.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        policy: Policy,
        ledger: Ledger,
        snapshots: SnapshotStore,
        engine: Callable[[Catalog], MetricEngine],
        mask_key: str,
        now: Callable[[], datetime] | None = None,
        results: ResultCache | None = None,
    ) -> None:
        self.catalog = catalog
        self.policy = policy
        self.ledger = ledger
        self.snapshots = snapshots
        self._make_engine = engine
        self.mask_key = mask_key
        self.results = results
        self.decided: Recent[DecisionKey, Decided] = Recent(_DECISIONS)
        self._now = now
        self._made: tuple[MetricEngine, Planner] | None = None
        self._opened: tuple[str, OpenSnapshot] | None = None
        self._making = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the ledger. Snapshots that sessions still hold stay open until these end."""
        self._opened = None
        self.ledger.close()

    def query(
        self,
        asked: MetricQuery | Mapping[str, Any],
        *,
        reader: Reader,
        context: ReadContext | None = None,
    ) -> MetricAnswer | Refusal:
        """One governed read of the current snapshot."""
        with self.session(reader, context) as session:
            return session.query(asked)

    def session(
        self,
        reader: Reader,
        context: ReadContext | None = None,
        *,
        snapshot: SnapshotRecord | None = None,
        data: OpenSnapshot | None = None,
    ) -> ReadSession:
        """Reads of one reader that all see the same snapshot: the current one, unless another is given."""
        return ReadSession(self, reader, context or ReadContext(), snapshot, data)

    def readable_metrics(self, reader: Reader) -> tuple[Metric, ...]:
        """The metrics that this reader may read, by name."""
        return tuple(
            metric
            for metric in self.catalog.metrics.values()
            if self.policy.is_readable(reader, metric)
        )

    def saved_queries(self, reader: Reader) -> tuple[SavedQuery, ...]:
        """The saved queries of which this reader may use every metric and dimension, by name."""
        return readable_saved_queries(self, reader)

    def describe(self, reader: Reader, metric: str) -> MetricDescription | None:
        """A metric as this reader may use it, or None where it may not or there is none.

        One that cannot be compiled has no dimensions: nothing of it can be read.
        """
        found = self.catalog.metrics.get(metric)
        if found is None or not self.policy.is_readable(reader, found):
            return None
        try:
            legal = self.engine.dimensions([metric]).values()
        except MetricCompileError:
            return MetricDescription(metric=found, dimensions=())
        usable = tuple(item for item in legal if self.policy.may_use(reader, found, item))
        return MetricDescription(metric=found, dimensions=usable)

    def describe_all(self, reader: Reader) -> tuple[MetricDescription, ...]:
        """Every metric that this reader may read, by name, with the dimensions by which it may group and filter it."""
        described = (self.describe(reader, metric.name) for metric in self.readable_metrics(reader))
        return tuple(item for item in described if item is not None)

    def open(self, snapshot: SnapshotRecord) -> OpenSnapshot:
        """The data of a snapshot. The newest stays open; an older one closes when its last session lets go of it."""
        with self._making:
            if self._opened is None or self._opened[0] != snapshot.version:
                self._opened = (snapshot.version, self.snapshots.open(snapshot))
            return self._opened[1]

    def has_published_policy(self) -> bool:
        """Whether the policy of this process is the one that is published. Raises `LedgerUnavailable`."""
        return self.ledger.current_policy_hash() == self.policy.hash

    def now(self) -> datetime:
        return self._now() if self._now else datetime.now(UTC)

    @property
    def engine(self) -> MetricEngine:
        return self._planning()[0]

    @property
    def planner(self) -> Planner:
        return self._planning()[1]

    def _planning(self) -> tuple[MetricEngine, Planner]:
        with self._making:
            if self._made is None:
                engine = self._make_engine(self.catalog)
                self._made = (engine, Planner(self.catalog, engine))
            return self._made


__all__ = ["GovernedMetrics", "MetricDescription", "ReadSession"]
