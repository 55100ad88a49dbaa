"""The one door to data: decide, plan, check the gates, record the intent, run, record the outcome, release.

    with metrics.session(Reader(name="operations_watch")) as session:
        answer = session.query({"metrics": "flights", "group_by": "carrier"})

Nothing here raises to a reader: what cannot be answered is a `Refusal`, and both are on record before they are returned.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.errors import LedgerUnavailable, MetricCompileError, SnapshotUnavailable
from semantic.ledger import Ledger, MetricRead, ReadContext, Record, RecordKind, new_read_id
from semantic.metric import Dimension, Metric
from semantic.plan import Planner
from semantic.policy import Policy, Reader
from semantic.query import MetricQuery
from semantic.read import TIME, Read, Refused
from semantic.snapshot import OpenSnapshot, SnapshotRecord, SnapshotStore

_LONGEST_RECORDED_REQUEST = 10_000
_LONGEST_NAME = 300


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
    ) -> None:
        self.catalog = catalog
        self.policy = policy
        self.ledger = ledger
        self.snapshots = snapshots
        self._make_engine = engine
        self.mask_key = mask_key
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
    ) -> "ReadSession":
        """Reads of one reader that all see the same snapshot: the current one, unless another is given."""
        return ReadSession(self, reader, context or ReadContext(), snapshot, data)

    def readable_metrics(self, reader: Reader) -> tuple[Metric, ...]:
        """The metrics that this reader may read, by name."""
        return tuple(
            metric
            for metric in self.catalog.metrics.values()
            if self.policy.is_readable(reader, metric)
        )

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

    def open(self, snapshot: SnapshotRecord) -> OpenSnapshot:
        """The data of a snapshot. The newest stays open; an older one closes when its last session lets go of it."""
        with self._making:
            if self._opened is None or self._opened[0] != snapshot.version:
                self._opened = (snapshot.version, self.snapshots.open(snapshot))
            return self._opened[1]

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


class ReadSession:
    """Reads of one reader against one snapshot, which it holds until it ends. Use it as a context manager."""

    def __init__(
        self,
        metrics: GovernedMetrics,
        reader: Reader,
        context: ReadContext,
        snapshot: SnapshotRecord | None,
        data: OpenSnapshot | None,
    ) -> None:
        self._metrics = metrics
        self.reader = reader
        self.context = context
        self._snapshot = snapshot
        self._data = data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._data = None

    @property
    def snapshot(self) -> SnapshotRecord:
        """The snapshot that this session reads, held from the first use. Raises `SnapshotUnavailable`."""
        return self.hold()[0]

    def hold(self) -> tuple[SnapshotRecord, OpenSnapshot]:
        """The snapshot and its data, the same at every call. Raises `SnapshotUnavailable`."""
        if self._snapshot is None:
            self._snapshot = self._metrics.snapshots.current()
        if self._data is None:
            self._data = self._metrics.open(self._snapshot)
        return self._snapshot, self._data

    def query(
        self, asked: MetricQuery | Mapping[str, Any], *, call_id: str | None = None
    ) -> MetricAnswer | Refusal:
        """The answer, or why there is none; on record either way. `call_id` makes a retry the same read."""
        context = replace(self.context, call_id=call_id) if call_id else self.context
        raw = asked.canonical() if isinstance(asked, MetricQuery) else asked
        try:
            read_id = self._read_id(context, raw)
            try:
                query = _validated(asked)
                return Read(self._metrics, self.reader, context, read_id, query, self.hold).run()
            except Refused as refused:
                return self._refuse(read_id, context, raw, refused)
        except LedgerUnavailable as error:
            return Refusal(
                reason=Reason.LEDGER_UNAVAILABLE,
                message="The read cannot be recorded, so nothing is released",
                hint=error.message,
            )

    def _read_id(self, context: ReadContext, raw: object) -> str:
        """The id of this read: that of an earlier try, unless its failure is on record already."""
        identity = self._identity(raw)
        read_id = new_read_id(self.reader.name, context, identity)
        while context.call_id and self._has_failed(read_id):
            read_id = new_read_id(self.reader.name, context, f"{identity} after {read_id}")
        return read_id

    def _has_failed(self, read_id: str) -> bool:
        outcome = self._metrics.ledger.body(read_id, RecordKind.OUTCOME)
        return outcome is not None and outcome["reason"] is not None

    def _identity(self, raw: object) -> str:
        """What a read that is tried again must share with the first try to be the same read: what was asked, of which
        data, under which policy.
        """
        try:
            version = self.hold()[0].version
        except SnapshotUnavailable:
            version = "none"
        text = f"{version} {self._metrics.policy.hash} {_printable(raw)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _refuse(self, read_id: str, context: ReadContext, raw: object, refused: Refused) -> Refusal:
        if not refused.is_recorded:
            self._metrics.ledger.append(self._refusal_record(read_id, context, raw, refused))
        return Refusal(
            reason=refused.reason, message=refused.message, hint=refused.hint, read_id=read_id
        )

    def _refusal_record(
        self, read_id: str, context: ReadContext, raw: object, refused: Refused
    ) -> Record:
        return Record(
            record_id=read_id,
            kind=RecordKind.REFUSAL,
            reader=self.reader.name,
            acting_for=self.reader.acting_for,
            context=context,
            reason=refused.reason.value,
            metrics=tuple(MetricRead(metric=name) for name in _asked_names(raw)),
            details={
                "request": _printable(raw),
                "message": refused.message,
                "detail": refused.detail,
                "policy_hash": self._metrics.policy.hash,
                "snapshot": self._snapshot.version if self._snapshot else None,
            },
        )


def _validated(asked: MetricQuery | Mapping[str, Any]) -> MetricQuery:
    if isinstance(asked, MetricQuery):
        return asked
    try:
        return MetricQuery.model_validate(asked)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(
            str(part)[:_LONGEST_NAME]
            for part in first["loc"]
            if not str(part).startswith("function-")
        )
        raise Refused(
            Reason.INVALID_QUERY,
            f"{place or 'query'}: {first['msg'].removeprefix('Value error, ')}",
            hint=f"a query has {', '.join(MetricQuery.model_fields)}"
            if not place or first["type"] == "extra_forbidden"
            else None,
        ) from error


def _printable(raw: object) -> str:
    """A request of any shape as bounded text without lone surrogates, so that it can be recorded."""
    try:
        text = repr(raw)[:_LONGEST_RECORDED_REQUEST]
    except RecursionError:
        text = "a request that is nested too deeply to be written down"
    return text.encode("utf-8", "backslashreplace").decode()


def _asked_names(raw: object) -> tuple[str, ...]:
    """The metric names in a request of any shape, made safe and short, for the index."""
    asked = raw.get("metrics") if isinstance(raw, Mapping) else None
    names = [asked] if isinstance(asked, str) else asked if isinstance(asked, list | tuple) else []
    found = [_printable(name)[1:-1][:_LONGEST_NAME] for name in names if isinstance(name, str)]
    return tuple(dict.fromkeys(found))[:20] or ("?",)


__all__ = ["TIME", "GovernedMetrics", "MetricDescription", "ReadSession"]
