"""A governed read beside the same SQL as text, and beside MetricFlow that compiles for every query.

All ways take turns, query by query, in one process, on the same snapshot of the whole year of flights. Prints medians with their
quartiles, and writes `benchmarks/results/summary.json`.

    python -m benchmarks.governed_read
"""

import gc
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from semantic.answer import MetricAnswer
from semantic.dbt_manifest import load_catalog
from semantic.engine import CompileRequest
from semantic.engines.metricflow import MetricFlowCompiler
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger, ReadContext
from semantic.measurement import measure
from semantic.policy import Reader
from semantic.policy_file import parse_policy, policy_text
from semantic.query import MetricQuery
from semantic.resolve import Resolver
from semantic.snapshot import ModelState, OpenSnapshot, SnapshotStore, State
from tests.conformance.flights_year import build_flights_year

RESULTS = Path(__file__).parent / "results" / "summary.json"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "41"))
FEWEST_ROUNDS = 7
SECONDS_PER_QUERY = 40
READER = Reader(name="bench")
POLICY = """
rules:
  - permit: everything
    readers: [refresh, bench]
    metrics: ["*"]
"""
DAY = "metric_time__day"
QUERIES: Mapping[str, dict[str, Any]] = {
    "total": {"metrics": ["flights"]},
    "by local dimension": {"metrics": ["flights"], "group_by": ["carrier"]},
    "by joined dimension": {"metrics": ["flights"], "group_by": ["plane__manufacturer"]},
    "three metrics by two": {
        "metrics": ["flights", "cancellation_rate", "on_time_rate"],
        "group_by": ["metric_time__month", "carrier__airline_name"],
    },
    "derived": {"metrics": ["minutes_recovered_in_air"], "group_by": ["metric_time__month"]},
    "cumulative": {"metrics": ["flights_trailing_7_days"], "group_by": [DAY]},
    "conversion": {"metrics": ["grounded_plane_return_rate"], "group_by": ["metric_time__month"]},
}


def main() -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    with tempfile.TemporaryDirectory() as folder:
        console.print("Building the year of flights ...")
        doors = _open_doors(Path(folder))
        figures = [
            figure for name, query in QUERIES.items() for figure in _measure(name, query, doors)
        ]
        for door in doors.values():
            door.close()
    _print(console, figures)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": _machine(), "figures": figures}, indent=1) + "\n")
    console.print(f"Written to {RESULTS.relative_to(Path.cwd())}")


def _open_doors(folder: Path) -> dict[str, GovernedMetrics]:
    """Two doors over one snapshot: one that records on disk, durably, and one that records in memory."""
    year = build_flights_year(folder / "year")
    catalog = load_catalog(year.target)
    compiler = MetricFlowCompiler(catalog)
    policy = parse_policy(POLICY)
    store = SnapshotStore(folder / "snapshots")
    doors = {}
    for name, ledger in (
        ("durable record", Ledger.open(folder / "ledger.db")),
        ("record in memory", Ledger.in_memory()),
    ):
        ledger.publish_policy(policy.hash, policy_text(policy), by="bench", run_id=None)
        doors[name] = GovernedMetrics(
            catalog=catalog,
            policy=policy,
            ledger=ledger,
            snapshots=store,
            engine=lambda _: compiler,
            mask_key="bench",
        )
    passing = {node: ModelState(state=State.PASSING) for node in catalog.dbt_nodes}
    door = doors["record in memory"]
    with store.stage(catalog, year.warehouse) as staged:
        staged.publish(measure(door, staged, passing, previous=None, context=ReadContext()))
    return doors


def _measure(
    name: str, query: dict[str, Any], doors: Mapping[str, GovernedMetrics]
) -> list[dict[str, Any]]:
    ways = _ways(query, doors)
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {way: [] for way in ways}
    gc.disable()
    until = time.monotonic() + SECONDS_PER_QUERY
    for done in range(ROUNDS):
        if done >= FEWEST_ROUNDS and time.monotonic() > until:
            break
        for way, run in ways.items():
            started = time.perf_counter()
            run()
            taken[way].append((time.perf_counter() - started) * 1000)
    gc.enable()
    raw = taken["raw SQL text"]
    return [
        {
            "name": f"{name}: {way}",
            "query": name,
            "way": way,
            "value": round(statistics.median(times), 4),
            "quartiles": [round(item, 4) for item in statistics.quantiles(times, n=4)[::2]],
            "unit": "ms",
            "rounds": len(times),
            "peer": "raw SQL text",
            "ratio": round(
                statistics.median(one / other for one, other in zip(times, raw, strict=True)), 3
            ),
        }
        for way, times in taken.items()
    ]


def _ways(
    query: dict[str, Any], doors: Mapping[str, GovernedMetrics]
) -> dict[str, Callable[[], object]]:
    door = doors["record in memory"]
    snapshot = door.snapshots.current()
    data: OpenSnapshot = door.open(snapshot)
    planned = Resolver(door, READER, MetricQuery.model_validate(query), lambda: snapshot).resolve()
    request = CompileRequest(metrics=planned.metrics, group_by=planned.group_by)
    compiled = door.engine.compile(request)
    cursor = data._connection.cursor()
    ways: dict[str, Callable[[], object]] = {
        "raw SQL text": lambda: cursor.execute(compiled).fetchall(),
        "MetricFlow compiles and runs": lambda: cursor.execute(
            door.engine.compile(request)
        ).fetchall(),
    }
    for name, opened in doors.items():
        session = opened.session(READER)

        def read(session: Any = session) -> None:
            answer = session.query(query)
            if not isinstance(answer, MetricAnswer):
                raise TypeError(str(answer))

        ways[f"governed, {name}"] = read
    return ways


def _print(console: Console, figures: list[dict[str, Any]]) -> None:
    table = Table(
        title=f"Milliseconds, median of up to {ROUNDS} rounds (quartiles); ratio to raw SQL text, paired"
    )
    table.add_column("query")
    ways = list(dict.fromkeys(figure["way"] for figure in figures))
    for way in ways:
        table.add_column(way, justify="right")
    for name in QUERIES:
        cells = []
        for way in ways:
            found = next(item for item in figures if item["query"] == name and item["way"] == way)
            low, high = found["quartiles"]
            cells.append(f"{found['value']:.2f} ({low:.2f}-{high:.2f})  x{found['ratio']:.2f}")
        table.add_row(name, *cells)
    console.print(table)


def _machine() -> dict[str, Any]:
    packages = ("duckdb", "metricflow", "sqlalchemy", "dagster")
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        **{name: version(name) for name in packages},
    }


if __name__ == "__main__":
    main()
