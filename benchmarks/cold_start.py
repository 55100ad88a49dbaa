"""How long a process takes from its start to its first governed answer, with durable ledger, and to the same from SQL text."""

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable

from benchmarks.data_sets.data_set import DataSet
from benchmarks.figure import Figure
from benchmarks.probes.fresh import run_fresh
from benchmarks.published import published
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from benchmarks.timing import milliseconds
from semantic.engines.stored import PLANS_FOLDER

NAME = "cold_start"
MOST_ROUNDS = 9
QUESTION = "three metrics by two"
_DUCKDB = "import duckdb, sys; print(len(duckdb.connect(sys.argv[1], read_only=True).execute(sys.argv[2]).fetchall()))"


def run(setting: Setting) -> list[Figure]:
    figures = [
        figure for data_set in setting.data_sets for figure in _of_data_set(data_set, setting)
    ]
    setting.console.print(figures_table(f"From start to first answer: {QUESTION}", figures))
    return figures


def _of_data_set(data_set: DataSet, setting: Setting) -> list[Figure]:
    state = setting.scratch / NAME / data_set.name
    question = next(item for item in data_set.questions if item.name == QUESTION)
    asked = (data_set.target, state, json.dumps(question.query))
    with published(data_set, state) as behind_doors:
        sql = [sys.executable, "-c", _DUCKDB, str(behind_doors.file), question.sql]

    def answer() -> None:
        run_fresh("benchmarks.probes.first_answer", *asked)

    def answer_without_plans() -> None:
        shutil.rmtree(state / PLANS_FOLDER, ignore_errors=True)
        answer()

    steps: dict[str, Callable[[], object]] = {
        "hand-written SQL in a bare process": lambda: subprocess.run(
            sql, check=True, capture_output=True
        ),
        "governed, nothing compiled before": answer_without_plans,
        "governed, plans on disk": answer,
    }
    rounds = min(setting.rounds, MOST_ROUNDS)
    taken: dict[str, list[float]] = {step: [] for step in steps}
    for _ in range(rounds):
        for step, act in steps.items():
            taken[step].append(milliseconds(act))
    return [
        Figure(
            benchmark=NAME,
            name=f"{data_set.name}: {step}",
            value=statistics.median(times),
            unit="ms",
            details={
                "quartiles": [
                    round(item, 1)
                    for item in statistics.quantiles(times, n=4, method="inclusive")[::2]
                ]
                if len(times) > 1
                else [round(times[0], 1)] * 2,
                "rounds": rounds,
            },
        )
        for step, times in taken.items()
    ]
