"""The ways to answer a question in this process: SQL as text, MetricFlow, and the door. Each gives the rows."""

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.door import READER
from benchmarks.published import DURABLE, Published
from benchmarks.question import Question
from semantic.answer import MetricAnswer
from semantic.engine import CompileRequest, ConditionText
from semantic.governed_metrics import GovernedMetrics
from semantic.policy import Reader
from semantic.query import MetricQuery
from semantic.resolve import Resolver

Way = Callable[[], Any]
RAW = "raw SQL text"
BY_HAND = "hand-written SQL"
METRICFLOW = "MetricFlow compiles and runs"
GOVERNED = f"governed, {DURABLE}"


class NotAnswered(Exception):
    """The door refused what it is measured by."""


def governed_ways(question: Question, published: Published) -> dict[str, Way]:
    """The question asked at every door."""
    return {
        f"governed, {name}": governed(question.query, door)
        for name, door in published.doors.items()
    }


def governed(query: Mapping[str, Any], door: GovernedMetrics, reader: Reader = READER) -> Way:
    """A query asked again and again in one session, as an agent does in one run. Raises `NotAnswered`."""
    session = door.session(reader)

    def ask() -> MetricAnswer:
        answer = session.query(query)
        if not isinstance(answer, MetricAnswer):
            raise NotAnswered(str(answer))
        return answer

    return ask


def sql_ways(question: Question, published: Published) -> dict[str, Way]:
    """The question as SQL text on the very data that the door reads: the door's own, a person's, and MetricFlow's compiled anew."""
    door = published.durable
    snapshot = door.snapshots.current()
    cursor = door.open(snapshot)._connection.cursor()
    planned = Resolver(
        door, READER, MetricQuery.model_validate(question.query), lambda: snapshot
    ).resolve()
    request = CompileRequest(
        metrics=planned.metrics,
        group_by=planned.group_by,
        conditions=tuple(ConditionText(template=text, operands=()) for text in question.where),
    )
    compiled = door.engine.compile(request)
    return {
        RAW: lambda: cursor.execute(compiled).fetchall(),
        BY_HAND: lambda: cursor.execute(question.sql).fetchall(),
        METRICFLOW: lambda: cursor.execute(published.metricflow.compile(request)).fetchall(),
    }
