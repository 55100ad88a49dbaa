"""A query and its permits -> one checked SELECT. `explain` and `query` share it.

MetricFlow compiles once per shape: names, operators and the number of values. Values are parameters; they are in neither the
text nor the key of the plan. Around MetricFlow's SELECT stands ours, which masks, orders and cuts. Row restrictions are put
where rows enter: at every scan of a relation in the parsed SQL, because a metric filter reaches only the base side of a
conversion metric.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import sqlglot
from sqlglot import exp

from semantic.catalog import Catalog
from semantic.engine import CompileRequest, FilterText, MetricEngine
from semantic.errors import MetricCompileError
from semantic.metric import Dimension, DimensionKind
from semantic.policy import Mask, Permit, RowRestriction, is_match
from semantic.query import Filter, MetricQuery, Operator, TimeRange

_COMPARISONS = {
    Operator.EQUALS: "=",
    Operator.NOT_EQUALS: "<>",
    Operator.LESS: "<",
    Operator.LESS_OR_EQUAL: "<=",
    Operator.GREATER: ">",
    Operator.GREATER_OR_EQUAL: ">=",
}
_DAY_OR_COARSER = frozenset({"day", "week", "month", "quarter", "year"})
_TABLE_FUNCTIONS_ALLOWED = (exp.Unnest, exp.GenerateSeries)
_CACHED_PLANS = 512


@dataclass(frozen=True, kw_only=True)
class NamedDimension:
    """A dimension as a query names it, with its grain if it is a time."""

    dimension: Dimension
    grain: str | None

    @property
    def column(self) -> str:
        """The name of its column in the compiled SQL and in the answer."""
        return f"{self.dimension.name}__{self.grain}" if self.grain else self.dimension.name


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """A query whose names are all looked up, and what its reader may see of it."""

    query: MetricQuery
    group_by: tuple[NamedDimension, ...]
    filters: tuple[tuple[NamedDimension, Filter], ...]
    time: NamedDimension | None
    permits: tuple[Permit, ...]

    @property
    def rows(self) -> tuple[RowRestriction, ...]:
        """All row restrictions that hold for this query, each once."""
        return tuple(sorted({item for permit in self.permits for item in permit.rows}, key=str))

    @property
    def max_rows(self) -> int:
        return min(permit.max_rows for permit in self.permits)

    def mask_of(self, dimension: Dimension) -> Mask | None:
        for permit in self.permits:
            for pattern, mask in permit.masks.items():
                if is_match(dimension.name, pattern):
                    return mask
        return None


@dataclass(frozen=True, kw_only=True)
class QueryPlan:
    """One SELECT, what it reads, and its parameters by name. Holds no value."""

    sql: str
    columns: tuple[str, ...]
    relations: tuple[str, ...]
    parameters: frozenset[str]
    prefix: str
    restricted: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    hash: str = field(default="")

    @property
    def limit_parameter(self) -> str:
        return f"{self.prefix}limit"

    @property
    def mask_parameter(self) -> str:
        return f"{self.prefix}mask"


class RowsNotRestrictable(Exception):
    """A metric cannot honour a row restriction. `metric` and `element` say which."""

    def __init__(self, metric: str, element: str) -> None:
        super().__init__(f"metric '{metric}' has no '{element}' to restrict its rows by")
        self.metric = metric
        self.element = element


class MixedRestrictions(Exception):
    """Two metrics of one query see different rows of the same relation."""


class Planner:
    """Plans queries against one catalogue, and keeps the plans of the last shapes."""

    def __init__(self, catalog: Catalog, engine: MetricEngine) -> None:
        self._catalog = catalog
        self._engine = engine
        self._plans: OrderedDict[tuple[object, ...], QueryPlan] = OrderedDict()
        self._lock = threading.Lock()

    def plan(self, request: PlanRequest) -> QueryPlan:
        """The plan for this shape of query. Raises `MetricCompileError`, `RowsNotRestrictable`, `MixedRestrictions`."""
        shape = _shape(request)
        with self._lock:
            if shape in self._plans:
                self._plans.move_to_end(shape)
                return self._plans[shape]
        plan = self._build(request, shape)
        with self._lock:
            self._plans[shape] = plan
            while len(self._plans) > _CACHED_PLANS:
                self._plans.popitem(last=False)
        return plan

    def _build(self, request: PlanRequest, shape: tuple[object, ...]) -> QueryPlan:
        prefix = f"ga_{hashlib.sha256(repr(shape).encode()).hexdigest()[:12]}_"
        restricted = self._restricted_relations(request)
        compiled = self._engine.compile(
            CompileRequest(
                metrics=request.query.metrics,
                group_by=tuple(named.column for named in request.group_by),
                filters=_filter_texts(request, prefix),
            )
        )
        tree = _parse_one_select(compiled)
        scanned = self._scanned_relations(tree)
        if restricted:
            tree = _restrict_scans(tree, restricted, prefix)
        # What was checked is what runs. Every name is quoted: MetricFlow quotes none, and an entity may be called `order`.
        checked = tree.sql(dialect="duckdb", identify=True, pretty=True, comments=False)
        plan = QueryPlan(
            sql=_outer_select(checked, request, prefix),
            columns=(*(named.column for named in request.group_by), *request.query.metrics),
            relations=scanned,
            parameters=frozenset(_parameter_names(request, prefix)),
            prefix=prefix,
            restricted=tuple(sorted(restricted)),
            masked=tuple(
                named.column for named in request.group_by if request.mask_of(named.dimension)
            ),
        )
        _refuse_other_parameters(plan)
        return replace(plan, hash=hashlib.sha256(plan.sql.encode()).hexdigest()[:32])

    def _restricted_relations(
        self, request: PlanRequest
    ) -> dict[str, tuple[tuple[str, RowRestriction], ...]]:
        """By relation, the expressions that must hold one of the visible values where it is scanned."""
        if len({item.element for item in request.rows}) < len(request.rows):
            raise MixedRestrictions
        found: dict[str, dict[str, tuple[str, RowRestriction]]] = {}
        for permit in request.permits:
            metric = self._catalog.metrics[permit.metric]
            for restriction in permit.rows:
                for name in metric.semantic_models:
                    if restriction.element not in self._catalog.semantic_models[name].elements:
                        raise RowsNotRestrictable(metric.name, restriction.element)
                for relation, expression in self.rows_of_element(restriction.element):
                    found.setdefault(relation, {})[restriction.element] = (expression, restriction)
        for permit in request.permits:
            elements = {item.element for item in permit.rows}
            for name in self._catalog.metrics[permit.metric].semantic_models:
                relation = self._catalog.semantic_models[name].relation
                if set(found.get(relation, {})) - elements:
                    raise MixedRestrictions
        return {relation: tuple(items.values()) for relation, items in found.items()}

    def rows_of_element(self, element: str) -> tuple[tuple[str, str], ...]:
        """The relations whose rows belong to a value of `element`, each with the expression that says to which.

        A relation that only lends its rows to look-ups in another role (airports as destinations, where `element` is the
        origin) is left whole: what is looked up in it hangs on rows that are restricted themselves.
        """
        found: dict[str, str] = {}
        for relation in self._catalog.relations():
            models = self._catalog.models_on(relation)
            bearing = [model for model in models if element in model.elements]
            if not bearing or not (
                len(bearing) == len(models) or any(model.has_measures for model in bearing)
            ):
                continue
            expressions = {model.elements[element].expression for model in bearing}
            if len(expressions) > 1:
                raise MetricCompileError(
                    f"'{element}' stands for {' and '.join(sorted(expressions))} on {relation}",
                    hint="give the two elements different names, so that rows can be restricted by one",
                )
            found[relation] = expressions.pop()
        return tuple(sorted(found.items()))

    def _scanned_relations(self, tree: exp.Expression) -> tuple[str, ...]:
        allowed = {
            _table_parts(exp.to_table(name, dialect="duckdb")): name
            for name in self._catalog.relations()
        }
        inner = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
        found: set[str] = set()
        for table in tree.find_all(exp.Table):
            if isinstance(table.this, exp.Func) and not isinstance(
                table.this, _TABLE_FUNCTIONS_ALLOWED
            ):
                raise MetricCompileError(
                    "The compiled SQL calls a table function",
                    hint="a metric's expressions may use scalar functions and aggregates only",
                )
            parts = _table_parts(table)
            if parts in allowed:
                found.add(allowed[parts])
            elif parts[:-1] != ("", "") or parts[-1] not in inner:
                raise MetricCompileError(
                    f"The compiled SQL reads {table.sql(dialect='duckdb')}, which is no governed relation",
                    hint="a metric may read the relations of semantic models and time spines only",
                )
        return tuple(sorted(found))


def bind(plan: QueryPlan, request: PlanRequest, *, limit: int, mask_key: str) -> dict[str, Any]:
    """The values of a query by the parameter names of its plan."""
    values: dict[str, Any] = {plan.limit_parameter: limit}
    for position, (named, item) in enumerate(request.filters):
        for index, value in enumerate(_padded(item)):
            values[f"{plan.prefix}f{position}_{index}"] = _typed(value, named)
    if request.query.time_range and request.time:
        values[f"{plan.prefix}from"] = request.query.time_range.start
        values[f"{plan.prefix}to"] = request.query.time_range.end
    for restriction in request.rows:
        for index, value in enumerate(restriction.values):
            values[f"{plan.prefix}r_{restriction.element}_{index}"] = value
    if plan.masked:
        values[plan.mask_parameter] = mask_key
    return {name: value for name, value in values.items() if name in plan.parameters}


def time_value(value: object) -> date | datetime:
    """A filter value on a time dimension. Raises `ValueError` with what is allowed."""
    if isinstance(value, datetime | date):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"{value!r} is not a date; write it as 2013-02-08")


def _typed(value: object, named: NamedDimension) -> object:
    return time_value(value) if named.dimension.kind is DimensionKind.TIME else value


def _shape(request: PlanRequest) -> tuple[object, ...]:
    query = request.query
    return (
        query.metrics,
        tuple((named.column, request.mask_of(named.dimension)) for named in request.group_by),
        tuple((named.column, item.operator, len(_padded(item))) for named, item in request.filters),
        request.time.column if query.time_range and request.time else None,
        tuple((order.by, order.descending) for order in query.order_by),
        tuple(
            (permit.metric, tuple((item.element, len(item.values)) for item in permit.rows))
            for permit in request.permits
        ),
    )


def _padded(item: Filter) -> tuple[object, ...]:
    """The values of a filter, lists filled up to a power of two with their last value, so that few shapes arise."""
    values: tuple[object, ...] = item.values
    if item.operator not in (Operator.IN, Operator.NOT_IN):
        return values
    size = 1 << (len(values) - 1).bit_length()
    return values + (values[-1],) * (size - len(values))


def _filter_texts(request: PlanRequest, prefix: str) -> tuple[FilterText, ...]:
    texts = [
        FilterText(
            dimension=named.dimension,
            grain=named.grain,
            template=_template(
                item, [f"${prefix}f{position}_{index}" for index in range(len(_padded(item)))]
            ),
        )
        for position, (named, item) in enumerate(request.filters)
    ]
    if request.query.time_range and request.time:
        texts.append(
            FilterText(
                dimension=request.time.dimension,
                grain=request.time.grain,
                template=f"{{name}} BETWEEN ${prefix}from AND ${prefix}to",
            )
        )
    return tuple(texts)


def _template(item: Filter, names: list[str]) -> str:
    match item.operator:
        case Operator.IS_NULL:
            return "{name} IS NULL"
        case Operator.IS_NOT_NULL:
            return "{name} IS NOT NULL"
        case Operator.IN:
            return f"{{name}} IN ({', '.join(names)})"
        case Operator.NOT_IN:
            return f"{{name}} NOT IN ({', '.join(names)})"
        case Operator.BETWEEN:
            return f"{{name}} BETWEEN {names[0]} AND {names[1]}"
        case Operator.STARTS_WITH:
            return f"STARTS_WITH({{name}}, {names[0]})"
        case Operator.CONTAINS:
            return f"CONTAINS({{name}}, {names[0]})"
        case _:
            return f"{{name}} {_COMPARISONS[item.operator]} {names[0]}"


def _parameter_names(request: PlanRequest, prefix: str) -> Iterable[str]:
    yield f"{prefix}limit"
    for position, (_, item) in enumerate(request.filters):
        yield from (f"{prefix}f{position}_{index}" for index in range(len(_padded(item))))
    if request.query.time_range and request.time:
        yield from (f"{prefix}from", f"{prefix}to")
    for restriction in request.rows:
        yield from (f"{prefix}r_{restriction.element}_{i}" for i in range(len(restriction.values)))
    if any(request.mask_of(named.dimension) for named in request.group_by):
        yield f"{prefix}mask"


def _parse_one_select(sql: str) -> exp.Expression:
    try:
        statements = sqlglot.parse(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise MetricCompileError(
            "The compiled SQL cannot be analysed", hint=str(error)[:300]
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise MetricCompileError("The compiled SQL is not one SELECT")
    return statements[0]


def _restrict_scans(
    tree: exp.Expression,
    restricted: Mapping[str, tuple[tuple[str, RowRestriction], ...]],
    prefix: str,
) -> exp.Expression:
    by_parts = {
        _table_parts(exp.to_table(name, dialect="duckdb")): items
        for name, items in restricted.items()
    }

    def restrict(node: exp.Expression) -> exp.Expression:
        items = by_parts.get(_table_parts(node)) if isinstance(node, exp.Table) else None
        if items is None:
            return node
        source = node.copy()
        source.set("alias", None)
        rows = exp.select("*").from_(source)
        for expression, restriction in items:
            rows = rows.where(_visible(expression, restriction, prefix))
        return rows.subquery(alias=node.alias_or_name)

    return tree.copy().transform(restrict)


def _visible(expression: str, restriction: RowRestriction, prefix: str) -> exp.Expression:
    if not restriction.values:
        return exp.false()
    parsed = sqlglot.parse_one(expression, dialect="duckdb")
    names = [f"{prefix}r_{restriction.element}_{i}" for i in range(len(restriction.values))]
    return exp.In(
        this=exp.paren(parsed), expressions=[exp.Placeholder(this=name) for name in names]
    )


def _outer_select(compiled: str, request: PlanRequest, prefix: str) -> str:
    columns = [
        _column(named, request.mask_of(named.dimension), prefix) for named in request.group_by
    ]
    columns += [_quoted(metric) for metric in request.query.metrics]
    names = [*(named.column for named in request.group_by), *request.query.metrics]
    asked = {order.by: order.descending for order in request.query.order_by}
    ties = {named.column: False for named in request.group_by if named.column not in asked}
    order = [
        f"{names.index(name) + 1} {'DESC' if descending else 'ASC'} NULLS LAST"
        for name, descending in {**asked, **ties}.items()
    ]
    ordered = f"\nORDER BY {', '.join(order)}" if order else ""
    return (
        f"SELECT {', '.join(columns)}\nFROM (\n{compiled}\n) AS governed"
        f"{ordered}\nLIMIT ${prefix}limit"
    )


def _column(named: NamedDimension, mask: Mask | None, prefix: str) -> str:
    name = _quoted(named.column)
    if mask is Mask.HASH:
        key = f"${prefix}mask"
        inner = f"sha256({key} || ':' || CAST({name} AS VARCHAR))"
        return f"'masked-' || substr(sha256({key} || ':' || {inner}), 1, 16) AS {name}"
    if named.grain in _DAY_OR_COARSER:
        return f"CAST({name} AS DATE) AS {name}"
    return name


def _refuse_other_parameters(plan: QueryPlan) -> None:
    tree = _parse_one_select(plan.sql)
    found = {node.name for node in tree.find_all(exp.Placeholder, exp.Parameter)}
    if found != set(plan.parameters):
        raise MetricCompileError(
            "The compiled SQL has other parameters than the query",
            hint="a metric's own definition may hold no $parameter",
        )


def _table_parts(table: exp.Expression) -> tuple[str, str, str]:
    return (
        table.args["catalog"].name if table.args.get("catalog") else "",
        table.args["db"].name if table.args.get("db") else "",
        table.name,
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def covered(
    time_range: TimeRange | None, first: date | None, last: date | None
) -> tuple[date | None, date | None]:
    """The days of data between `first` and `last` that a time range takes in."""
    if time_range is None or first is None or last is None:
        return first, last
    start, end = max(time_range.start, first), min(time_range.end, last)
    return (start, end) if start <= end else (None, None)


__all__ = [
    "MixedRestrictions",
    "NamedDimension",
    "PlanRequest",
    "Planner",
    "QueryPlan",
    "RowsNotRestrictable",
    "bind",
    "covered",
    "time_value",
]
