"""Counts taken as counts.

MetricFlow counts what is not null by adding up ones and zeros, for which DuckDB reads every value of a column, often the longest of all:
the key. To count them it needs only to know which are null, and mostly its statistics tell.
"""

from collections.abc import Iterator

from sqlglot import exp

_TOTALS = (exp.Rollup, exp.Cube, exp.GroupingSets)


def count_rows(tree: exp.Expr) -> None:
    """Counts where ones are added up and that changes no answer. Changes the tree."""
    for case in list(tree.find_all(exp.Case)):
        counted = _counted(case)
        if counted is None:
            continue
        parent = case.parent
        if isinstance(parent, exp.Sum) and _is_plain(parent):
            _count(parent, counted)
        elif isinstance(parent, exp.Alias) and isinstance(parent.parent, exp.Select):
            sums = _sums_of(parent, parent.parent, tree)
            if sums:
                case.replace(counted)
                for item in sums:
                    _count(item, item.this)


def _counted(case: exp.Case) -> exp.Expr | None:
    """What `CASE WHEN NOT x IS NULL THEN 1 ELSE 0 END` counts."""
    ifs: list[exp.Expr] = case.args.get("ifs") or []
    if case.this is not None or len(ifs) != 1:
        return None
    test = ifs[0].this
    is_null = test.this if isinstance(test, exp.Not) else None
    if not isinstance(is_null, exp.Is) or not isinstance(is_null.expression, exp.Null):
        return None
    ends = (ifs[0].args.get("true"), case.args.get("default"))
    return is_null.this if [end.sql() if end else "" for end in ends] == ["1", "0"] else None


def _is_plain(total: exp.Sum) -> bool:
    """Whether it adds up a group, and neither a window nor a part of the group."""
    return not isinstance(total.parent, exp.Window | exp.Filter)


def _count(total: exp.Sum, counted: exp.Expr) -> None:
    """A count in the place of a sum, with the type of the sum; and like it nothing where there is no row."""
    found: exp.Expr = exp.cast(exp.Count(this=counted.copy()), "HUGEINT")
    select = total.find_ancestor(exp.Select)
    if select is None or not _has_rows_in_each_group(select):
        has_rows = exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(0))
        found = exp.Case(ifs=[exp.If(this=has_rows, true=found)])
    total.replace(found)


def _has_rows_in_each_group(select: exp.Select) -> bool:
    """Whether it groups by expressions alone: a total, or that of a rollup, is there also where no row is."""
    group = select.args.get("group")
    parts = {name for name, part in group.args.items() if part} if group else set()
    empty = [item for item in group.find_all(exp.Tuple) if not item.expressions] if group else []
    return parts == {"expressions"} and not empty and not (group and group.find(*_TOTALS))


def _sums_of(column: exp.Alias, inner: exp.Select, tree: exp.Expr) -> list[exp.Sum]:
    """The sums of a column of a subquery or a CTE; none where it is used in any other way, or is not there for some rows."""
    named = [item for item in inner.find_all(exp.Column) if _is_same(item.name, column.alias)]
    parts = ("distinct", "group", "having", "order", "qualify")
    if named or any(inner.args.get(part) for part in parts):
        return []
    found: list[exp.Sum] = []
    for source, select in _readers(inner, tree):
        uses = _uses(column.alias, source.alias_or_name, select)
        if not _is_whole(source, select) or uses is None:
            return []
        found += uses
    return found


def _readers(inner: exp.Select, tree: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Select]]:
    """Where the rows of a SELECT are read, each with the SELECT that reads them."""
    holder = inner.parent
    ctes = (
        [item for item in tree.find_all(exp.CTE) if _is_same(item.alias, holder.alias)]
        if isinstance(holder, exp.CTE)
        else []
    )
    if len(ctes) > 1:
        return
    sources: list[exp.Expr] = [holder] if isinstance(holder, exp.Subquery) else []
    if isinstance(holder, exp.CTE):
        sources += [
            item
            for item in tree.find_all(exp.Table)
            if not item.db and _is_same(item.name, holder.alias)
        ]
    for source in [*sources, *([holder] if holder else [])]:
        alias = source.args.get("alias")
        if isinstance(alias, exp.TableAlias) and alias.columns:
            return
    for source in sources:
        select = source.find_ancestor(exp.Select)
        if select is not None:
            yield source, select


def _is_whole(source: exp.Expr, select: exp.Select) -> bool:
    """Whether a SELECT has no row without one of the source's."""
    joins = select.args.get("joins") or ()
    start = select.args.get("from_")
    return (
        start is not None
        and start.this is source
        and all(
            join.side in ("", "LEFT") and not join.method and not join.args.get("using")
            for join in joins
        )
    )


def _uses(name: str, table: str, select: exp.Select) -> list[exp.Sum] | None:
    """The sums that a column is in, or None where it may be used in another way."""
    if any(not isinstance(star.parent, exp.Count) for star in select.find_all(exp.Star)):
        return None
    if select.find(exp.Columns) or any(
        _is_same(item.name, table) for item in select.find_all(exp.Column)
    ):
        return None
    tables = {table} if select.args.get("joins") else {table, ""}
    found = []
    for column in select.find_all(exp.Column):
        if _is_same(column.name, name) and column.table.lower() in ("", table.lower()):
            total = column.parent
            if not (column.table in tables and isinstance(total, exp.Sum) and _is_plain(total)):
                return None
            if total.find_ancestor(exp.Select) is not select:
                return None
            found.append(total)
    return found


def _is_same(name: str, other: str) -> bool:
    """Whether two names are one to DuckDB, which knows no case."""
    return name.lower() == other.lower()
