"""The SQL of one dbt model, taken apart: what gives a column its values, and what makes up its rows.

A column is told as its expression over columns of other models, with every name of a CTE, alias and comment resolved away: two ways to write
the same are the same here. Only what is understood whole is taken apart: of SQL with anything else in it, or written by a program, the whole text counts.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from semantic.lineage.sql_query import (
    Both,
    NotUnderstoodError,
    Query,
    Select,
    Slice,
    Table,
    from_of,
)

_CALL = re.compile(r"\{\{-?\s*(ref|source|config)\s*\((.*?)\)\s*-?\}\}", re.DOTALL)
_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_REFERENCE = "dbt reference"
# What a part of SQL may have to be taken apart. Order alone changes neither rows nor values.
_OF_SELECT = {
    "expressions",
    "from_",
    "from",
    "joins",
    "where",
    "group",
    "having",
    "qualify",
    "distinct",
    "with_",
    "with",
    "order",
}
_OF_UNION = {"this", "expression", "distinct", "with_", "with", "order", "side", "kind"}
_OF_SUBQUERY = {"this", "alias", "with_", "with"}
_OF_TABLE = {"this", "db", "catalog", "alias"}
_OF_JOIN = {"this", "on", "using", "side", "kind"}
_OF_STAR = {"except_", "except", "replace"}
_JOINS = ("", "INNER", "OUTER", "CROSS")
_Found = TypeVar("_Found")


class ModelSql:
    """The SQL of a model. `parents` are the unique ids that it refers to, by what it calls them: a name, a package with a name, or a source with its table."""

    def __init__(self, code: str, parents: Mapping[str, str]) -> None:
        self._code = code
        try:
            self._query: Query | None = _asked(lambda: _parsed(code, parents))
        except NotUnderstoodError:
            self._query = None

    @property
    def is_understood(self) -> bool:
        """Whether it was taken apart; a column of it, or its rows, may still be told by the whole only."""
        return self._query is not None

    @property
    def whole(self) -> Slice:
        """All of it, which is what counts where it is not understood."""
        return Slice(text=self._code.strip())

    def column(self, name: str) -> Slice | None:
        """What gives a column its values; None where the model has none of this name. Raises `NotUnderstoodError`, each time for the same."""
        return _asked(lambda: self._taken_apart.column(name.lower()))

    def rows(self) -> Slice:
        """What makes up its rows. Raises `NotUnderstoodError`, each time for the same."""
        return _asked(lambda: self._taken_apart.rows())

    @property
    def _taken_apart(self) -> Query:
        if self._query is None:
            raise NotUnderstoodError("the model")
        return self._query


def _asked(ask: Callable[[], _Found]) -> _Found:
    """What was found. Raises `NotUnderstoodError` for whatever is in the way."""
    try:
        return ask()
    except (
        SqlglotError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise NotUnderstoodError(str(error)) from error


def _parsed(code: str, parents: Mapping[str, str]) -> Query:
    """The query of a model. Raises where it is not understood."""
    text = _CALL.sub(lambda call: _without_jinja(call, parents), _COMMENT.sub(" ", code))
    if any(mark in text for mark in ("{{", "{%", "{#")):
        raise NotUnderstoodError("Jinja")
    return _built(sqlglot.parse_one(text, dialect="duckdb"), {})


def _without_jinja(call: re.Match[str], parents: Mapping[str, str]) -> str:
    """What dbt writes for a reference, as the name of a table: its unique id. Raises `LookupError` for one that is no parent."""
    if call[1] == "config":
        return " "
    words = ["".join(found) for found in _TEXT.findall(call[2])]
    return f'"{_REFERENCE}"."{parents[".".join(words)]}"'


def _built(query: exp.Expr, known: Mapping[str, Query]) -> Query:
    """A query whose CTEs are `known` and its own. Raises `NotUnderstoodError`."""
    known = {**known, **_ctes_of(query, known)}
    match query:
        case exp.Subquery():
            _refuse_others(query, _OF_SUBQUERY)
            return _built(query.this, known)
        case exp.Select():
            _refuse_others_in(query)
            return Select(query, dict(_sources(query, known)))
        case exp.SetOperation():
            _refuse_others(query, _OF_UNION)
            is_distinct = bool(query.args.get("distinct"))
            word = type(query).__name__ + (" distinct" if is_distinct else "")
            is_set = is_distinct or not isinstance(query, exp.Union)
            return Both(word, is_set, _built(query.left, known), _built(query.right, known))
    raise NotUnderstoodError(type(query).__name__)


def _ctes_of(query: exp.Expr, known: Mapping[str, Query]) -> dict[str, Query]:
    """The CTEs of a query by their names, each of which may name those before it."""
    found: dict[str, Query] = {}
    with_ = query.args.get("with_") or query.args.get("with")
    if with_ is None:
        return found
    if with_.args.get("recursive"):
        raise NotUnderstoodError("a recursive CTE")
    for cte in with_:
        if cte.args["alias"].args.get("columns"):
            raise NotUnderstoodError("a list of columns")
        found[cte.alias.lower()] = _built(cte.this, {**known, **found})
    return found


def _refuse_others_in(select: exp.Select) -> None:
    """Raises `NotUnderstoodError` where a SELECT has more to it than is taken apart."""
    _refuse_others(select, _OF_SELECT)
    for projection in select.selects:
        if projection.find(exp.Columns) is not None:
            raise NotUnderstoodError("COLUMNS")
        if projection.is_star:
            _refuse_others(projection.find(exp.Star), _OF_STAR)
    for join in select.args.get("joins") or ():
        _refuse_others(join, _OF_JOIN)
        if join.kind not in _JOINS:
            raise NotUnderstoodError(f"a join {join.kind}")
    distinct = select.args.get("distinct")
    if distinct is not None and distinct.args.get("on"):
        raise NotUnderstoodError("DISTINCT ON")


def _refuse_others(expression: exp.Expr | None, known: set[str]) -> None:
    """Raises `NotUnderstoodError` where an expression has more to it than is taken apart."""
    args = expression.args if expression is not None else {}
    more = sorted(key for key, value in args.items() if value and key not in known)
    if more:
        raise NotUnderstoodError(", ".join(more))


def _sources(select: exp.Select, known: Mapping[str, Query]) -> Iterator[tuple[str, Query]]:
    from_ = from_of(select)
    joined = [join.this for join in select.args.get("joins") or ()]
    for source in [*([from_.this] if from_ else []), *joined]:
        alias = source.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            raise NotUnderstoodError("a list of columns")
        yield source.alias_or_name.lower(), _source(source, known)


def _source(source: exp.Expr, known: Mapping[str, Query]) -> Query:
    if not isinstance(source, exp.Table):
        return _built(source, known)
    _refuse_others(source, _OF_TABLE)
    if not isinstance(source.this, exp.Identifier):
        raise NotUnderstoodError("a function in place of a table")
    if source.db == _REFERENCE:
        return Table(source.name)
    if source.name.lower() in known and not source.db:
        return known[source.name.lower()]
    bare = source.copy()
    bare.set("alias", None)
    return Table(bare.sql(dialect="duckdb"))
