"""Several processes that look through one record, each through parts of it."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import sqlalchemy as sa

from semantic.ledger.stretch import Part, Stretch, stretch_between

# How another process connects to the database of a record.
Connect = Callable[[], sa.Engine]
_engines: list[sa.Engine] = []


def stretches_side_by_side(
    connect: Connect, parts: Iterable[Part], *, processes: int
) -> Iterator[Stretch]:
    """What there is to tell of parts of a record, in their order. Few of them are ahead of the one that is taken, so that memory holds few.

    Raises what reading them raises, and `concurrent.futures.BrokenExecutor` where a process is ended.
    """
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(connect,),
    )
    waiting: deque[Future[Stretch]] = deque()
    try:
        for part in parts:
            waiting.append(pool.submit(_look_through, part))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(connect: Connect) -> None:
    _engines.append(connect())


def _look_through(part: Part) -> Stretch:
    with _engines[0].connect() as connection:
        return stretch_between(connection, part)
