"""The SQL of one dbt model, taken apart: what gives a column its values, and what makes up its rows.

A column is told as its expression over columns of other models, with every name of a CTE, alias and comment resolved away: two ways to write
the same are the same here. Where that cannot be told, because the SQL is written by a program or is none that is understood, it is the whole text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_CALL = re.compile(r"\{\{-?\s*(ref|source|config)\s*\((.*?)\)\s*-?\}\}", re.DOTALL)
_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_NAME = re.compile(r"[\w.]+")
_REFERENCE = "dbt reference"
_MOST_TEXT = 20_000

Column = tuple[str, str]
# In place of the name of a column: the rows of a model.
ROWS = ""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of a model: its text over other models, and the columns and rows of these that it is made of."""

    text: str
    inputs: frozenset[Column] = frozenset()


class ModelSql:
    """The SQL of a model. `parents` are the unique ids that it refers to, by what it calls them: a name, or a source with its table."""

    def __init__(self, code: str, parents: Mapping[str, str]) -> None:
        self._code = code
        self._query = _parsed(code, parents)

    @property
    def is_understood(self) -> bool:
        return self._query is not None

    @property
    def whole(self) -> Slice:
        """All of it, without comments and spaces that mean nothing, where it is not understood."""
        return Slice(text=" ".join(_COMMENT.sub(" ", self._code).split()))

    def column(self, name: str) -> Slice | None:
        """What gives a column its values; None where the model has none of this name."""
        return self._query.column(name.lower()) if self._query else None

    def rows(self) -> Slice:
        """What makes up its rows."""
        return self._query.rows() if self._query else self.whole


@dataclass(frozen=True)
class _Table:
    """A table that another model builds."""

    unique_id: str

    def column(self, name: str) -> Slice | None:
        return Slice(
            text=f"{_short(self.unique_id)}.{name}", inputs=frozenset({(self.unique_id, name)})
        )

    def rows(self) -> Slice:
        return Slice(text=_short(self.unique_id), inputs=frozenset({(self.unique_id, ROWS)}))

    @property
    def tables(self) -> frozenset[str]:
        return frozenset({self.unique_id})


@dataclass(frozen=True)
class _Both:
    """A union, or what else is made of two queries."""

    word: str
    left: "_Query"
    right: "_Query"

    def column(self, name: str) -> Slice | None:
        left, right = self.left.column(name), self.right.column(name)
        return left and (_joined(f" {self.word} ", left, right) if right else left)

    def rows(self) -> Slice:
        return _joined(f" {self.word} ", self.left.rows(), self.right.rows())

    @property
    def tables(self) -> frozenset[str]:
        return self.left.tables | self.right.tables


@dataclass
class _Select:
    """A SELECT over its sources, by the names that it has for them."""

    select: exp.Select
    sources: "Mapping[str, _Query]"
    _known: dict[str, Slice | None] = field(default_factory=dict)

    def column(self, name: str) -> Slice | None:
        if name not in self._known:
            self._known[name] = None  # for a column that is made of itself
            self._known[name] = self._column(name)
        return self._known[name]

    def _column(self, name: str) -> Slice | None:
        for projection in self.select.selects:
            if projection.alias_or_name.lower() == name and not projection.is_star:
                return self._over_others(projection.unalias(), but=name)
        found = [item for star in self._stars() for item in self._through(star, name)]
        return _joined(" | ", *found) if found else None

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
        parts = []
        from_ = self.select.args.get("from_") or self.select.args.get("from")
        if from_ is not None:
            parts.append(self.sources[from_.this.alias_or_name.lower()].rows())
        parts += map(self._join, self.select.args.get("joins") or ())
        for key in ("where", "group", "having", "qualify", "distinct", "limit"):
            clause = self.select.args.get(key)
            if clause is not None:
                parts.append(self._over_others(clause, but=""))
        return _joined(" ", *parts)

    def _join(self, join: exp.Join) -> Slice:
        """A join. One that leaves every row where it is adds columns only: of which tables these are is told, and not how they are made."""
        source = self.sources[join.this.alias_or_name.lower()]
        words = f"{join.side} {join.kind}".strip() or "INNER"
        is_left = join.side == "LEFT"
        condition = join.args.get("on")
        on = [self._over_others(condition, but="", plainly=is_left)] if condition else []
        using = ", ".join(sorted(item.name.lower() for item in join.args.get("using") or ()))
        told = f"{words} JOIN"
        if is_left:
            tables = ", ".join(sorted(map(_short, source.tables)))
            text = " ".join([told, tables, *(item.text for item in on), using]).strip()
            return Slice(text=text)
        return _joined(" ", Slice(text=told), source.rows(), *on, Slice(text=using))

    def _over_others(self, expression: exp.Expr, *, but: str, plainly: bool = False) -> Slice:
        """An expression, over columns of other models. `but` is the column that it makes itself; `plainly` leaves out which rows there are of what is
        joined to every row.
        """
        inputs: set[Column] = set()

        def resolve(node: exp.Expr) -> exp.Expr:
            if not isinstance(node, exp.Column) or node.find_ancestor(exp.Select) is not inner:
                return node
            found = self._named(node, but, plainly=plainly)
            if found is None:
                return node
            inputs.update(found.inputs)
            is_alone = node.parent is None or isinstance(node.parent, exp.Paren)
            is_plain = is_alone or _NAME.fullmatch(found.text) is not None
            return exp.var(found.text if is_plain else f"({found.text})")

        copied = expression.copy()
        copied.set("comments", None)
        inner = None
        text = copied.transform(resolve, copy=False).sql(
            dialect="duckdb", comments=False, normalize=True
        )
        for table in expression.find_all(exp.Table):
            inputs |= {(unique_id, ROWS) for unique_id in _reference(table)}
        return Slice(text=text[:_MOST_TEXT], inputs=frozenset(inputs))

    def _named(self, column: exp.Column, but: str, *, plainly: bool) -> Slice | None:
        name, table = column.name.lower(), column.table.lower()
        if table:
            return self._from(table, name, plainly=plainly) if table in self.sources else None
        found = {alias: it for alias, source in self.sources.items() if (it := source.column(name))}
        is_own = any(
            projection.alias_or_name.lower() == name and not projection.is_star
            for projection in self.select.selects
        )
        # A name of this very SELECT, where no source is known to have it.
        if is_own and name != but and all(_is_table(it, name) for it in found.values()):
            return self.column(name)
        known = [it for alias in found if (it := self._from(alias, name, plainly=plainly))]
        return _joined(" | ", *known) if known else None

    def _from(self, alias: str, name: str, *, plainly: bool = False) -> Slice | None:
        """A column of a source. Of one that is joined to every row, which of its rows there are is part of what the column says."""
        source = self.sources[alias]
        found = source.column(name)
        if found is None or plainly or alias not in self._left_joined:
            return found
        rows = source.rows()
        is_narrowed = rows.text not in map(_short, source.tables)
        text = f"{found.text} of ({rows.text})" if is_narrowed else found.text
        return Slice(text=text[:_MOST_TEXT], inputs=found.inputs | rows.inputs)

    @cached_property
    def _left_joined(self) -> frozenset[str]:
        joins = self.select.args.get("joins") or ()
        return frozenset(it.this.alias_or_name.lower() for it in joins if it.side == "LEFT")

    @property
    def tables(self) -> frozenset[str]:
        return frozenset().union(*(source.tables for source in self.sources.values()))


_Query = _Table | _Both | _Select


def _is_table(found: Slice, name: str) -> bool:
    """Whether a column is told by the name of a table alone, of which nobody knows whether it has it."""
    return {column for _, column in found.inputs} <= {name, ROWS}


def _parsed(code: str, parents: Mapping[str, str]) -> "_Query | None":
    """The query of a model; None where it is not understood."""
    try:
        text = _CALL.sub(lambda call: _without_jinja(call, parents), _COMMENT.sub(" ", code))
        if "{{" in text or "{%" in text:
            return None
        parsed = sqlglot.parse_one(text, dialect="duckdb")
        return _built(parsed, {})
    except (SqlglotError, KeyError, RecursionError, NotImplementedError):
        return None


def _without_jinja(call: re.Match[str], parents: Mapping[str, str]) -> str:
    """What dbt writes for a reference, as the name of a table: its unique id."""
    words = ["".join(found) for found in _TEXT.findall(call[2])]
    if call[1] == "config":
        return " "
    name = ".".join(words) if call[1] == "source" else words[-1]
    return f'"{_REFERENCE}"."{parents[name]}"'


def _built(query: exp.Expr, known: Mapping[str, "_Query"]) -> "_Query":
    """A query whose CTEs are `known` and its own. Raises `NotImplementedError` for one that is not understood."""
    known = dict(known)
    for cte in query.args.get("with_", query.args.get("with")) or ():
        known[cte.alias.lower()] = _built(cte.this, known)
    match query:
        case exp.Subquery():
            return _built(query.this, known)
        case exp.Select():
            return _Select(query, dict(_sources(query, known)))
        case exp.SetOperation():
            word = type(query).__name__ + (" distinct" if query.args.get("distinct") else "")
            return _Both(word, _built(query.left, known), _built(query.right, known))
    raise NotImplementedError(type(query).__name__)


def _sources(select: exp.Select, known: Mapping[str, "_Query"]) -> Iterator[tuple[str, "_Query"]]:
    from_ = select.args.get("from_") or select.args.get("from")
    joined = [join.this for join in select.args.get("joins") or ()]
    for source in [*([from_.this] if from_ else []), *joined]:
        yield source.alias_or_name.lower(), _source(source, known)


def _source(source: exp.Expr, known: Mapping[str, "_Query"]) -> "_Query":
    if not isinstance(source, exp.Table):
        return _built(source, known)
    for unique_id in _reference(source):
        return _Table(unique_id)
    if source.name.lower() in known and not source.db:
        return known[source.name.lower()]
    if not isinstance(source.this, exp.Identifier):
        raise NotImplementedError(source.sql())
    return _Table(source.sql(dialect="duckdb"))


def _reference(table: exp.Table) -> Iterator[str]:
    if table.db == _REFERENCE:
        yield table.name


def _joined(between: str, *slices: Slice) -> Slice:
    found = [item for item in slices if item.text]
    return Slice(
        text=between.join(item.text for item in found)[:_MOST_TEXT],
        inputs=frozenset().union(*(item.inputs for item in slices)),
    )


def _short(unique_id: str) -> str:
    return ".".join(unique_id.split(".")[2:]) or unique_id
