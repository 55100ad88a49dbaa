"""Memory and time of loading a catalogue and of the first compile, for 100 and for 1,000 metrics, in fresh processes."""

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.data_sets.many_metrics import parse_many_metrics
from benchmarks.figure import Figure
from benchmarks.probes.fresh import run_fresh
from benchmarks.setting import Setting
from benchmarks.table import figures_table

NAME = "scale"
COUNTS = (100, 1_000)
MOST_ROUNDS = 5


def run(setting: Setting) -> list[Figure]:
    figures = [figure for count in COUNTS for figure in _of_count(count, setting)]
    setting.console.print(figures_table("Many metrics, in a fresh process", figures))
    return figures


def _of_count(count: int, setting: Setting) -> Iterator[Figure]:
    setting.console.print(f"Parsing a project of {count:,} metrics ...")
    target = parse_many_metrics(setting.scratch / NAME / str(count), count)
    rounds = [
        run_fresh("benchmarks.probes.catalog", target)
        for _ in range(min(setting.rounds, MOST_ROUNDS))
    ]
    for step in rounds[0]["steps"]:
        for key, what, unit in (("seconds", "time", "s"), ("mb", "peak memory after", "MB")):
            yield Figure(
                benchmark=NAME,
                name=f"{count:,} metrics: {step}: {what}",
                value=_median(rounds, step, key),
                unit=unit,
                details={"rounds": len(rounds)},
            )


def _median(rounds: list[dict[str, Any]], step: str, key: str) -> float:
    return float(statistics.median(found["steps"][step][key] for found in rounds))
