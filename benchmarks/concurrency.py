"""Reads per second of many readers at once, every read durably on record: threads of one process, and four processes."""

import multiprocessing
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
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
from benchmarks.ways import NotAnswered, governed
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


@dataclass(frozen=True, kw_only=True)
class Reads:
    """Milliseconds of the reads that were answered, and how many were refused: too many at once run into the timeout."""

    times: tuple[float, ...]
    refused: int


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
    reads = _read_at_once(load.queries, threads, door, seconds)
    return _figure(f"{load.name}, threads: {threads}", reads, time.perf_counter() - started)


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
    found = [results.get(timeout=_READY_SECONDS + seconds) for _ in workers]
    elapsed = time.perf_counter() - started
    for worker in workers:
        worker.join(_READY_SECONDS)
    reads = Reads(
        times=tuple(item for one in found for item in one.times),
        refused=sum(one.refused for one in found),
    )
    return _figure(f"{load.name}, processes: {PROCESSES}", reads, elapsed)


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
) -> Reads:
    """The reads of readers that ask at once, each beginning at another query."""
    until = time.monotonic() + seconds
    times: list[float] = []
    refused: list[str] = []

    def read(first: int) -> None:
        asks = [governed(query, door) for query in queries]
        for turn in count(first):
            if time.monotonic() > until:
                return
            try:
                times.append(milliseconds(asks[turn % len(asks)]))
            except NotAnswered as error:
                refused.append(str(error))

    running = [threading.Thread(target=read, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return Reads(times=tuple(times), refused=len(refused))


def _figure(name: str, reads: Reads, seconds: float) -> Figure:
    return Figure(
        benchmark=NAME,
        name=name,
        value=len(reads.times) / seconds,
        unit="reads/s",
        details={
            "reads": len(reads.times),
            "refused": reads.refused,
            "median_ms": round(statistics.median(reads.times), 2),
            "p95_ms": round(statistics.quantiles(reads.times, n=20, method="inclusive")[-1], 2),
        },
    )
