"""Questions to a long record, its verification and its proofs: how long they take, and how much disk a record takes."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from benchmarks.figure import Figure, timed_figure
from benchmarks.history import DAYS, FIRST, HOT, write_history
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from benchmarks.timing import milliseconds
from semantic.ledger import CountBy, Ledger, ReadQuestion, count_reads, read_page

NAME = "looking_up"
_DAY = ReadQuestion(
    since=FIRST + timedelta(days=DAYS // 2), until=FIRST + timedelta(days=DAYS // 2 + 1)
)


def run(setting: Setting) -> list[Figure]:
    return [figure for reads in setting.reads for figure in _of_history(setting, reads)]


def _of_history(setting: Setting, reads: int) -> list[Figure]:
    folder = setting.scratch / NAME
    path = folder / "ledger.db"
    setting.console.print(f"Writing a history of {reads:,} reads ...")
    write_history(path, reads)
    ledger = Ledger.open(path)
    try:
        figures = [*_questions(ledger, setting), *_integrity(ledger), _disk(path, reads)]
    finally:
        ledger.close()
        shutil.rmtree(folder)
    size = f"{2 * reads:,} records"
    setting.console.print(figures_table(f"A history of {size}", figures))
    return [replace(figure, name=f"{figure.name}, of {size}") for figure in figures]


def _questions(ledger: Ledger, setting: Setting) -> list[Figure]:
    hot, dimension = _with(metric=HOT), _with(dimension="customer__region", metric=HOT)
    asked: dict[str, tuple[Callable[[], object], float | None]] = {
        "who read the hot metric on a day, a page": (lambda: read_page(ledger, hot), 10),
        "who read the hot metric on a day, by agent": (
            lambda: count_reads(ledger, hot, by=(CountBy.AGENT,)),
            10,
        ),
        "what one agent read on a day, a page": (
            lambda: read_page(ledger, _with(agent="agent_7")),
            None,
        ),
        "the hot metric by a dimension on a day, a page": (
            lambda: read_page(ledger, dimension),
            None,
        ),
    }
    return [
        timed_figure(NAME, name, [milliseconds(ask) for _ in range(setting.rounds)], target)
        for name, (ask, target) in asked.items()
    ]


def _with(**narrowed: str) -> ReadQuestion:
    return ReadQuestion(since=_DAY.since, until=_DAY.until, **narrowed)  # type: ignore[arg-type]


def _integrity(ledger: Ledger) -> list[Figure]:
    found = []

    def verify() -> None:
        found.append(ledger.verify(processes=os.cpu_count() or 1))

    elapsed = milliseconds(verify)
    assert found[0].is_whole
    read_id = read_page(ledger, ReadQuestion(metric=HOT), limit=1).reads[0].read_id
    proofs = [milliseconds(lambda: ledger.prove(read_id)) for _ in range(5)]
    per_million = elapsed / found[0].records * 1_000_000 / 1_000
    return [
        Figure(
            benchmark=NAME,
            name="verify, per million records",
            value=per_million,
            unit="s",
            target="<= 10",
            reached=per_million <= 10,
            details={
                "records": found[0].records,
                "seconds": round(elapsed / 1_000, 1),
                "processes": os.cpu_count(),
            },
        ),
        timed_figure(NAME, "prove one read", proofs, None),
    ]


def _disk(path: Path, reads: int) -> Figure:
    size = sum(file.stat().st_size for file in path.parent.glob("ledger.db*"))
    return Figure(
        benchmark=NAME,
        name="disk per read, intent and outcome with all indexes",
        value=size / reads,
        unit="bytes",
        details={"megabytes": round(size / 1_000_000)},
    )
