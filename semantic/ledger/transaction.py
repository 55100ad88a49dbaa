"""What is written together: records with their place in a stream, under one time of the database."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from semantic.ledger.chain import Link, content_of
from semantic.ledger.record import Record, RecordKind
from semantic.ledger.schema import read_metrics, records
from semantic.ledger.sqlite_store import SqliteStore

RecordKey = tuple[str, str]

_KNOWN = sa.select(records.c.record_id, records.c.kind).where(
    records.c.record_id.in_(sa.bindparam("record_ids", expanding=True))
)
_POLICY = (
    sa.select(records.c.reason)
    .where(records.c.kind == RecordKind.POLICY.value)
    .order_by(records.c.seq.desc())
    .limit(1)
)
_ADD = sa.insert(records)
_ADD_METRICS = sa.insert(read_metrics)


class Transaction:
    """One transaction of a store that appends to one stream. `at` is its time, `last` the end of the stream so far.

    What is added stands in the database after `flush`.
    """

    def __init__(self, store: SqliteStore, connection: sa.Connection, last: Link) -> None:
        self.connection = connection
        self.at, self._seq = store.now_and_next(connection)
        self.last = last
        self._policy: str | None = None
        self._policy_is_known = False
        self._known: set[RecordKey] = set()
        self._records: list[dict[str, Any]] = []
        self._metrics: list[dict[str, Any]] = []

    @property
    def policy_hash(self) -> str | None:
        """The hash of the policy that was published last, also in this transaction."""
        if not self._policy_is_known:
            self._policy, self._policy_is_known = current_policy_hash(self.connection), True
        return self._policy

    def look_for(self, record_ids: Iterable[str]) -> None:
        """Learns which of these records are there already. Asked once for all that are going to be added."""
        found = self.connection.execute(_KNOWN, {"record_ids": list(record_ids)})
        self._known.update((row.record_id, row.kind) for row in found)

    def add(self, record: Record, content: bytes) -> bool:
        """Adds a record that was looked for. Returns False for one that is there already."""
        key = (record.record_id, record.kind.value)
        if key in self._known:
            return False
        self._known.add(key)
        body = self.last.body_after(content, self.at)
        self.last = self.last.after(body)
        self._records.append(self._row(record, body))
        self._metrics.extend(self._metric_rows(record))
        if record.kind is RecordKind.POLICY:
            self._policy, self._policy_is_known = record.reason, True
        self._seq += 1
        return True

    def flush(self) -> None:
        """Hands everything that was added to the database."""
        if self._records:
            self.connection.execute(_ADD, self._records)
        if self._metrics:
            self.connection.execute(_ADD_METRICS, self._metrics)
        self._records, self._metrics = [], []

    def _row(self, record: Record, body: bytes) -> dict[str, Any]:
        return {
            "seq": self._seq,
            "record_id": record.record_id,
            "kind": record.kind.value,
            "recorded_at": self.at,
            "reader": record.reader,
            "acting_for": record.acting_for,
            "run_id": record.context.run_id,
            "root_run_id": record.context.root_run_id,
            "reason": record.reason,
            "body": body,
            "stream": self.last.stream,
            "position": self.last.position,
        }

    def _metric_rows(self, record: Record) -> Iterable[dict[str, Any]]:
        for item in record.metrics:
            yield {
                "seq": self._seq,
                "metric": item.metric,
                "record_id": record.record_id,
                "recorded_at": self.at,
                "data_version": item.data_version,
                "definition_hash": item.definition_hash,
                "covers_from": item.covers_from.isoformat() if item.covers_from else None,
                "covers_to": item.covers_to.isoformat() if item.covers_to else None,
            }


def newest_content(connection: sa.Connection, kind: RecordKind) -> dict[str, Any] | None:
    """What the newest record of a kind says, or None where there is none."""
    body = connection.execute(
        sa.select(records.c.body)
        .where(records.c.kind == kind.value)
        .order_by(records.c.seq.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if body is None else content_of(body)


def current_policy_hash(connection: sa.Connection) -> str | None:
    """The hash of the policy that was published last, or None where none has been."""
    found = connection.execute(_POLICY).scalar_one_or_none()
    return None if found is None else str(found)
