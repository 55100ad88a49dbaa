"""A query and its permits -> one checked SELECT. `explain` and `query` share it.

The engine compiles once per shape: names, operators and the number of values. Values are parameters; they are in neither the
text nor the key of the plan. Around the compiled SELECT stands ours, which masks, orders and cuts. Row restrictions are put
where rows enter: at every scan of a relation in the parsed SQL, because a metric filter reaches only the base side of a
conversion metric.
"""

import hashlib
from dataclasses import dataclass

from semantic.binding import condition_texts, padded, parameter_names, span_condition
from semantic.catalog import Catalog
from semantic.compiled_sql import CompiledSql
from semantic.engine import CompileRequest, MetricEngine, NamedMetric, Operand
from semantic.errors import MetricCompileError
from semantic.generalisation import Band, FirstCharacters
from semantic.outer_select import columns_of, outer_select
from semantic.plan_request import Condition, Junction, PlanRequest
from semantic.policy import Permit, RowRestriction
from semantic.recent import Recent

_CACHED_PLANS = 512


@dataclass(frozen=True, kw_only=True)
class QueryPlan:
    """One SELECT, what it reads, and its parameters by name. Holds no value.

    After `columns` its rows have `counts` more cells, which are never told: the sizes of the group, now and in the previous period.
    """

    sql: str
    columns: tuple[str, ...]
    counts: int
    relations: tuple[str, ...]
    parameters: frozenset[str]
    prefix: str
    restricted: tuple[str, ...]
    hash: str


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
        self._plans: Recent[tuple[object, ...], QueryPlan] = Recent(_CACHED_PLANS)

    def plan(self, request: PlanRequest) -> QueryPlan:
        """The plan for this shape of query. Raises `MetricCompileError`, `RowsNotRestrictable`, `MixedRestrictions`."""
        shape = shape_of(request)
        plan = self._plans.get(shape)
        if plan is None:
            plan = self._build(request, shape)
            self._plans.put(shape, plan)
        return plan

    def _build(self, request: PlanRequest, shape: tuple[object, ...]) -> QueryPlan:
        prefix = f"ga_{hashlib.sha256(repr(shape).encode()).hexdigest()[:12]}_"
        restrictions = self._restrictions(request)
        compiled = CompiledSql(
            self._engine.compile(
                CompileRequest(
                    metrics=tuple(dict.fromkeys((*request.metrics, *request.counts))),
                    group_by=request.group_by,
                    conditions=condition_texts(request, prefix),
                    span=span_condition(request, prefix),
                    generalised=tuple(
                        (named, mask)
                        for named, mask in request.masked
                        if isinstance(mask, FirstCharacters | Band)
                    ),
                )
            )
        )
        read = [permit.metric for permit in request.permits]
        relations = compiled.relations(
            self._catalog.relations_of([*read, *request.counts], request.named)
        )
        compiled.restrict(restrictions, prefix)
        previous = None
        if request.previous:
            days = {f"{prefix}{name}": f"{prefix}{name}_previous" for name in ("from", "to")}
            previous = compiled.text(days)
        sql = outer_select(compiled.text(), previous, request, prefix)
        parameters = parameter_names(request, prefix)
        if CompiledSql(sql).parameters != parameters:
            raise MetricCompileError(
                "The compiled SQL has other parameters than the query",
                hint="a metric's own definition may hold no $parameter",
            )
        return QueryPlan(
            sql=sql,
            columns=columns_of(request),
            counts=len(request.counts) * (2 if request.previous else 1),
            relations=relations,
            parameters=parameters,
            prefix=prefix,
            restricted=tuple(sorted(restrictions)),
            hash=hashlib.sha256(sql.encode()).hexdigest()[:32],
        )

    def _restrictions(
        self, request: PlanRequest
    ) -> dict[str, tuple[tuple[str, RowRestriction], ...]]:
        """By relation, the expressions that must hold one of the visible values where it is scanned."""
        if len({item.element for item in request.rows}) < len(request.rows):
            raise MixedRestrictions
        found: dict[str, dict[str, tuple[str, RowRestriction]]] = {}
        for permit in request.permits:
            for restriction in permit.rows:
                for name in self._models_of(permit, request):
                    if restriction.element not in self._catalog.semantic_models[name].elements:
                        raise RowsNotRestrictable(permit.metric, restriction.element)
                for relation, expression in self.rows_of_element(restriction.element):
                    found.setdefault(relation, {})[restriction.element] = (expression, restriction)
        for permit in request.permits:
            elements = {item.element for item in permit.rows}
            for name in self._models_of(permit, request):
                relation = self._catalog.semantic_models[name].relation
                if set(found.get(relation, {})) - elements:
                    raise MixedRestrictions
        return {relation: tuple(items.values()) for relation, items in found.items()}

    def _models_of(self, permit: Permit, request: PlanRequest) -> set[str]:
        """The semantic models whose rows a metric counts, and those whose rows its groups are counted by."""
        metric = self._catalog.metrics[permit.metric]
        count = self._catalog.find(metric.count_metric or "") if request.counts else None
        return {*metric.semantic_models, *(count.semantic_models if count else ())}

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


def shape_of(request: PlanRequest) -> tuple[object, ...]:
    """What two queries must share to share a plan: everything but values."""
    return (
        request.metrics,
        tuple((named.column, request.mask_of(named.dimension)) for named in request.group_by),
        tuple(_shape_of_condition(item) for item in request.conditions),
        request.fixed,
        (request.time.column, request.span_grain) if request.span and request.time else None,
        request.previous.unit if request.previous else None,
        request.order_by,
        request.values_only,
        request.counts,
        tuple(
            (permit.metric, tuple((item.element, len(item.values)) for item in permit.rows))
            for permit in request.permits
        ),
    )


def _shape_of_condition(condition: Condition) -> tuple[object, ...]:
    if isinstance(condition, Junction):
        return (condition.joined_by, *map(_shape_of_condition, condition.parts))
    return (_shape_of_operand(condition.operand), condition.operator, len(padded(condition)))


def _shape_of_operand(operand: Operand) -> object:
    if isinstance(operand, NamedMetric):
        return (operand.metric, tuple(named.column for named in operand.by))
    return operand.column
