"""One question, as a reader asks it, as MetricFlow filters it, and as an analyst would write it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Question:
    """`query` is what the door is asked. `where` says its filters and time range in MetricFlow's own words. `sql` is written
    by hand over the published relations, with the columns of the answer in their order.
    """

    name: str
    query: Mapping[str, Any]
    sql: str
    where: tuple[str, ...] = ()
