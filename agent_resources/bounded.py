"""A coroutine that runs to its end, or for so long."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


def run_bounded(
    start: Callable[[], Coroutine[Any, Any, ResultT]],
    seconds: float,
    *,
    give_up: Callable[[], None],
) -> ResultT:
    """Runs a coroutine to its end, or for `seconds`, in a thread and event loop of its own: the caller may have one.

    `give_up` is called where the time is over or the caller is interrupted: what the coroutine waits for may run in a thread, which does not end
    by itself.
    """
    begun: Future[Callable[[], object]] = Future()

    async def bounded() -> ResultT:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        begun.set_result(partial(loop.call_soon_threadsafe, task.cancel))
        loop.call_later(seconds, give_up)
        async with asyncio.timeout(seconds):
            return await start()

    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(copy_context().run, asyncio.run, bounded())
        try:
            return running.result()
        except BaseException:
            if not running.done():
                give_up()
                begun.result()()
            raise
