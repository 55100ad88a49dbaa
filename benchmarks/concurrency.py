"""Reads per second of many readers at once, every read durably on record: threads of one process, and four processes."""

import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.data_sets.data_set import DataSet
from benchmarks.data_sets.shop import LIGHT_QUERY
from benchmarks.door import open_durable
from benchmarks.figure import Figure
from benchmarks.published import Published, published
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from benchmarks.timing import milliseconds
from benchmarks.ways import governed
from semantic.governed_metrics import GovernedMetrics

NAME = "concurrency"
THREADS = (1, 4, 16, 64)
PROCESSES = 4
_READY_SECONDS = 120
Query = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Load:
    """Queries that every reader asks in turn."""

    name: str
    queries: tuple[Query, ...]


def run(setting: Setting) -> list[Figure]:
    with published(setting.shop, setting.scratch / NAME) as behind_doors:
        loads = _loads(setting.shop)
        figures = [
            _of_threads(load, threads, behind_doors, setting.threads_seconds)
            for load in loads
            for threads in THREADS
        ] + [_of_processes(load, behind_doors, setting.threads_seconds) for load in loads]
    setting.console.print(figures_table("Reads per second, durable ledger", figures))
    return figures


def _loads(shop: DataSet) -> tuple[Load, ...]:
    """One light query on 20,000 rows, and every question of the shop in turn."""
    return (
        Load(name="a light query", queries=(LIGHT_QUERY,)),
        Load(name="a mixed set", queries=tuple(item.query for item in shop.questions)),
    )


def _of_threads(load: Load, threads: int, behind_doors: Published, seconds: float) -> Figure:
    door = behind_doors.durable
    for query in load.queries:
        governed(query, door)()
    started = time.perf_counter()
    times = _read_at_once(load.queries, threads, door, seconds)
    return _figure(f"{load.name}, threads: {threads}", times, time.perf_counter() - started)


def _of_processes(load: Load, behind_doors: Published, seconds: float) -> Figure:
    """Four processes of one reader each, over one snapshot and one ledger."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    ready = context.Barrier(PROCESSES + 1)
    asked = (behind_doors.data_set.target, behind_doors.state, load.queries, seconds)
    workers = [
        context.Process(target=_work, args=(*asked, ready, results), daemon=True)
        for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    ready.wait(_READY_SECONDS)
    started = time.perf_counter()
    times = [item for _ in workers for item in results.get(timeout=_READY_SECONDS + seconds)]
    elapsed = time.perf_counter() - started
    for worker in workers:
        worker.join(_READY_SECONDS)
    return _figure(f"{load.name}, processes: {PROCESSES}", times, elapsed)


def _work(
    target: Path, state: Path, queries: Sequence[Query], seconds: float, ready: Any, results: Any
) -> None:
    """What each process does: opens a door of its own, warms it, waits for the others, reads."""
    with open_durable(target, state) as door:
        for query in queries:
            governed(query, door)()
        ready.wait(_READY_SECONDS)
        results.put(_read_at_once(queries, 1, door, seconds))


def _read_at_once(
    queries: Sequence[Query], threads: int, door: GovernedMetrics, seconds: float
) -> list[float]:
    """Milliseconds of every read that readers did at once. Raises what stopped the first of them."""
    until = time.monotonic() + seconds
    times: list[float] = []
    failures: list[BaseException] = []

    def read(first: int) -> None:
        asks = [governed(query, door) for query in queries]
        try:
            for turn in count(first):
                if time.monotonic() > until:
                    return
                times.append(milliseconds(asks[turn % len(asks)]))
        except BaseException as error:
            failures.append(error)

    _run_threads(read, threads)
    if failures:
        raise failures[0]
    return times


def _run_threads(read: Callable[[int], None], threads: int) -> None:
    running = [threading.Thread(target=read, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def _figure(name: str, times: list[float], seconds: float) -> Figure:
    return Figure(
        benchmark=NAME,
        name=name,
        value=len(times) / seconds,
        unit="reads/s",
        details={
            "reads": len(times),
            "median_ms": round(statistics.median(times), 2),
            "p95_ms": round(statistics.quantiles(times, n=20, method="inclusive")[-1], 2)
            if len(times) > 1
            else None,
        },
    )
