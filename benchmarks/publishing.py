"""What publishing a snapshot costs: copying the governed relations, measuring every metric, making it current."""

import statistics
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.data_sets.data_set import DataSet
from benchmarks.door import measured, open_door
from benchmarks.figure import Figure
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from semantic.dbt_manifest import load_catalog
from semantic.engines.embedded import embedded_engine
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.snapshot import SnapshotStore

NAME = "publishing"
MOST_ROUNDS = 5


def run(setting: Setting) -> list[Figure]:
    figures = [
        figure for data_set in setting.data_sets for figure in _of_data_set(data_set, setting)
    ]
    setting.console.print(figures_table("What a snapshot costs", figures))
    return figures


def _of_data_set(data_set: DataSet, setting: Setting) -> list[Figure]:
    state = setting.scratch / NAME / data_set.name
    catalog = load_catalog(data_set.target)
    taken: dict[str, list[float]] = defaultdict(list)
    ledger = Ledger.open(state / "ledger.db")
    with open_door(catalog, embedded_engine(catalog), ledger, SnapshotStore(state)) as door:
        for _ in range(min(setting.rounds, MOST_ROUNDS)):
            for step, seconds in _publish(door, data_set.warehouse).items():
                taken[step].append(seconds)
    about = {
        "metrics": len(catalog.metrics),
        "warehouse_mb": round(data_set.warehouse.stat().st_size / 1e6, 1),
        "rounds": min(setting.rounds, MOST_ROUNDS),
    }
    return [
        Figure(
            benchmark=NAME,
            name=f"{data_set.name}: {step}",
            value=statistics.median(seconds),
            unit="s",
            details=about,
        )
        for step, seconds in taken.items()
    ]


def _publish(door: GovernedMetrics, warehouse: Path) -> dict[str, float]:
    """Seconds by step. The plans of the metrics are compiled in the first round only, as in a process that goes on."""
    started = time.perf_counter()
    with door.snapshots.stage(door.catalog, warehouse) as staged:
        copied = time.perf_counter()
        record = measured(door, staged)
        all_measured = time.perf_counter()
        staged.publish(record)
        current = time.perf_counter()
    return {
        "copy the relations": copied - started,
        "measure every metric": all_measured - copied,
        "make it current": current - all_measured,
        "publish, all together": current - started,
    }
