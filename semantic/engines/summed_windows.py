"""What lies in a window, summed by day before it is joined to the windows.

MetricFlow joins every row to every day of the time spine in whose window it lies, and then groups. A month of rows in a window of a month
is joined thirty times over. Rows that the join and the groups cannot tell apart are put into one beforehand: a sum of sums, the
least of the least and the greatest of the greatest are what they were.
"""

from sqlglot import exp

_REPEATABLE = (exp.Sum, exp.Min, exp.Max)
_INEQUALITIES = (exp.LT, exp.LTE, exp.GT, exp.GTE)


def sum_before_windows(tree: exp.Expr) -> None:
    """Puts an aggregate between rows and the windows they are joined to, where that changes no answer. Changes the tree."""
    names = {cte.alias for cte in tree.find_all(exp.CTE)}
    for select in list(tree.find_all(exp.Select)):
        rows = _joined_to_windows(select, names)
        if rows is not None:
            _sum(select, rows)


def _joined_to_windows(select: exp.Select, ctes: set[str]) -> exp.Expr | None:
    """The rows that a SELECT joins to windows and then groups; None where it does anything else with them."""
    start, joins = select.args.get("from_"), list(select.args.get("joins") or ())
    if start is None or len(joins) != 1 or select.args.get("group") is None:
        return None
    on = joins[0].args.get("on")
    if joins[0].side or joins[0].method or on is None or not on.find(*_INEQUALITIES):
        return None
    sides: tuple[exp.Expr, ...] = (joins[0].this, start.this)
    return next(
        (
            rows
            for rows in sides
            if _are_plain_rows(rows, ctes) and _are_only_summed(select, rows.alias_or_name)
        ),
        None,
    )


def _are_plain_rows(rows: exp.Expr, ctes: set[str]) -> bool:
    if isinstance(rows, exp.Table):
        return rows.name in ctes
    inner = rows.this if isinstance(rows, exp.Subquery) else None
    return isinstance(inner, exp.Select) and not any(
        inner.args.get(part) for part in ("group", "distinct", "having", "limit", "order")
    )


def _are_only_summed(select: exp.Select, name: str) -> bool:
    """Whether every aggregate is one that can be taken twice, of a bare column of these rows, and of nothing else."""
    aggregates = [item for item in select.find_all(exp.AggFunc) if _is_own(item, select)]
    columns = list(select.find_all(exp.Column))
    if not all(item.table for item in columns if _is_own(item, select)):
        return False
    if any(item.table.lower() == name.lower() and not _is_own(item, select) for item in columns):
        return False
    if any(_is_own(item, select) for item in select.find_all(exp.Anonymous, exp.AnonymousAggFunc)):
        return False
    return bool(aggregates) and all(
        isinstance(item, _REPEATABLE)
        and [part for part in item.args.values() if part] == [item.this]
        and isinstance(item.this, exp.Column)
        and item.this.table == name
        and not item.find_ancestor(exp.Filter, exp.Window)
        for item in aggregates
    )


def _sum(select: exp.Select, rows: exp.Expr) -> None:
    name = rows.alias_or_name
    columns = [
        item for item in select.find_all(exp.Column) if item.table == name and _is_own(item, select)
    ]
    values: dict[str, type[exp.AggFunc]] = {}
    keys: list[str] = []
    for column in columns:
        aggregate = column.parent
        if not isinstance(aggregate, _REPEATABLE):
            keys.append(column.name.lower())
        elif values.setdefault(column.name.lower(), type(aggregate)) is not type(aggregate):
            return  # two aggregates of one column
    if set(keys) & set(values) or not keys:
        return
    grouped = [exp.column(key) for key in dict.fromkeys(keys)]
    inner = exp.select(*grouped)
    for value, kind in values.items():
        inner = inner.select(exp.alias_(kind(this=exp.column(value)), value))
    source = rows.copy()
    inner = inner.from_(source).group_by(*(key.copy() for key in grouped))
    rows.replace(inner.subquery(alias=name))


def _is_own(node: exp.Expr, select: exp.Select) -> bool:
    return node.find_ancestor(exp.Select) is select
