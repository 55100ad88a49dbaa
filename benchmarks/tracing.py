"""Lineage, impact, recall and the access report over a long history: how long each question takes on the embedded store."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta

from benchmarks.data_sets.many_metrics import parse_many_metrics
from benchmarks.figure import Figure, timed_figure
from benchmarks.history import DAYS, FIRST, HOT, write_history
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from benchmarks.timing import milliseconds
from semantic.catalog import Catalog
from semantic.dbt_manifest import load_catalog
from semantic.ledger import Ledger
from semantic.ledger.recalls import Wrong
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
_RUN = "00000100-0000-4000-8000-000000000000"


def run(setting: Setting) -> list[Figure]:
    folder = setting.scratch / NAME
    path = folder / "ledger.db"
    catalog = load_catalog(parse_many_metrics(folder / "project", METRICS))
    setting.console.print(f"Writing a history of {READS:,} reads and their decisions ...")
    write_history(path, READS, with_decisions=True)
    ledger = Ledger.open(path)
    try:
        figures = _questions(ledger, catalog, min(_FEW, setting.rounds))
    finally:
        ledger.close()
        shutil.rmtree(folder)
    setting.console.print(figures_table(f"A history of {READS:,} reads", figures))
    return figures


def _questions(ledger: Ledger, catalog: Catalog, rounds: int) -> list[Figure]:
    granted = {
        f"agent_{agent}": [f"metric_{(agent * 20 + it) % METRICS}" for it in range(20)]
        for agent in range(AGENTS)
    }
    tracer = Tracer(catalog=catalog, ledger=ledger, granted=granted, catalog_with=lambda *_: None)
    middle = FIRST + timedelta(days=DAYS // 2)
    day = middle.replace(tzinfo=None)
    changed = [ChangedMetric(name=f"metric_{it}", change=Change.MEANING) for it in range(10)]
    wrong = Wrong(metrics=(HOT,), first=date(2020, 1, 1), last=date(2030, 1, 1))
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
        "what rests on the hot metric, of all days": (lambda: recall_scope(ledger, wrong), 1_000),
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
