"""A governed read beside SQL as text, MetricFlow, and other semantic layers: the same questions, the same figures, in turns.

No way is measured before it has given the figures of the door. `mf query` is a process of its own and is measured after the others.
"""

import statistics
from collections.abc import Iterator, Mapping

from benchmarks.data_sets.data_set import DataSet
from benchmarks.figure import Figure
from benchmarks.peers import mf_query
from benchmarks.peers.boring import open_boring
from benchmarks.peers.peer import Cannot, Peer
from benchmarks.peers.sidemantic import open_sidemantic
from benchmarks.plot import plot_ways
from benchmarks.published import IN_MEMORY, UNKEPT, Published, published
from benchmarks.question import Question
from benchmarks.results import RESULTS
from benchmarks.rows import figures_of, refuse_other_figures
from benchmarks.setting import Setting
from benchmarks.table import ways_table
from benchmarks.timing import Times, is_at_most, median_interval, milliseconds, take_turns
from benchmarks.ways import (
    BY_HAND,
    GOVERNED,
    RAW,
    Way,
    governed_ways,
    sql_ways,
)

NAME = "governed_read"
WITHOUT_LEDGER = f"governed, {UNKEPT}"
WITH_MEMORY = f"governed, {IN_MEMORY}"
LONG_MS = 50.0


def run(setting: Setting) -> list[Figure]:
    """The figures of both data sets, printed as tables and drawn as plots."""
    figures: list[Figure] = []
    for data_set in setting.data_sets:
        found = _of_data_set(data_set, setting)
        setting.console.print(ways_table(data_set.name, found))
        plot_ways(data_set.name, found, RESULTS / f"{NAME}_{data_set.name}.svg")
        figures += found
    return figures


def _of_data_set(data_set: DataSet, setting: Setting) -> list[Figure]:
    folder = setting.scratch / NAME / data_set.name
    with published(data_set, folder / "state") as behind_doors:
        peers = (
            open_boring(data_set.name, behind_doors.file, folder),
            open_sidemantic(data_set.name, behind_doors.file, folder),
        )
        return [
            figure
            for question in data_set.questions
            for figure in _of_question(question, behind_doors, peers, setting)
        ]


def _of_question(
    question: Question, behind_doors: Published, peers: tuple[Peer, ...], setting: Setting
) -> Iterator[Figure]:
    data_set = behind_doors.data_set
    setting.console.print(f"{data_set.name}: {question.name} ...")
    ways, cannot = _ways(question, behind_doors, peers)
    expected = figures_of(ways[GOVERNED]())
    for name, way in ways.items():
        refuse_other_figures(f"{data_set.name}, {question.name}: {name}", way(), expected)
    times = take_turns(ways, rounds=setting.rounds, seconds=setting.seconds)
    for name in times:
        yield _figure(data_set.name, question.name, name, times)
    for name, reason in cannot.items():
        yield _cannot(data_set.name, question.name, name, reason)
    yield _of_command_line(question, data_set, times[GOVERNED], expected, setting)


def _ways(
    question: Question, behind_doors: Published, peers: tuple[Peer, ...]
) -> tuple[dict[str, Way], dict[str, str]]:
    """The ways that can answer, and the reasons of those that cannot."""
    ways = sql_ways(question, behind_doors) | governed_ways(question, behind_doors)
    cannot = {}
    for peer in peers:
        answer = peer.answers[question.name]
        if isinstance(answer, Cannot):
            cannot[peer.name] = answer.reason
        else:
            ways[peer.name] = answer
    return ways, cannot


def _figure(data_set: str, question: str, way: str, times: Mapping[str, Times]) -> Figure:
    """The times of a way beside its peer: raw SQL for what we add to it, the governed read for everybody else."""
    peer = RAW if way in (BY_HAND, WITHOUT_LEDGER, WITH_MEMORY, GOVERNED) else GOVERNED
    own = times[way]
    ratios = own.ratios(times[peer])
    target, reached = _target(way, ratios, times)
    return Figure(
        benchmark=NAME,
        name=f"{data_set}, {question}: {way}",
        value=own.median,
        unit="ms",
        peer=peer if way != RAW else None,
        ratio=statistics.median(ratios) if way != RAW else None,
        target=target,
        reached=reached,
        details={
            "data_set": data_set,
            "query": question,
            "way": way,
            "quartiles": [round(item, 4) for item in own.quartiles],
            "ratio_interval_95": [round(item, 4) for item in median_interval(ratios)],
            "rounds": len(own.taken),
        },
    )


def _target(
    way: str, ratios: tuple[float, ...], times: Mapping[str, Times]
) -> tuple[str | None, bool | None]:
    """What the ratio of a way is to reach, and whether it does. Equal is an interval that holds 1.00."""
    if way == WITHOUT_LEDGER:
        return "<= 1.00", is_at_most(median_interval(ratios), 1.0)
    if way == GOVERNED and times[RAW].median > LONG_MS:
        return "<= 1.10", is_at_most(median_interval(ratios), 1.1)
    if way in (RAW, BY_HAND, WITH_MEMORY, GOVERNED):
        return None, None
    return "> 1.00", statistics.median(ratios) > 1.0


def _cannot(data_set: str, question: str, way: str, reason: str) -> Figure:
    return Figure(
        benchmark=NAME,
        name=f"{data_set}, {question}: {way}",
        value=None,
        unit="ms",
        peer=GOVERNED,
        details={"data_set": data_set, "query": question, "way": way, "cannot": reason},
    )


def _of_command_line(
    question: Question,
    data_set: DataSet,
    door: Times,
    expected: list[tuple[str | None, ...]],
    setting: Setting,
) -> Figure:
    folder = setting.scratch / NAME
    name = f"{data_set.name}, {question.name}: {mf_query.NAME}"
    answer = mf_query.run_mf_query(data_set, question, folder)
    refuse_other_figures(name, answer, expected)
    taken = Times(
        taken=tuple(
            milliseconds(lambda: mf_query.run_mf_query(data_set, question, folder))
            for _ in range(setting.cli_rounds)
        )
    )
    ratio = taken.median / door.median
    return Figure(
        benchmark=NAME,
        name=name,
        value=taken.median,
        unit="ms",
        peer=GOVERNED,
        ratio=ratio,
        target=">= 200",
        reached=ratio >= 200,
        details={
            "data_set": data_set.name,
            "query": question.name,
            "way": mf_query.NAME,
            "quartiles": [min(taken.taken), max(taken.taken)],
            "rounds": len(taken.taken),
        },
    )
