"""An engine whose SQL scans and joins no more than the same answer needs."""

from collections.abc import Mapping, Sequence

import sqlglot

from semantic.engine import CompileRequest, MetricEngine
from semantic.engines.counted_rows import count_rows
from semantic.engines.shared_scans import share_scans
from semantic.engines.summed_windows import sum_before_windows
from semantic.metric import Dimension


class SimplifyingEngine:
    """A `MetricEngine` over another one, which it asks. What it cannot parse it gives as it is: the planner will refuse it."""

    def __init__(self, engine: MetricEngine) -> None:
        self._engine = engine

    def dimensions(self, metrics: Sequence[str]) -> Mapping[str, Dimension]:
        return self._engine.dimensions(metrics)

    def compile(self, request: CompileRequest) -> str:
        return simplified(self._engine.compile(request))


def simplified(sql: str) -> str:
    """DuckDB SQL that gives the same rows, but for the last digits of sums of floats."""
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return sql
    share_scans(tree)
    sum_before_windows(tree)
    count_rows(tree)
    return tree.sql(dialect="duckdb", pretty=True)
