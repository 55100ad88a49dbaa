"""Reads of one reader that all see the same data. Nothing here raises to a reader: what cannot be answered is a `Refusal`, and both
are on record before they are returned.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from pydantic import ValidationError

from semantic.answer import Explanation, MetricAnswer, Reason, Refusal
from semantic.asked import MAX_METRICS
from semantic.cancellation import Cancellation
from semantic.catalog import Catalog
from semantic.door import Door
from semantic.errors import LedgerUnavailable, SnapshotUnavailable
from semantic.ledger import (
    Erasable,
    MetricRead,
    ReadContext,
    Record,
    RecordKind,
    Terms,
    Touched,
    new_read_id,
    uuid7,
)
from semantic.open_snapshot import OpenSnapshot
from semantic.policy import Reader
from semantic.query import MetricQuery
from semantic.read import Read
from semantic.recordable import recordable
from semantic.recorded_query import recorded_query
from semantic.refused import Refused
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import SnapshotRecord
from semantic.spans import Attributes, Ours, span, tell
from semantic.told_values import ToldValues
from semantic.tracing import in_current_span

_LONGEST_RECORDED_REQUEST = 10_000
_LONGEST_NAME = 300
_UNKNOWN = "?"
AnswerT = TypeVar("AnswerT", MetricAnswer, Explanation)


class SessionDoor(Door, Protocol):
    """The door that a session reads through."""

    snapshots: SnapshotStore

    def open(self, snapshot: SnapshotRecord) -> OpenSnapshot: ...


class ReadSession:
    """Reads of one reader against one snapshot, which it holds until it ends. Use it as a context manager."""

    def __init__(
        self,
        door: SessionDoor,
        reader: Reader,
        context: ReadContext,
        snapshot: SnapshotRecord | None,
        data: OpenSnapshot | None,
    ) -> None:
        self._door = door
        self.reader = replace(
            reader,
            name=recordable(reader.name),
            acting_for=None if reader.acting_for is None else recordable(reader.acting_for),
        )
        self.context = _recordable_context(context)
        self._snapshot = snapshot
        self._data = data
        self._cancellation = Cancellation()

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
        return self._hold()[0]

    def _hold(self) -> tuple[SnapshotRecord, OpenSnapshot]:
        """The snapshot and its data, the same at every call. Raises `SnapshotUnavailable`."""
        if self._snapshot is None:
            self._snapshot = self._door.snapshots.current()
        if self._data is None:
            self._data = self._door.open(self._snapshot)
        return self._snapshot, self._data

    def query(
        self, asked: MetricQuery | Mapping[str, Any], *, call_id: str | None = None
    ) -> MetricAnswer | Refusal:
        """The answer, or why there is none; on record either way. `call_id` makes a retry the same read."""
        return self._ask(asked, Read.run, call_id=call_id)

    def tell(self, values: ToldValues, *, call_id: str | None = None) -> MetricAnswer | Refusal:
        """What a snapshot was measured to answer, where the same query would be answered now; on record like any read, of the data that it was
        measured on.
        """
        return self._ask(values.query, lambda read: read.tell(values), call_id=call_id)

    def dimension_values(
        self,
        dimension: str,
        metrics: Sequence[str] | str,
        *,
        contains: str | None = None,
        time_range: Mapping[str, Any] | str | None = None,
        limit: int | None = None,
        call_id: str | None = None,
    ) -> MetricAnswer | Refusal:
        """The values of a dimension that occur in the rows of some metrics which the reader sees, in order; within `time_range`, where
        there is one. On record like any read.
        """
        filters = [{"dimension": dimension, "operator": "contains", "values": contains}]
        asked = {
            "metrics": metrics,
            "group_by": dimension,
            "filters": filters if contains is not None else [],
            "time_range": time_range,
            "order_by": dimension,
            "limit": limit,
        }
        return self._ask(asked, Read.run, call_id=call_id, values_only=True)

    def explain(self, asked: MetricQuery | Mapping[str, Any]) -> Explanation | Refusal:
        """How the query would be answered, or why it would not. Reads no data, so that only a refusal is on record."""
        return self._ask(asked, Read.explain)

    def _ask(
        self,
        asked: MetricQuery | Mapping[str, Any],
        act: Callable[[Read], AnswerT],
        *,
        call_id: str | None = None,
        values_only: bool = False,
    ) -> AnswerT | Refusal:
        with span("governed_read", {Ours.READER: self.reader.name}) as read:
            result = self._ask_in_span(asked, act, call_id=call_id, values_only=values_only)
            tell(read, _attributes_of(result))
            return result

    def _ask_in_span(
        self,
        asked: MetricQuery | Mapping[str, Any],
        act: Callable[[Read], AnswerT],
        *,
        call_id: str | None,
        values_only: bool,
    ) -> AnswerT | Refusal:
        context = in_current_span(self.context)
        if call_id:
            context = replace(context, call_id=recordable(call_id))
        raw = asked.canonical() if isinstance(asked, MetricQuery) else asked
        query: MetricQuery | None = None
        try:
            read_id = self._read_id(context, ("values of", raw) if values_only else raw)
            try:
                query = _validated(asked)
                return act(
                    Read(
                        self._door,
                        self.reader,
                        context,
                        read_id,
                        query,
                        self._hold,
                        self._cancellation,
                        values_only=values_only,
                    )
                )
            except Refused as refused:
                return self._refuse(read_id, context, raw, query, refused)
        except LedgerUnavailable as error:
            return Refusal(
                reason=Reason.LEDGER_UNAVAILABLE,
                message="The read cannot be recorded, so nothing is released",
                hint=error.message,
            )

    def record(
        self,
        kind: RecordKind,
        details: Mapping[str, object],
        *,
        record_id: str | None = None,
        reason: str | None = None,
        terms: Terms | None = None,
    ) -> str:
        """Writes something that this reader did beside reading, on its terms. Returns its id, a new one unless one is given. Raises
        `LedgerUnavailable`.
        """
        written = Record(
            record_id=record_id or str(uuid7()),
            kind=kind,
            reader=self.reader.name,
            acting_for=self.reader.acting_for,
            team=self._door.policy.team_of(self.reader),
            context=in_current_span(self.context),
            reason=reason,
            details=details,
        )
        self._door.ledger.append(written, terms)
        return written.record_id

    def is_on_record(self, result: MetricAnswer | Refusal) -> bool:
        """Whether this was released by an earlier read, as the record says. Raises `LedgerUnavailable`."""
        if isinstance(result, Refusal):
            return result.read_id is not None
        recorded = self._door.ledger.body_here(result.read_id, RecordKind.OUTCOME)
        return recorded is not None and recorded["details"].get("result_digest") == result.digest

    def cancel(self) -> None:
        """Stops the queries of this session that run, and refuses those that are asked from here on."""
        self._cancellation.cancel()

    def renew(self) -> SnapshotRecord:
        """Lets go of the snapshot that is held, for the current one. Raises `SnapshotUnavailable`."""
        self._snapshot = self._data = None
        return self.snapshot

    def _read_id(self, context: ReadContext, raw: object) -> str:
        """The id of this read: that of an earlier try, unless its failure is on record already."""
        identity = self._identity(raw)
        read_id = new_read_id(self.reader.name, context, identity)
        while context.call_id and self._has_failed(read_id):
            read_id = new_read_id(self.reader.name, context, f"{identity} after {read_id}")
        return read_id

    def _has_failed(self, read_id: str) -> bool:
        outcome = self._door.ledger.body_here(read_id, RecordKind.OUTCOME)
        return outcome is not None and outcome["reason"] is not None

    def _identity(self, raw: object) -> str:
        """What a read that is tried again must share with the first try to be the same read: what was asked, of which
        data, under which policy. With the key of pseudonyms: the id stays when what was asked is erased, and must not confirm a guess.
        """
        try:
            record = self._hold()[0]
            version = f"{record.version} {record.covering}" if record.covering else record.version
        except SnapshotUnavailable:
            version = "none"
        who = f"{self.reader.acting_for} {sorted(self.reader.asks or ())}"
        text = f"{version} {self._door.policy.hash} {who} {_written(raw)}"
        return hmac.new(self._door.mask_key.encode(), text.encode(), hashlib.sha256).hexdigest()

    def _refuse(
        self,
        read_id: str,
        context: ReadContext,
        raw: object,
        query: MetricQuery | None,
        refused: Refused,
    ) -> Refusal:
        if not refused.is_recorded:
            record = self._refusal_record(read_id, context, raw, query, refused)
            self._door.ledger.append(record)
        return Refusal(
            reason=refused.reason, message=refused.message, hint=refused.hint, read_id=read_id
        )

    def _refusal_record(
        self,
        read_id: str,
        context: ReadContext,
        raw: object,
        query: MetricQuery | None,
        refused: Refused,
    ) -> Record:
        catalog = self._door.catalog
        named = filter(catalog.has_dimension, query.dimensions) if query else ()
        return Record(
            record_id=read_id,
            kind=RecordKind.REFUSAL,
            reader=self.reader.name,
            acting_for=self.reader.acting_for,
            team=self._door.policy.team_of(self.reader),
            context=context,
            reason=refused.reason.value,
            metrics=tuple(MetricRead(metric=name) for name in _asked_metrics(raw, catalog)),
            touches=Touched(dimensions=tuple(named)),
            details={
                "request": Erasable(_written(raw)[:_LONGEST_RECORDED_REQUEST]),
                "query": recorded_query(query, catalog) if query else None,
                "message": Erasable(refused.message),
                "detail": Erasable(refused.detail),
                "policy_hash": self._door.policy.hash,
                "rules": list(refused.rules),
                "snapshot": self._snapshot.version if self._snapshot else None,
            },
        )


def _attributes_of(result: MetricAnswer | Explanation | Refusal) -> Attributes:
    """What a span tells of a read."""
    if isinstance(result, Refusal):
        return {Ours.RECORD: result.read_id, Ours.REFUSED: result.reason.value}
    provenance = result.provenance
    return {
        Ours.RECORD: provenance.read_id,
        Ours.SNAPSHOT: provenance.snapshot,
        Ours.METRICS: tuple(item.name for item in provenance.metrics),
        Ours.DATA_VERSIONS: tuple(item.data_version for item in provenance.metrics),
        Ours.ROWS: len(result.rows) if isinstance(result, MetricAnswer) else None,
    }


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
            if not place or (first["type"] == "extra_forbidden" and len(first["loc"]) == 1)
            else None,
        ) from error


def _written(raw: object) -> str:
    """A request of any shape as text without lone surrogates, so that it can be recorded."""
    try:
        text = repr(raw)
    except (RecursionError, ValueError):
        text = "a request that is nested too deeply, or has a number that is too long, to be written down"
    return recordable(text)


def _recordable_context(context: ReadContext) -> ReadContext:
    """The context with texts that can be recorded, whoever made them up."""
    texts = {name: value for name, value in asdict(context).items() if isinstance(value, str)}
    return replace(context, **{name: recordable(text) for name, text in texts.items()})


def _asked_metrics(raw: object, catalog: Catalog) -> tuple[str, ...]:
    """The metrics in a request of any shape, for the index; in place of a name that the catalogue does not have, `?`."""
    asked = raw.get("metrics") if isinstance(raw, Mapping) else None
    names = [asked] if isinstance(asked, str) else asked if isinstance(asked, list | tuple) else []
    found = [name if catalog.find(name) else _UNKNOWN for name in names if isinstance(name, str)]
    return tuple(dict.fromkeys(found))[:MAX_METRICS] or (_UNKNOWN,)
