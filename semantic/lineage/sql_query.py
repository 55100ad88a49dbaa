"""A query taken apart: its columns and its rows over the tables of other models, with every name of a CTE and alias resolved away."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sqlglot import exp

_NAME = re.compile(r"[\w.]+")
_LONGEST = 4_000

Column = tuple[str, str]
# In place of the name of a column: the rows of a model, and all that its code says.
ROWS = ""
CODE = "*"


class NotUnderstoodError(Exception):
    """SQL has something in it that is not taken apart here."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of a model: its text over other models, and the columns and rows of these that it is made of."""

    text: str
    inputs: frozenset[Column] = frozenset()


@dataclass(frozen=True)
class Table:
    """A table that another model builds, or that nobody here does."""

    name: str

    def column(self, name: str) -> Slice | None:
        return Slice(text=f"{self.name}.{name}", inputs=frozenset({(self.name, name)}))

    def columns(self) -> list[Slice]:
        raise NotUnderstoodError("all columns of a table")

    def rows(self) -> Slice:
        return Slice(text=self.name, inputs=frozenset({(self.name, ROWS)}))

    @property
    def tables(self) -> frozenset[str]:
        return frozenset({self.name})


@dataclass
class Both:
    """A union, or what else is made of two queries: their columns belong together by their places."""

    word: str
    is_distinct: bool
    left: "Query"
    right: "Query"

    def column(self, name: str) -> Slice | None:
        names = _names_of(self.left)
        if name not in names:
            return None
        return self.columns()[names.index(name)]

    def columns(self) -> list[Slice]:
        return self._columns

    @cached_property
    def _columns(self) -> list[Slice]:
        both = zip(self.left.columns(), self.right.columns(), strict=True)
        return [_joined(f" {self.word} ", *pair) for pair in both]

    def rows(self) -> Slice:
        return self._rows

    @cached_property
    def _rows(self) -> Slice:
        told = self.columns() if self.is_distinct else []
        return _joined(f" {self.word} ", self.left.rows(), self.right.rows(), *told)

    @cached_property
    def tables(self) -> frozenset[str]:
        return self.left.tables | self.right.tables


@dataclass
class Select:
    """A SELECT over its sources, by the names that it has for them."""

    select: exp.Select
    sources: "Mapping[str, Query]"
    _known: dict[str, Slice | None] = field(default_factory=dict)

    def column(self, name: str) -> Slice | None:
        if name not in self._known:
            self._known[name] = None  # for a column that is made of itself
            try:
                self._known[name] = self._column(name)
            except Exception:
                del self._known[name]  # who asks again is told again
                raise
        return self._known[name]

    def _column(self, name: str) -> Slice | None:
        for projection in self.select.selects:
            if projection.alias_or_name.lower() == name and not projection.is_star:
                return self._over_others(projection.unalias(), but=name)
        found = [item for star in self._stars() for item in self._through(star, name)]
        return _joined(" | ", *found) if found else None

    def columns(self) -> list[Slice]:
        """All columns, in their order. Those that a star lets through are not known."""
        if any(True for _ in self._stars()):
            raise NotUnderstoodError("columns of a star by their places")
        return [
            self._over_others(it.unalias(), but=it.alias_or_name.lower())
            for it in self.select.selects
        ]

    def _stars(self) -> Iterator[exp.Expr]:
        return (item for item in self.select.selects if item.is_star)

    def _through(self, projection: exp.Expr, name: str) -> Iterator[Slice]:
        """A column that a star lets through."""
        star = projection.find(exp.Star)
        assert star is not None
        for replaced in star.args.get("replace") or ():
            if replaced.alias_or_name.lower() == name:
                yield self._over_others(replaced.unalias(), but="")
                return
        left_out = star.args.get("except_") or star.args.get("except") or ()
        if name in {item.name.lower() for item in left_out}:
            return
        table = projection.table.lower() if isinstance(projection, exp.Column) else ""
        for alias in [table] if table in self.sources else self.sources:
            found = self._from(alias, name)
            if found is not None:
                yield found

    def rows(self) -> Slice:
        return self._rows

    @cached_property
    def _rows(self) -> Slice:
        parts = []
        from_ = from_of(self.select)
        if from_ is not None:
            parts.append(self.sources[from_.this.alias_or_name.lower()].rows())
        parts += map(self._join, self.select.args.get("joins") or ())
        for key in ("where", "group", "having", "qualify"):
            clause = self.select.args.get(key)
            if clause is not None:
                parts.append(self._over_others(clause, but=""))
        is_grouped = self.select.args.get("group") is not None
        if self.select.args.get("distinct") is not None:
            parts += [Slice(text="DISTINCT"), *self.columns()]
        elif is_grouped:
            parts += [
                it
                for it, projection in zip(self.columns(), self.select.selects, strict=True)
                if not _adds_up(projection)
            ]
        elif any(map(_adds_up, self.select.selects)):
            parts.append(Slice(text="ALL ADDED UP"))
        return _joined(" ", *parts)

    def _join(self, join: exp.Join) -> Slice:
        """A join. One that leaves every row where it is adds columns only: of which tables these are is told, and not how they are made."""
        source = self.sources[join.this.alias_or_name.lower()]
        kind = "" if join.kind == "OUTER" else join.kind
        told = " ".join(filter(None, (join.side, kind, "JOIN")))
        if join.side == "LEFT":
            tables = ", ".join(sorted(source.tables))
            return Slice(text=f"{told} {tables} {self._condition(join).text}")
        return _joined(" ", Slice(text=told), source.rows(), self._condition(join))

    def _condition(self, join: exp.Join) -> Slice:
        """By what rows are joined."""
        on = join.args.get("on")
        using = [item.name.lower() for item in join.args.get("using") or ()]
        found = [self._over_others(on, but="", plainly=True)] if on else []
        found += [
            it for name in using for source in self.sources.values() if (it := source.column(name))
        ]
        return _joined(" ", *found)

    def _over_others(self, expression: exp.Expr, *, but: str, plainly: bool = False) -> Slice:
        """An expression, over columns of other models. `but` is the column that it makes itself; `plainly` leaves out which rows there are of what is
        joined to every row.
        """
        if expression.find(exp.Query, exp.Unnest, exp.Explode, exp.Columns) is not None:
            raise NotUnderstoodError("a query or rows within an expression")
        inputs: set[Column] = set()

        def resolve(node: exp.Expr) -> exp.Expr:
            if not isinstance(node, exp.Column):
                return node
            found = self._named(node, but, plainly=plainly)
            if found is None:
                raise NotUnderstoodError(f"what {node.sql()} is")
            inputs.update(found.inputs)
            is_alone = node.parent is None or isinstance(node.parent, exp.Paren)
            is_plain = is_alone or _NAME.fullmatch(found.text) is not None
            return exp.var(found.text if is_plain else f"({found.text})")

        copied = expression.copy().transform(resolve, copy=False)
        text = copied.sql(dialect="duckdb", comments=False, normalize=True)
        return Slice(text=_bounded(text), inputs=frozenset(inputs))

    def _named(self, column: exp.Column, but: str, *, plainly: bool) -> Slice | None:
        name, table = column.name.lower(), column.table.lower()
        if table:
            return self._from(table, name, plainly=plainly) if table in self.sources else None
        found = {alias: it for alias, source in self.sources.items() if (it := source.column(name))}
        is_own = any(
            projection.alias_or_name.lower() == name and not projection.is_star
            for projection in self.select.selects
        )
        known = [it for alias in found if (it := self._from(alias, name, plainly=plainly))]
        # A name of this very SELECT, where no source is known to have it: a table may have it all the same.
        if is_own and name != but and all(_is_of_table(it, name) for it in found.values()):
            own = self.column(name)
            known = [own, *known] if own else known
        return _joined(" | ", *known) if known else None

    def _from(self, alias: str, name: str, *, plainly: bool = False) -> Slice | None:
        """A column of a source. Of one that is joined to every row, which of its rows there are, and by what they are joined, is part of what the column
        says.
        """
        source = self.sources[alias]
        found = source.column(name)
        join = self._left_joined.get(alias)
        if found is None or plainly or join is None:
            return found
        rows, condition = source.rows(), self._condition(join)
        is_narrowed = rows.text not in source.tables
        text = f"{found.text} of ({rows.text})" if is_narrowed else found.text
        return Slice(text=_bounded(text), inputs=found.inputs | rows.inputs | condition.inputs)

    @cached_property
    def _left_joined(self) -> dict[str, exp.Join]:
        joins = self.select.args.get("joins") or ()
        return {it.this.alias_or_name.lower(): it for it in joins if it.side == "LEFT"}

    @cached_property
    def tables(self) -> frozenset[str]:
        return frozenset().union(*(source.tables for source in self.sources.values()))


Query = Table | Both | Select


def _is_of_table(found: Slice, name: str) -> bool:
    """Whether a column is told by the name of a table alone, of which nobody knows whether it has it."""
    return {column for _, column in found.inputs} <= {name, ROWS}


def _adds_up(projection: exp.Expr) -> bool:
    """Whether a projection makes one value of several rows."""
    return any(not isinstance(it.parent, exp.Window) for it in projection.find_all(exp.AggFunc))


def _names_of(query: Query) -> list[str]:
    while isinstance(query, Both):
        query = query.left
    if isinstance(query, Table):
        raise NotUnderstoodError("all columns of a table")
    return [item.alias_or_name.lower() for item in query.select.selects]


def from_of(select: exp.Select) -> exp.From | None:
    found: exp.From | None = select.args.get("from_") or select.args.get("from")
    return found


def _joined(between: str, *slices: Slice) -> Slice:
    found = [item for item in slices if item.text]
    return Slice(
        text=_bounded(between.join(item.text for item in found)),
        inputs=frozenset().union(*(item.inputs for item in slices)),
    )


def _bounded(text: str) -> str:
    """A text, or of one that is very long its beginning and the digest of all of it."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]}… {hashlib.sha256(text.encode()).hexdigest()}"
