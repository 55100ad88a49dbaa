"""Writes records for all who wait, in one durable commit.

Those who write stand in a queue. The first one writes for those behind it as well; these wait, and find it done. So a commit costs one
caller what it costs sixty-four, and there is no thread that could be missing when a process forks or ends.
"""

import threading
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, takewhile

from semantic.errors import GovernedMetricsError, LedgerUnavailable
from semantic.ledger.chain import Link
from semantic.ledger.record import Record, uuid7
from semantic.ledger.store import LOCK_TIMEOUT_SECONDS, Store
from semantic.ledger.terms import Terms
from semantic.ledger.transaction import Transaction

MOST_AT_ONCE = 1_000


@dataclass(eq=False, kw_only=True)
class _Waiting:
    """Somebody in the queue: with a record, or for a transaction of its own. `signal` is held until it is done, or first."""

    record: Record | None = None
    terms: Terms | None = None
    signal: threading.Lock = field(default_factory=threading.Lock)
    is_done: bool = False
    is_new: bool = False
    error: GovernedMetricsError | None = None

    def __post_init__(self) -> None:
        self.signal.acquire()


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was committed last: the number of its last record, and when it was written."""

    number: int
    at: str


class Writer:
    """Appends to one stream of a store. Safe for threads. `written` is what it committed last, None before that."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[_Waiting] = deque()
        self._queueing = threading.Lock()
        self._writing: list[_Waiting] = []
        self._last = Link(stream=str(uuid7()))
        self._scopes: frozenset[int] = frozenset()
        self.written: Written | None = None

    def append(self, record: Record, terms: Terms | None = None) -> bool:
        """Writes a record durably. Returns whether it did: one with the same id and kind may be there already, and stays.

        Raises what its terms raise, and `LedgerUnavailable`.
        """
        assert record.content, "made in the thread that asks, not in the one that writes for it"
        mine = _Waiting(record=record, terms=terms)
        with self._turn(mine) as together:
            if together:
                self._commit(together)
        if mine.error is not None:
            raise mine.error
        return mine.is_new

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that nobody else writes beside, durable when the block has ended."""
        with self._turn(_Waiting()), self._transaction([], alone=True) as transaction:
            yield transaction

    @contextmanager
    def _turn(self, mine: _Waiting) -> Iterator[list[_Waiting]]:
        """Waits for its turn, and gives those for whom it is to write: itself first, nobody where another has done it."""
        with self._queueing:
            self._queue.append(mine)
            is_first = len(self._queue) == 1
        if not is_first and not mine.signal.acquire(timeout=LOCK_TIMEOUT_SECONDS):
            self._give_up(mine)
        if mine.is_done:
            yield []
            return
        with self._queueing:
            self._writing = self._together()
        try:
            yield self._writing
        finally:
            self._hand_over()

    def _together(self) -> list[_Waiting]:
        """The first in the queue, and those behind it who can be written for with it."""
        if self._queue[0].record is None:
            return [self._queue[0]]
        records = takewhile(lambda item: item.record is not None, self._queue)
        return list(islice(records, MOST_AT_ONCE))

    def _hand_over(self) -> None:
        """Lets those go for whom it has written, and the one who comes next begin."""
        with self._queueing:
            done, self._writing = self._writing, []
            for item in done:
                self._queue.popleft()
                item.is_done = True
            following = self._queue[0] if self._queue else None
        for item in done[1:]:
            item.signal.release()
        if following is not None:
            following.signal.release()

    def _give_up(self, mine: _Waiting) -> None:
        """Leaves the queue, unless its turn has just come. Raises `LedgerUnavailable`: it may still be written for."""
        with self._queueing:
            if mine.is_done or (self._queue[0] is mine and not self._writing):
                return
            if mine not in self._writing:
                self._queue.remove(mine)
        raise LedgerUnavailable("The ledger is busy in this process")

    @contextmanager
    def _transaction(
        self, coming: Collection[Record], *, claims: Collection[str] = (), alone: bool = False
    ) -> Iterator[Transaction]:
        """Goes on in the stream. Where it is not known what was written, the next transaction begins another."""
        last, self._last = self._last, Link(stream=str(uuid7()))
        with self._store.writing(alone=alone) as connection:
            transaction = Transaction(self._store, connection, last)
            transaction.begin(coming, claims=claims, known_scopes=self._scopes)
            yield transaction
            transaction.flush()
        self._last, self._scopes = transaction.last, transaction.scopes
        if transaction.newest:
            self.written = Written(number=transaction.newest, at=transaction.at)

    def _commit(self, together: list[_Waiting]) -> None:
        """Writes these records, or has each tell why not."""
        failure: BaseException | None = LedgerUnavailable("The record could not be written")
        try:
            coming = [item.record for item in together if item.record]
            claims = {name for item in together if item.terms for name in item.terms.claims}
            with self._transaction(coming, claims=claims) as transaction:
                for item in together:
                    _add(item, transaction)
            failure = None
        except Exception as error:
            failure = error
        finally:
            if failure is not None:
                for item in together:
                    item.error = _told(failure)


def _add(item: _Waiting, transaction: Transaction) -> None:
    record, terms = item.record, item.terms
    assert record is not None
    if terms is None:
        item.is_new = transaction.add(record)
        return
    try:
        terms.before(transaction, record)
    except GovernedMetricsError as error:
        item.error = error
        return
    item.is_new = transaction.add(record)
    if item.is_new:
        terms.after(transaction, record)


def _told(failure: BaseException) -> LedgerUnavailable:
    """The failure of a commit, for each of those who waited for it."""
    if isinstance(failure, LedgerUnavailable):
        told = LedgerUnavailable(failure.message, hint=failure.hint)
    else:
        told = LedgerUnavailable("The record could not be written")
    told.__cause__ = failure
    return told
