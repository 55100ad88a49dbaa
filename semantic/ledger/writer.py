"""Writes records for all who wait, in one durable commit.

Those who write stand in a queue. The first one writes for those behind it as well; these wait, and find it done. So a commit costs one
caller what it costs sixty-four, and there is no thread that could be missing when a process forks or ends.
"""

import threading
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, pairwise, takewhile

from semantic.errors import GovernedMetricsError, LedgerUnavailable
from semantic.ledger.chain import Link
from semantic.ledger.entry import Entry
from semantic.ledger.longest import refuse_unfit
from semantic.ledger.record import Record, uuid7
from semantic.ledger.store import LOCK_TIMEOUT_SECONDS, Store
from semantic.ledger.terms import Terms
from semantic.ledger.transaction import Transaction

MOST_AT_ONCE = 1_000
# Another commit costs what a dozen records do.
FEWEST_DIVIDED = 16


@dataclass(eq=False, kw_only=True)
class _Waiting:
    """Somebody in the queue: with a record made ready, or for a transaction of its own. `signal` is held until it is done, or first.

    Who is done lets the one go who comes `after` it.
    """

    entry: Entry | None = None
    terms: Terms | None = None
    signal: threading.Lock = field(default_factory=threading.Lock)
    is_done: bool = False
    is_gone: bool = False
    after: "_Waiting | None" = None
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
        self._written_last = 0
        self._last = Link(stream=str(uuid7()))
        self._scopes: Collection[int] = ()
        self.written: Written | None = None

    def append(self, record: Record, terms: Terms | None = None) -> bool:
        """Writes a record durably. Returns whether it did: one with the same id and kind may be there already, and stays.

        Raises what its terms raise, and `LedgerUnavailable`: also for a text that does not fit, before anybody else could be refused for it.
        """
        refuse_unfit(record)
        mine = _Waiting(entry=Entry.of(record), terms=terms)
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
        try:
            self._wait(mine)
            if not mine.is_done:
                with self._queueing:
                    self._writing = self._together()
            yield [] if mine.is_done else self._writing
        finally:
            self._leave(mine)

    def _wait(self, mine: _Waiting) -> None:
        """Returns when it is done, or first. Raises `LedgerUnavailable` where that takes too long: it may still be written for."""
        with self._queueing:
            self._queue.append(mine)
            is_first = len(self._queue) == 1
        if is_first or mine.signal.acquire(timeout=LOCK_TIMEOUT_SECONDS):
            return
        with self._queueing:
            is_its_turn = self._queue[0] is mine and not self._writing
            if not (mine.is_done or is_its_turn):
                raise LedgerUnavailable("The ledger is busy in this process")

    def _leave(self, mine: _Waiting) -> None:
        """Leaves the queue, also where it was interrupted, so that nobody behind it waits for it."""
        if self._writing and self._writing[0] is mine:
            self._hand_over()
            return
        following = None
        with self._queueing:
            if mine.is_done:
                following = mine.after
            elif mine in self._writing:
                mine.is_gone = True
            elif mine in self._queue:
                was_next = self._queue[0] is mine and not self._writing
                self._queue.remove(mine)
                following = self._queue[0] if was_next and self._queue else None
        _let_go(following)

    def _together(self) -> list[_Waiting]:
        """The first in the queue, and those behind it who can be written for with it.

        Of many only half, counting those who were written for last and come again: while one half is written for, the other half makes its
        next records.
        """
        if self._queue[0].entry is None:
            return [self._queue[0]]
        half = (len(self._queue) + self._written_last + 1) // 2
        with_records = takewhile(lambda item: item.entry is not None, self._queue)
        return list(islice(with_records, min(max(half, FEWEST_DIVIDED), MOST_AT_ONCE)))

    def _hand_over(self) -> None:
        """Lets the one who comes next begin, and the first of those go for whom it has written. Each of these lets another one go: all
        at once they would stand in line for the interpreter, before the one who writes.
        """
        with self._queueing:
            done, self._writing = self._writing, []
            self._written_last = len(done)
            for item in done:
                self._queue.popleft()
                item.is_done = True
            there = [done[0], *(item for item in done[1:] if not item.is_gone)]
            for item, after in pairwise(there):
                item.after = after
            following = self._queue[0] if self._queue else None
        if following is not None:
            following.signal.release()
        _let_go(done[0].after)

    @contextmanager
    def _transaction(
        self, coming: Collection[Entry], *, claims: Collection[str] = (), alone: bool = False
    ) -> Iterator[Transaction]:
        """Goes on in the stream. Where it is not known what was written, the next transaction begins another."""
        last, self._last = self._last, Link(stream=str(uuid7()))
        with self._store.writing(alone=alone) as connection:
            transaction = Transaction.begun(
                self._store,
                connection,
                last=last,
                coming=coming,
                claims=claims,
                scopes=self._scopes,
            )
            yield transaction
            transaction.flush()
        self._last, self._scopes = transaction.last, transaction.scopes
        if transaction.newest:
            self.written = Written(number=transaction.newest, at=transaction.at)

    def _commit(self, together: list[_Waiting]) -> None:
        """Writes these records, or has each tell why not."""
        failure: BaseException | None = LedgerUnavailable("The record could not be written")
        try:
            coming = [item.entry for item in together if item.entry]
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


def _let_go(waiting: _Waiting | None) -> None:
    if waiting is not None:
        waiting.signal.release()


def _add(item: _Waiting, transaction: Transaction) -> None:
    entry, terms = item.entry, item.terms
    assert entry is not None
    if terms is None:
        item.is_new = transaction.add_entry(entry)
        return
    try:
        terms.before(transaction, entry.record)
    except GovernedMetricsError as error:
        item.error = error
        return
    item.is_new = transaction.add_entry(entry)
    if item.is_new:
        terms.after(transaction, entry.record)


def _told(failure: BaseException) -> LedgerUnavailable:
    """The failure of a commit, for each of those who waited for it."""
    if isinstance(failure, LedgerUnavailable):
        told = LedgerUnavailable(failure.message, hint=failure.hint)
    else:
        told = LedgerUnavailable("The record could not be written")
    told.__cause__ = failure
    return told
