"""Durable records per second on both stores: many callers at once, and many processes. Beside them a table that commits each row by itself, and Dagster's event log."""

import multiprocessing
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.figure import Figure
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from benchmarks.timing import milliseconds
from semantic.ledger import Ledger, MetricRead, Record, RecordKind, Touched
from semantic.ledger.entry import Entry
from tests.postgres import running_postgres

NAME = "recording"
CALLERS = (1, 8, 64)
PROCESSES = (1, 4, 16)
MOST_CALLERS = 64
TARGET = 5_000
_READY_SECONDS = 120
Append = Callable[[], object]
Place = Path | str


@dataclass(frozen=True, kw_only=True)
class Appended:
    """Milliseconds that each caller waited until its record was durable, and how long all took together."""

    times: tuple[float, ...]
    seconds: float


def run(setting: Setting) -> list[Figure]:
    folder, seconds = setting.scratch / NAME, setting.threads_seconds
    numbers = count()
    with running_postgres() as server:
        stores: dict[str, Callable[[], Place]] = {
            "SQLite": lambda: folder / f"{next(numbers)}" / "ledger.db",
            "Postgres": server.new_ledger,
        }
        figures = [
            figure
            for store, new_place in stores.items()
            for figure in (
                *(_of_callers(callers, store, new_place(), seconds) for callers in CALLERS),
                *(_of_processes(number, store, new_place(), seconds) for number in PROCESSES),
            )
        ]
    figures += [
        _of_plain_table(folder / "plain", seconds),
        _of_event_log(folder / "dagster", seconds),
    ]
    setting.console.print(figures_table("Durable records per second", figures))
    return figures


def intent(record_id: str) -> Record:
    """A record as a read writes it."""
    return Record(
        record_id=record_id,
        kind=RecordKind.INTENT,
        reader="analyst",
        metrics=(MetricRead(metric="orders", data_version="5" * 32, definition_hash="7" * 32),),
        touches=Touched(dimensions=("customer__region",), relations=('"shop"."main"."orders"',)),
        details={
            "query": {"metrics": ["orders"], "group_by": ["customer__region"], "filters": []},
            "versions_as_read": {"orders": "5" * 32},
            "snapshot": "v000001",
            "policy_hash": "3" * 32,
            "rules": ["analysts read orders"],
            "plan_hash": "9" * 32,
        },
    )


def _of_callers(callers: int, store: str, place: Place, seconds: float) -> Figure:
    ledger = Ledger.open(place)
    numbers = count()
    found = _append_at_once(
        lambda: ledger.append(intent(f"read-{next(numbers)}")), callers, seconds
    )
    ledger.close()
    return _figure(
        f"{store}, callers: {callers}",
        found,
        target=TARGET if (store, callers) == ("SQLite", MOST_CALLERS) else None,
    )


def _of_processes(processes: int, store: str, place: Place, seconds: float) -> Figure:
    """Processes of one caller each, on one ledger."""
    Ledger.open(place).close()
    context = multiprocessing.get_context("spawn")
    results, ready = context.Queue(), context.Barrier(processes)
    workers = [
        context.Process(target=_work, args=(place, number, seconds, ready, results), daemon=True)
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    found: list[Appended] = [
        results.get(timeout=_READY_SECONDS + seconds) for _ in range(processes)
    ]
    for worker in workers:
        worker.join(_READY_SECONDS)
    return _figure(
        f"{store}, processes: {processes}",
        Appended(
            times=tuple(item for one in found for item in one.times),
            seconds=max(one.seconds for one in found),
        ),
    )


def _work(place: Place, number: int, seconds: float, ready: Any, results: Any) -> None:
    ledger = Ledger.open(place)
    numbers = count()
    ready.wait(_READY_SECONDS)
    results.put(
        _append_at_once(lambda: ledger.append(intent(f"read-{number}-{next(numbers)}")), 1, seconds)
    )
    ledger.close()


def _of_plain_table(folder: Path, seconds: float) -> Figure:
    """One row and one durable commit at a time, without an index, a hash or a second table."""
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE records (body BLOB)")
    body = Entry.of(intent("read")).content
    found = _append_at_once(
        lambda: connection.execute("INSERT INTO records VALUES (?)", [body]), 1, seconds
    )
    connection.close()
    return _figure("a plain table, callers: 1", found)


def _of_event_log(folder: Path, seconds: float) -> Figure:
    """An observation of an asset, reported without a run, to the instance as it is by default."""
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        observation = dg.AssetObservation(
            "orders", metadata={"query": dg.MetadataValue.json(dict(intent("read").details))}
        )
        found = _append_at_once(
            lambda: instance.report_runless_asset_event(observation), 1, seconds
        )
    return _figure("Dagster's event log, callers: 1", found)


def _append_at_once(append: Append, callers: int, seconds: float) -> Appended:
    """What callers wait for that append at once, one record after the other."""
    append()
    times: list[float] = []
    started = time.perf_counter()
    until = started + seconds

    def work() -> None:
        while time.perf_counter() < until:
            times.append(milliseconds(append))

    if callers == 1:
        work()
    else:
        threads = [threading.Thread(target=work) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return Appended(times=tuple(times), seconds=time.perf_counter() - started)


def _figure(name: str, found: Appended, *, target: int | None = None) -> Figure:
    value = len(found.times) / found.seconds
    return Figure(
        benchmark=NAME,
        name=name,
        value=value,
        unit="records/s",
        target=f">= {target:,}" if target else None,
        reached=value >= target if target else None,
        details={
            "records": len(found.times),
            "median_ms": round(statistics.median(found.times), 2),
            "p99_ms": round(statistics.quantiles(found.times, n=100, method="inclusive")[-1], 2),
        },
    )
