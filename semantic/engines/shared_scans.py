"""Aggregates of the same rows by the same keys, taken in one go.

MetricFlow takes the metrics of one semantic model in several subqueries (a ratio's parts in one, the metric beside it in another), each
of which scans, joins and groups the same rows, and puts the groups together with a full outer join. Subqueries that differ in nothing
but what they aggregate have the same groups, so one of them can give it all.
"""

from collections.abc import Iterator

from sqlglot import exp


def share_scans(tree: exp.Expr) -> None:
    """Puts subqueries together where that changes no answer. Changes the tree."""
    for select in list(tree.find_all(exp.Select)):
        sources = _sources(select)
        if len(sources) > 1 and _puts_groups_together(select, sources):
            _share(select)


def _sources(select: exp.Select) -> list[exp.Subquery]:
    """What a SELECT reads from, where that is aggregates alone."""
    start = select.args.get("from_")
    joined = [join.this for join in select.args.get("joins") or ()]
    found = [start.this, *joined] if start is not None else []
    return found if all(_is_aggregate(source) for source in found) else []


def _is_aggregate(source: exp.Expr) -> bool:
    inner = source.this if isinstance(source, exp.Subquery) else None
    if not isinstance(inner, exp.Select) or not source.alias:
        return False
    if any(inner.args.get(part) for part in ("with_", "distinct", "having", "limit", "order")):
        return False
    if inner.find(exp.Window):
        return False
    keys, values = _keys_and_values(inner)
    group = inner.args.get("group")
    is_grouped_by_keys = len(keys) == (len(group.expressions) if group else 0)
    return is_grouped_by_keys and bool(values) and len(keys) + len(values) == len(inner.expressions)


def _keys_and_values(inner: exp.Select) -> tuple[list[exp.Expr], list[exp.Expr]]:
    """The columns by which it groups, and those that it aggregates."""
    group = inner.args.get("group")
    grouped = {item.sql() for item in group.expressions} if group else set()
    columns: list[exp.Expr] = [
        item for item in inner.expressions if isinstance(item, exp.Alias | exp.Column)
    ]
    keys = [item for item in columns if item.unalias().sql() in grouped]
    values = [item for item in columns if item not in keys and item.find(exp.AggFunc)]
    return keys, values


def _puts_groups_together(select: exp.Select, sources: list[exp.Subquery]) -> bool:
    """Whether the same groups of several aggregates become one row, whichever of them has it."""
    joins = select.args["joins"]
    if select.args.get("where") or select.args.get("having"):
        return False
    keys = [{item.alias_or_name for item in _keys_and_values(source.this)[0]} for source in sources]
    if not any(keys):
        return all((join.kind == "CROSS" or not join.args.get("on")) for join in joins)
    group = select.args.get("group")
    if group is None or any(found != keys[0] for found in keys):
        return False
    names = {source.alias for source in sources}
    coalesced = {frozenset(_tables(item)) for item in group.expressions}
    return (
        all(join.side == "FULL" for join in joins)
        and coalesced == {frozenset(names)}
        and len(group.expressions) == len(keys[0])
        and all(
            isinstance(item, exp.Max)
            for item in select.find_all(exp.AggFunc)
            if _is_own(item, select)
        )
    )


def _tables(expression: exp.Expr) -> set[str]:
    return {column.table for column in expression.find_all(exp.Column)}


def _is_own(node: exp.Expr, select: exp.Select) -> bool:
    return node.find_ancestor(exp.Select) is select


def _share(select: exp.Select) -> None:
    first = select.args["from_"].this
    kept = {_rows_and_keys(first.this): first}
    for join in list(select.args["joins"]):
        source = join.this
        same = kept.setdefault(_rows_and_keys(source.this), source)
        if same is not source:
            names = dict(_add_values(same, source))
            for column in _own_columns(select, source.alias):
                column.replace(exp.column(names.get(column.name, column.name), table=same.alias))
            join.pop()


def _rows_and_keys(inner: exp.Select) -> str:
    """What two aggregates of the same rows by the same keys have in common, whatever the SQL calls their parts."""
    bare = _without_values(inner)
    called = {name: f"part {place}" for place, name in enumerate(_aliases(bare))}
    _rename(bare, called)
    return bare.sql()


def _without_values(inner: exp.Select) -> exp.Select:
    bare = inner.copy()
    keys, _ = _keys_and_values(bare)
    bare.set("expressions", sorted(keys, key=lambda item: item.alias_or_name))
    return bare


def _aliases(tree: exp.Expr) -> list[str]:
    """What the SQL itself calls the sources within, each once: never the name of a table or of a column."""
    return list(dict.fromkeys(alias.name for alias in tree.find_all(exp.TableAlias) if alias.name))


def _rename(tree: exp.Expr, called: dict[str, str]) -> None:
    """Calls sources by other names, where they are declared and where columns are taken from them."""
    for node in tree.find_all(exp.TableAlias, exp.Column):
        identifier = node.args.get("this" if isinstance(node, exp.TableAlias) else "table")
        if isinstance(identifier, exp.Identifier) and identifier.name in called:
            identifier.set("this", called[identifier.name])


def _add_values(first: exp.Subquery, other: exp.Subquery) -> Iterator[tuple[str, str]]:
    """Gives `first` what `other` aggregates, under names of its own; the old names with the new ones."""
    aliases = (_aliases(_without_values(source.this)) for source in (other, first))
    called = dict(zip(*aliases, strict=True))
    for item in _keys_and_values(other.this)[1]:
        value = item.unalias().copy()
        _rename(value, called)
        name = f"{item.alias_or_name}__of_{other.alias}"
        first.this.select(exp.alias_(value, name), copy=False)
        yield item.alias_or_name, name


def _own_columns(select: exp.Select, table: str) -> list[exp.Column]:
    """The columns of a source that the SELECT itself speaks of."""
    return [
        column
        for column in select.find_all(exp.Column)
        if column.table == table and _is_own(column, select)
    ]
