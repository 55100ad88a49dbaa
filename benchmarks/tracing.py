"""Lineage, impact, recall and the access report over a long history: how long each question takes on the embedded store."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from itertools import count
from pathlib import Path

from dagster import DagsterInstance

from benchmarks.dagster_history import write_runs
from benchmarks.data_sets.many_metrics import parse_many_metrics
from benchmarks.figure import Figure, timed_figure
from benchmarks.history import DAYS, FIRST, HOT, write_history
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from benchmarks.timing import milliseconds
from orchestration_assets.recalled_assets import mark_recalled
from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.evidence.collected import collect_evidence
from semantic.evidence.folder import write_evidence
from semantic.ledger import Ledger
from semantic.ledger.recalls import Recall, Wrong
from semantic.ledger.run_decisions import decisions_resting_on
from semantic.lineage.access import access_report
from semantic.lineage.change import Change, ChangedMetric
from semantic.lineage.changed import changed_metrics
from semantic.lineage.graph import Kind, Place
from semantic.lineage.impact import impacts
from semantic.lineage.recall import recall_scope
from semantic.lineage.trace import Tracer

NAME = "tracing"
READS = 1_000_000
METRICS = 1_000
AGENTS = 100
_FEW = 5
RUNS = 1_000
_LOADING = "from orchestration_assets.definitions import defs; defs().get_repository_def()"
_RUN = "00000100-0000-4000-8000-000000000000"


def run(setting: Setting) -> list[Figure]:
    folder = setting.scratch / NAME
    path = folder / "ledger.db"
    catalog = load_catalog(parse_many_metrics(folder / "project", METRICS))
    setting.console.print(f"Writing a history of {READS:,} reads and their decisions ...")
    write_history(path, READS, with_decisions=True)
    ledger = Ledger.open(path)
    try:
        rounds = min(_FEW, setting.rounds)
        figures = _questions(ledger, catalog, rounds, folder)
        setting.console.print(f"Writing {RUNS:,} runs of Dagster ...")
        figures += _in_dagster(ledger, folder, rounds)
    finally:
        ledger.close()
        shutil.rmtree(folder)
    setting.console.print(figures_table(f"A history of {READS:,} reads", figures))
    return figures


def _questions(ledger: Ledger, catalog: Catalog, rounds: int, folder: Path) -> list[Figure]:
    granted = {
        f"agent_{agent}": [f"metric_{(agent * 20 + it) % METRICS}" for it in range(20)]
        for agent in range(AGENTS)
    }
    tracer = Tracer(catalog=catalog, ledger=ledger, granted=granted, catalog_with=lambda *_: None)
    middle = FIRST + timedelta(days=DAYS // 2)
    day = middle.replace(tzinfo=None)
    changed = [ChangedMetric(name=f"metric_{it}", change=Change.MEANING) for it in range(10)]
    wrong = Wrong(metrics=(HOT,), first=date(2020, 1, 1), last=date(2030, 1, 1))
    other = Wrong(metrics=("metric_7",), first=date(2020, 1, 1), last=date(2030, 1, 1))
    folders = (folder / f"evidence_{number}" for number in count())

    def evidence(into: Path) -> None:
        found = collect_evidence(ledger, "agent_7", since=day, until=day + timedelta(days=1))
        write_evidence(ledger, found, into)

    asked: dict[str, tuple[Callable[[], object], float]] = {
        "lineage of the hot metric": (lambda: tracer.trace(Place(Kind.METRIC, HOT)), 1_000),
        "lineage of the hot metric, of a day": (
            lambda: tracer.trace(Place(Kind.METRIC, HOT), since=day, until=day + timedelta(days=1)),
            1_000,
        ),
        "lineage of an agent": (lambda: tracer.trace(Place(Kind.AGENT, "agent_7")), 1_000),
        "lineage of a run": (lambda: tracer.trace(Place(Kind.RUN, _RUN)), 1_000),
        "two states of the project compared": (lambda: changed_metrics(catalog, catalog), 1_000),
        "who rests on ten metrics that change": (
            lambda: impacts(ledger, changed, granted, since=day),
            1_000,
        ),
        "what rests on a metric, of all days": (lambda: recall_scope(ledger, other), 1_000),
        "what rests on the hot metric, of all days": (lambda: recall_scope(ledger, wrong), 1_000),
        "evidence of an agent, of a day": (lambda: evidence(next(folders)), 1_000),
        "whether the record is whole, at a glance": (ledger.glance, 1_000),
        "the access report of thirty days": (
            lambda: access_report(
                ledger, catalog.metrics, granted, until=FIRST + timedelta(days=DAYS), days=30
            ),
            5_000,
        ),
    }
    return [
        timed_figure(NAME, name, [milliseconds(ask) for _ in range(rounds)], target)
        for name, (ask, target) in asked.items()
    ]


def _in_dagster(ledger: Ledger, folder: Path, rounds: int) -> list[Figure]:
    """What asks Dagster too, and loading definitions, with a thousand runs in its instance and with none."""
    newest = decisions_resting_on(ledger, None)[-RUNS:]
    home = write_runs(folder / "runs", newest)
    nothing = folder / "no_runs"
    nothing.mkdir()
    recall = Recall(
        recall_id="0",
        at="",
        by="",
        wrong=Wrong(metrics=(HOT,), first=date(2020, 1, 1), last=date(2030, 1, 1)),
        reason="measured",
        reads=(),
        decisions=tuple(it.decision_id for it in newest),
    )
    with DagsterInstance.local_temp(home) as instance:
        marking = [milliseconds(lambda: mark_recalled(instance, recall, newest))]
    loading = {
        "definitions loaded, with a thousand runs": home,
        "definitions loaded, without any": str(nothing),
    }
    taken = {
        name: [milliseconds(partial(_load, place)) for _ in range(rounds)]
        for name, place in loading.items()
    }
    return [
        timed_figure(NAME, "a thousand decisions taken back in Dagster", marking, 1_000),
        *(timed_figure(NAME, name, times, None) for name, times in taken.items()),
    ]


def _load(home: str) -> None:
    """Loads the demonstration's code location in a process of its own, with this DAGSTER_HOME."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LOADING],
        env={**os.environ, "DAGSTER_HOME": home},
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr.decode()
