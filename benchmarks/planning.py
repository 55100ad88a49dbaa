"""What a plan costs: the first of its shape, which MetricFlow compiles and we check, and one that was found again."""

import statistics
from collections.abc import Callable, Iterator

from benchmarks.data_sets.data_set import DataSet
from benchmarks.door import READER
from benchmarks.figure import Figure
from benchmarks.published import Published, published
from benchmarks.question import Question
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from benchmarks.timing import milliseconds
from semantic.plan import Planner
from semantic.plan_request import PlanRequest
from semantic.query import MetricQuery
from semantic.resolve import Resolver

NAME = "planning"
_CALLS = 200


def run(setting: Setting) -> list[Figure]:
    figures = [
        figure for data_set in setting.data_sets for figure in _of_data_set(data_set, setting)
    ]
    setting.console.print(figures_table("What a plan costs", figures))
    return figures


def _of_data_set(data_set: DataSet, setting: Setting) -> Iterator[Figure]:
    with published(data_set, setting.scratch / NAME / data_set.name) as behind_doors:
        for question in data_set.questions:
            yield from _of_question(question, behind_doors, min(setting.rounds, 11))


def _of_question(question: Question, behind_doors: Published, rounds: int) -> Iterator[Figure]:
    door = behind_doors.durable
    name = f"{behind_doors.data_set.name}, {question.name}"
    request = _resolved(question, behind_doors)
    first = [
        milliseconds(lambda: Planner(door.catalog, door.engine).plan(request))
        for _ in range(rounds)
    ]
    planner = Planner(door.catalog, door.engine)
    planner.plan(request)
    steps = {
        f"{name}: first plan of the shape": (statistics.median(first), "ms"),
        f"{name}: plan found": (_each(lambda: planner.plan(request)), "us"),
        f"{name}: names, grants and plan found": (
            _each(lambda: planner.plan(_resolved(question, behind_doors))),
            "us",
        ),
    }
    for step, (value, unit) in steps.items():
        target = "<= 100" if "names" in step else None
        yield Figure(
            benchmark=NAME,
            name=step,
            value=value,
            unit=unit,
            target=target,
            reached=None if target is None else value <= 100,
        )


def _resolved(question: Question, behind_doors: Published) -> PlanRequest:
    """The question after steps 2 and 3 of a read: names looked up, the policy asked."""
    door = behind_doors.durable
    query = MetricQuery.model_validate(question.query)
    return Resolver(door, READER, query, door.snapshots.current).resolve()


def _each(run: Callable[[], object]) -> float:
    """Microseconds of one call: the median of several times many."""

    def many() -> None:
        for _ in range(_CALLS):
            run()

    return statistics.median(milliseconds(many) for _ in range(5)) * 1000 / _CALLS
