"""What is written together: records with their place in a stream, under one time of the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Self

import sqlalchemy as sa

from semantic.ledger.breakers import Breakers
from semantic.ledger.chain import Link
from semantic.ledger.driver import fetched, mark
from semantic.ledger.entry import Entry, RecordKey
from semantic.ledger.longest import refuse_unfit
from semantic.ledger.many_rows import insert
from semantic.ledger.newest import current_policy_hash
from semantic.ledger.read_index import ReadRow, end_of, rows_of, scope_rows
from semantic.ledger.record import Record, RecordKind
from semantic.ledger.schema import END_OF_READ, erasable_values, reads, records, scopes
from semantic.ledger.store import Store

# A power of two, as all numbers of ids that are looked for at once.
_MOST_AT_ONCE = 1_024
_KNOWN_SCOPES = (
    sa.select(scopes.c.scope)
    .distinct()
    .where(scopes.c.scope.in_(sa.bindparam("numbers", expanding=True)))
)
_END_READ = (
    sa.update(reads)
    .where(reads.c.seq == sa.bindparam("ended_seq"))
    .values({name: sa.bindparam(f"new_{name}") for name in END_OF_READ})
)
_BEGINS_READ = (RecordKind.INTENT, RecordKind.REFUSAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Added:
    entry: Entry
    body: bytes
    position: int


class Transaction:
    """One transaction of a store that appends to one stream. `at` is its time, `last` the end of the stream so far, `newest` the
    number of the last record that it wrote, 0 before that.

    `known` are the numbers of the records that are there already, of those that are going to be added and of what these end; `scopes` are
    those that are known to be kept when this transaction has been committed. What is added stands in the database after `flush`.
    """

    def __init__(
        self,
        store: Store,
        connection: sa.Connection,
        *,
        last: Link,
        at: str,
        known: Mapping[RecordKey, int],
        scopes: Collection[int],
    ) -> None:
        self.connection = connection
        self.last = last
        self.at = at
        self.newest = 0
        self.scopes = set(scopes)
        self._store = store
        self._numbers = dict(known)
        self._there = set(known)
        self._policy: str | None = None
        self._policy_is_known = False
        self._added: list[_Added] = []

    @classmethod
    def begun(
        cls,
        store: Store,
        connection: sa.Connection,
        *,
        last: Link,
        coming: Collection[Entry] = (),
        claims: Collection[str] = (),
        scopes: Collection[int] = (),
    ) -> Self:
        """Learns the time, and which of these records are there already. Asked once for all that are going to be added.

        `claims` are what nobody else may change meanwhile; `scopes` need not be looked for.
        """
        new_scopes = {item.scope for item in coming if item.scope is not None}.difference(scopes)
        retryable = {item.record.record_id for item in coming if item.record.is_retryable}
        store.claim(
            connection, {*claims, *retryable, *(f"scope {number}" for number in new_scopes)}
        )
        return cls(
            store,
            connection,
            last=last,
            at=store.now(connection),
            known=_known(connection, [item.record.record_id for item in coming]),
            scopes={*scopes, *_known_scopes(connection, new_scopes)},
        )

    @cached_property
    def breakers(self) -> Breakers:
        """The breakers as they are in this transaction."""
        return Breakers(self._store, self.connection, self.at)

    @property
    def policy_hash(self) -> str | None:
        """The hash of the policy that was published last, also in this transaction."""
        if not self._policy_is_known:
            self._policy, self._policy_is_known = current_policy_hash(self.connection), True
        return self._policy

    def knows(self, record: Record) -> bool:
        """Whether a record is there already."""
        return (record.record_id, record.kind.value) in self._there

    def add(self, record: Record) -> bool:
        """Adds a record. Returns False for one that is there already. Raises `LedgerUnavailable` for a text that does not fit."""
        refuse_unfit(record)
        return self.add_entry(Entry.of(record))

    def add_entry(self, entry: Entry) -> bool:
        """Adds a record that was made ready before. Returns False for one that is there already."""
        if entry.key in self._there:
            return False
        self._there.add(entry.key)
        body = self.last.body_after(entry.content, self.at)
        self.last = self.last.after(body)
        self._added.append(_Added(entry=entry, body=body, position=self.last.position))
        if entry.record.kind is RecordKind.POLICY:
            self._policy, self._policy_is_known = entry.record.reason, True
        return True

    def flush(self) -> None:
        """Hands everything that was added to the database."""
        if not self._added:
            return
        numbers = self._store.numbers(self.connection, len(self._added))
        self.newest = numbers[-1]
        added, self._added = list(zip(self._added, numbers, strict=True)), []
        insert(self.connection, records, [self._row(item, seq) for item, seq in added])
        self._begin_reads(added)
        self._end_reads([item.entry for item, _ in added])
        self._keep_values([item.entry for item, _ in added])
        self._keep_scopes([item.entry for item, _ in added])

    def _row(self, item: _Added, seq: int) -> tuple[Any, ...]:
        """In the order of the table."""
        record = item.entry.record
        return (
            seq,
            *item.entry.key,
            self.at,
            record.reader,
            record.acting_for,
            record.context.run_id,
            record.context.root_run_id,
            record.reason,
            item.body,
            self.last.stream,
            item.position,
        )

    def _begin_reads(self, added: Collection[tuple[_Added, int]]) -> None:
        begun: list[ReadRow] = []
        for item, seq in added:
            if item.entry.record.kind in _BEGINS_READ:
                begun += rows_of(item.entry.said, seq, self.at)
                self._numbers[item.entry.key] = seq
        insert(self.connection, reads, begun)

    def _end_reads(self, added: Collection[Entry]) -> None:
        ended = [entry for entry in added if entry.record.kind is RecordKind.OUTCOME]
        keys = {(entry.record.record_id, RecordKind.INTENT.value) for entry in ended}
        unknown = keys.difference(self._numbers)
        if unknown:
            self._numbers |= _known(self.connection, [record_id for record_id, _ in unknown])
        ends = [
            {f"new_{name}": value for name, value in end_of(entry.said, self.at)._asdict().items()}
            | {"ended_seq": seq}
            for entry in ended
            if (seq := self._numbers.get((entry.record.record_id, RecordKind.INTENT.value)))
        ]
        if ends:
            self.connection.execute(_END_READ, ends)

    def _keep_values(self, added: Collection[Entry]) -> None:
        insert(self.connection, erasable_values, [row for entry in added for row in entry.erasable])

    def _keep_scopes(self, added: Collection[Entry]) -> None:
        new = {item.scope: item for item in added if item.scope is not None}
        for known in self.scopes.intersection(new):
            del new[known]
        for known in _known_scopes(self.connection, new):
            del new[known]
        rows = [row for entry in new.values() for row in scope_rows(entry.said["touches"])]
        insert(self.connection, scopes, rows)
        self.scopes.update(new)


def _known(connection: sa.Connection, record_ids: Sequence[str]) -> dict[RecordKey, int]:
    """The numbers of the records that there are under these ids, by id and kind."""
    found: dict[RecordKey, int] = {}
    for start in range(0, len(record_ids), _MOST_AT_ONCE):
        wanted = list(record_ids[start : start + _MOST_AT_ONCE])
        size = 1 << (len(wanted) - 1).bit_length()
        rows = fetched(
            connection,
            _records_among(size, mark(connection)),
            (*wanted, *wanted[:1] * (size - len(wanted))),
        )
        found.update(((record_id, kind), seq) for record_id, kind, seq in rows)
    return found


@lru_cache(64)
def _records_among(ids: int, mark: str) -> str:
    """For so many ids: few numbers of them, so that each is one prepared statement."""
    marks = ", ".join([mark] * ids)
    return f"SELECT record_id, kind, seq FROM records WHERE record_id IN ({marks})"


def _known_scopes(connection: sa.Connection, numbers: Collection[int]) -> Collection[int]:
    """Those of which it is kept what they touch."""
    if not numbers:
        return []
    return connection.execute(_KNOWN_SCOPES, {"numbers": list(numbers)}).scalars().all()
