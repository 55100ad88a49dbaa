"""A governed read beside SQL as text, MetricFlow, and other semantic layers: the same questions, the same figures, in turns.

No way is measured before it has given the figures of the door. `mf query` is a process of its own and is measured after the others.
"""

from collections.abc import Iterator

from benchmarks.answered import Answered
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
from benchmarks.rows import Row, figures_of, refuse_other_figures
from benchmarks.setting import Setting
from benchmarks.table import ways_table
from benchmarks.timing import Times, milliseconds, take_turns
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
    answered = Answered(
        benchmark=NAME,
        data_set=data_set.name,
        question=question.name,
        times=take_turns(ways, rounds=setting.rounds, seconds=setting.seconds),
    )
    for name in ways:
        yield _figure(answered, name)
    for name, reason in cannot.items():
        yield answered.cannot(name, peer=GOVERNED, reason=reason)
    command_line = _times_of_command_line(question, data_set, expected, setting)
    yield answered.after(mf_query.NAME, command_line, peer=GOVERNED, at_least=200)


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


def _figure(answered: Answered, way: str) -> Figure:
    """A way beside its peer: raw SQL for what we add to it, the governed read for everybody else."""
    if way == RAW:
        return answered.figure(way)
    if way == WITHOUT_LEDGER:
        return answered.figure(way, peer=RAW, at_most=1.0)
    if way == GOVERNED and answered.times[RAW].median > LONG_MS:
        return answered.figure(way, peer=RAW, at_most=1.1)
    if way in (BY_HAND, WITH_MEMORY, GOVERNED):
        return answered.figure(way, peer=RAW)
    return answered.figure(way, peer=GOVERNED, above=1.0)


def _times_of_command_line(
    question: Question, data_set: DataSet, expected: list[Row], setting: Setting
) -> Times:
    folder = setting.scratch / NAME
    name = f"{data_set.name}, {question.name}: {mf_query.NAME}"
    refuse_other_figures(name, mf_query.run_mf_query(data_set, question, folder), expected)
    return Times(
        taken=tuple(
            milliseconds(lambda: mf_query.run_mf_query(data_set, question, folder))
            for _ in range(setting.cli_rounds)
        )
    )
