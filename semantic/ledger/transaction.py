"""What is written together: records with their place in a stream, under one time of the database."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from semantic.ledger.breakers import Breakers
from semantic.ledger.chain import Link, content_of
from semantic.ledger.erasable import rows_of_values
from semantic.ledger.many_rows import insert
from semantic.ledger.read_index import end_of, rows_of, scope_of, scope_rows
from semantic.ledger.record import Record, RecordKind
from semantic.ledger.schema import END_OF_READ, erasable_values, reads, records, scopes
from semantic.ledger.store import Store

# What a record of a definition is of.
METRICS, AGENT = "metrics", "agent"
RecordKey = tuple[str, str]

_KNOWN = sa.select(records.c.record_id, records.c.kind).where(
    records.c.record_id.in_(sa.bindparam("record_ids", expanding=True))
)
_KNOWN_SCOPES = (
    sa.select(scopes.c.scope)
    .distinct()
    .where(scopes.c.scope.in_(sa.bindparam("numbers", expanding=True)))
)
_POLICY = (
    sa.select(records.c.reason)
    .where(records.c.kind == RecordKind.POLICY.value)
    .order_by(records.c.seq.desc())
    .limit(1)
)
_END_READ = (
    sa.update(reads)
    .where(
        reads.c.seq
        == sa.select(records.c.seq)
        .where(
            records.c.record_id == sa.bindparam("ended_id"),
            records.c.kind == RecordKind.INTENT.value,
        )
        .scalar_subquery()
    )
    .values({name: sa.bindparam(f"new_{name}") for name in END_OF_READ})
)
_BEGINS_READ = (RecordKind.INTENT, RecordKind.REFUSAL)


@dataclass(frozen=True, kw_only=True)
class _Added:
    record: Record
    body: bytes
    stream: str
    position: int


class Transaction:
    """One transaction of a store that appends to one stream. `at` is its time, `last` the end of the stream so far, `newest` the
    number of the last record that it wrote, 0 before that.

    What is added stands in the database after `flush`.
    """

    def __init__(self, store: Store, connection: sa.Connection, last: Link) -> None:
        self.connection = connection
        self._store = store
        self.last = last
        self.at = ""
        self.newest = 0
        self._policy: str | None = None
        self._policy_is_known = False
        self._known: set[RecordKey] = set()
        self._known_scopes: set[int] = set()
        self._added: list[_Added] = []

    def begin(
        self,
        coming: Collection[Record],
        *,
        claims: Collection[str] = (),
        known_scopes: Collection[int] = (),
    ) -> None:
        """Learns the time, and which of these records are there already. Asked once for all that are going to be added.

        `claims` are what nobody else may change meanwhile; `known_scopes` need not be looked for.
        """
        numbers = {
            scope_of(touches) for item in coming if (touches := item.said["touches"])
        }.difference(known_scopes)
        self._store.claim(
            self.connection,
            {
                *claims,
                *(item.record_id for item in coming if item.is_retryable),
                *(f"scope {number}" for number in numbers),
            },
        )
        self.at = self._store.now(self.connection)
        if coming:
            found = self.connection.execute(
                _KNOWN, {"record_ids": [item.record_id for item in coming]}
            )
            self._known.update((row.record_id, row.kind) for row in found)
        self._known_scopes.update(known_scopes)
        if numbers:
            known = self.connection.execute(_KNOWN_SCOPES, {"numbers": list(numbers)})
            self._known_scopes.update(known.scalars())

    @cached_property
    def breakers(self) -> Breakers:
        """The breakers as they are in this transaction."""
        return Breakers(self.connection, self.at)

    @property
    def policy_hash(self) -> str | None:
        """The hash of the policy that was published last, also in this transaction."""
        if not self._policy_is_known:
            self._policy, self._policy_is_known = current_policy_hash(self.connection), True
        return self._policy

    @property
    def scopes(self) -> frozenset[int]:
        """The scopes that are known to be kept when this transaction has been committed."""
        return frozenset(self._known_scopes)

    def knows(self, record: Record) -> bool:
        """Whether a record is there already."""
        return (record.record_id, record.kind.value) in self._known

    def add(self, record: Record) -> bool:
        """Adds a record. Returns False for one that is there already."""
        key = (record.record_id, record.kind.value)
        if key in self._known:
            return False
        self._known.add(key)
        body = self.last.body_after(record.content, self.at)
        self.last = self.last.after(body)
        self._added.append(
            _Added(record=record, body=body, stream=self.last.stream, position=self.last.position)
        )
        if record.kind is RecordKind.POLICY:
            self._policy, self._policy_is_known = record.reason, True
        return True

    def flush(self) -> None:
        """Hands everything that was added to the database."""
        if not self._added:
            return
        numbers = self._store.numbers(self.connection, len(self._added))
        self.newest = numbers[-1]
        added, self._added = list(zip(self._added, numbers, strict=True)), []
        insert(self.connection, records, [self._row(item, seq) for item, seq in added])
        self._index(added)

    def _row(self, item: _Added, seq: int) -> dict[str, Any]:
        record = item.record
        return {
            "seq": seq,
            "record_id": record.record_id,
            "kind": record.kind.value,
            "recorded_at": self.at,
            "reader": record.reader,
            "acting_for": record.acting_for,
            "run_id": record.context.run_id,
            "root_run_id": record.context.root_run_id,
            "reason": record.reason,
            "body": item.body,
            "stream": item.stream,
            "position": item.position,
        }

    def _index(self, added: list[tuple[_Added, int]]) -> None:
        begun = [
            row
            for item, seq in added
            if item.record.kind in _BEGINS_READ
            for row in rows_of(item.record.said, seq, self.at)
        ]
        if begun:
            insert(self.connection, reads, begun)
        ended = [
            {f"new_{name}": value for name, value in end_of(item.record.said, self.at).items()}
            | {"ended_id": item.record.record_id}
            for item, _ in added
            if item.record.kind is RecordKind.OUTCOME
        ]
        if ended:
            self.connection.execute(_END_READ, ended)
        values = [
            row
            for item, _ in added
            for row in rows_of_values(item.record.record_id, item.record.erasable)
        ]
        if values:
            insert(self.connection, erasable_values, values)
        new = [row for item, _ in added for row in self._new_scope(item.record.said["touches"])]
        if new:
            insert(self.connection, scopes, new)

    def _new_scope(self, touches: Mapping[str, Any]) -> list[dict[str, Any]]:
        if not touches or (number := scope_of(touches)) in self._known_scopes:
            return []
        self._known_scopes.add(number)
        return list(scope_rows(touches))


def newest_content(
    connection: sa.Connection, kind: RecordKind, *, reason: str | None = None
) -> dict[str, Any] | None:
    """What the newest record of a kind, and with that reason where one is given, says; None where there is none."""
    newest = sa.select(records.c.body).where(records.c.kind == kind.value)
    if reason is not None:
        newest = newest.where(records.c.reason == reason)
    body = connection.execute(newest.order_by(records.c.seq.desc()).limit(1)).scalar_one_or_none()
    return None if body is None else content_of(body)


def definitions_on_record(connection: sa.Connection) -> dict[str, str]:
    """By metric, the hash of the definition that was put on record last."""
    content = newest_content(connection, RecordKind.DEFINITION, reason=METRICS)
    return {} if content is None else dict(content["details"]["definitions"])


def current_policy_hash(connection: sa.Connection) -> str | None:
    """The hash of the policy that was published last, or None where none has been."""
    found = connection.execute(_POLICY).scalar_one_or_none()
    return None if found is None else str(found)
