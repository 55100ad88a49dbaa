"""The SQL that an engine compiled, as a tree: what it reads, and what may be put into it. What was checked is what runs."""

from collections.abc import Iterable, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from semantic.errors import MetricCompileError
from semantic.policy import RowRestriction

_TABLE_FUNCTIONS_ALLOWED = (exp.Unnest, exp.GenerateSeries)
# The class, not its name: by name it is loaded when it is first asked for, and another thread can find it half made.
_DIALECT = DuckDB

Restrictions = Mapping[str, tuple[tuple[str, RowRestriction], ...]]


class CompiledSql:
    """One SELECT. Raises `MetricCompileError` where the text is anything else."""

    def __init__(self, text: str) -> None:
        try:
            statements = sqlglot.parse(text, dialect=_DIALECT)
        except sqlglot.errors.SqlglotError as error:
            raise MetricCompileError(
                "The compiled SQL cannot be analysed", hint=str(error)[:300]
            ) from error
        if len(statements) != 1 or not isinstance(statements[0], exp.Select):
            raise MetricCompileError("The compiled SQL is not one SELECT")
        self._tree: exp.Expression = statements[0]

    @property
    def parameters(self) -> frozenset[str]:
        """The names of its parameters."""
        return frozenset(node.name for node in self._tree.find_all(exp.Placeholder, exp.Parameter))

    def relations(self, allowed: Iterable[str]) -> tuple[str, ...]:
        """The relations that it scans, sorted. Raises `MetricCompileError` where one of them is not allowed."""
        by_parts = {_parts(exp.to_table(name, dialect=_DIALECT)): name for name in allowed}
        inner = {cte.alias_or_name for cte in self._tree.find_all(exp.CTE)}
        found: set[str] = set()
        for table in self._tree.find_all(exp.Table):
            if isinstance(table.this, exp.Func) and not isinstance(
                table.this, _TABLE_FUNCTIONS_ALLOWED
            ):
                raise MetricCompileError(
                    "The compiled SQL calls a table function",
                    hint="a metric's expressions may use scalar functions and aggregates only",
                )
            parts = _parts(table)
            if parts in by_parts:
                found.add(by_parts[parts])
            elif parts[:-1] != ("", "") or parts[-1] not in inner:
                raise MetricCompileError(
                    f"The compiled SQL reads {table.sql(dialect=_DIALECT)}, which is no governed relation",
                    hint="a metric may read the relations of semantic models and time spines only",
                )
        return tuple(sorted(found))

    def restrict(self, restrictions: Restrictions, prefix: str) -> None:
        """Puts row restrictions where rows enter: at every scan of a relation."""
        by_parts = {
            _parts(exp.to_table(name, dialect=_DIALECT)): items
            for name, items in restrictions.items()
        }

        def restrict(node: exp.Expression) -> exp.Expression:
            items = by_parts.get(_parts(node)) if isinstance(node, exp.Table) else None
            if items is None:
                return node
            source = node.copy()
            source.set("alias", None)
            rows = exp.select("*").from_(source)
            for expression, restriction in items:
                rows = rows.where(_visible(expression, restriction, prefix))
            return rows.subquery(alias=node.alias_or_name)

        self._tree = self._tree.transform(restrict)

    def text(self, renamed: Mapping[str, str] | None = None) -> str:
        """The SQL, with some parameters renamed. Every name is quoted: MetricFlow quotes none, and an entity may be called
        `order`.
        """
        tree = self._tree
        if renamed:
            tree = tree.copy()
            for node in list(tree.find_all(exp.Placeholder, exp.Parameter)):
                if node.name in renamed:
                    node.replace(exp.Placeholder(this=renamed[node.name]))
        return str(tree.sql(dialect=_DIALECT, identify=True, pretty=True, comments=False))


def _visible(expression: str, restriction: RowRestriction, prefix: str) -> exp.Expression:
    if not restriction.values:
        return exp.false()
    parsed = sqlglot.parse_one(expression, dialect=_DIALECT)
    names = [f"{prefix}r_{restriction.element}_{i}" for i in range(len(restriction.values))]
    return exp.In(
        this=exp.paren(parsed), expressions=[exp.Placeholder(this=name) for name in names]
    )


def _parts(table: exp.Expression) -> tuple[str, str, str]:
    return (
        table.args["catalog"].name if table.args.get("catalog") else "",
        table.args["db"].name if table.args.get("db") else "",
        table.name,
    )
