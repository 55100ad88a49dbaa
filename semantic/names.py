"""What names mean: those of dimensions among the ones that a query may use, and those of saved queries for a reader."""

from collections.abc import Mapping
from typing import Protocol

from semantic.catalog import Catalog
from semantic.engine import MetricEngine
from semantic.errors import MetricCompileError
from semantic.metric import EXTRACT, Dimension, NamedDimension
from semantic.policy import Clause, Permit, Policy, Reader, Use
from semantic.saved_query import SavedQuery

Legal = Mapping[str, Dimension]


class Sources(Protocol):
    """What a query is looked up in."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def policy(self) -> Policy: ...

    @property
    def engine(self) -> MetricEngine: ...


def named_in(legal: Legal, name: str) -> NamedDimension | None:
    """The dimension that a name means, with the grain or the part of the date in it."""
    found = legal.get(name)
    if found is not None:
        return NamedDimension(dimension=found, grain=found.day_grain)
    base, _, last = name.rpartition("__")
    found = legal.get(base)
    if found is not None and last in found.grains:
        return NamedDimension(dimension=found, grain=last)
    part = last.removeprefix(EXTRACT)
    if found is not None and last.startswith(EXTRACT) and part in found.date_parts:
        return NamedDimension(dimension=found, date_part=part)
    return None


def readable_saved_queries(sources: Sources, reader: Reader) -> tuple[SavedQuery, ...]:
    """The saved queries of which a reader may use every metric and dimension, also those that their own filters speak of, by
    name.
    """
    catalog, policy = sources.catalog, sources.policy

    def may_ask(saved: SavedQuery) -> bool:
        filtering = [name for name in saved.filtered_by if catalog.find(name)]
        if not all(
            name in catalog.metrics and policy.is_readable(reader, catalog.metrics[name])
            for name in (*saved.metrics, *filtering)
        ):
            return False
        try:
            legal = sources.engine.dimensions(saved.metrics)
        except MetricCompileError:
            return False
        uses = [
            (named_in(legal, name), clause)
            for clause, names in (
                (Clause.GROUP_BY, saved.group_by),
                (Clause.FILTERS, [name for name in saved.filtered_by if name not in filtering]),
            )
            for name in names
        ]
        wanted = [Use(dimension=named.dimension, clause=clause) for named, clause in uses if named]
        return len(wanted) == len(uses) and all(
            isinstance(policy.decide(reader, catalog.metrics[name], wanted), Permit)
            for name in saved.metrics
        )

    return tuple(filter(may_ask, catalog.saved_queries.values()))
