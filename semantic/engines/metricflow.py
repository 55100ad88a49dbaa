"""MetricFlow, embedded: no dbt, no adapter, no connection. It only writes SQL; the snapshot runs it.

All imports of MetricFlow are in this file, inside the constructor: they take about a second, and code locations load without.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import cache, partial
from typing import Any

from semantic.catalog import Catalog
from semantic.engine import CompileRequest, ConditionText, NamedMetric, Operand, SpanCondition
from semantic.engines.generalised_element import GeneralisedElement, with_elements
from semantic.engines.time_span import with_span_parameters
from semantic.errors import MetricCompileError
from semantic.metric import (
    DATE_PARTS,
    GRAINS,
    WITHIN_A_SECOND,
    Dimension,
    DimensionKind,
    NamedDimension,
)
from semantic.recent import Recent
from semantic.time_range import DaySpan

_KEPT_ENGINES = 8
_LOGGERS = ("metricflow", "metricflow_semantics", "metricflow_semantic_interfaces")


class MetricFlowCompiler:
    """A `MetricEngine` over the semantic manifest of a catalogue. Thread-safe; one compile at a time."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.RLock()
        self._engine, self._request = _load_engine(catalog.semantic_manifest)
        self._generalised: Recent[frozenset[GeneralisedElement], Any] = Recent(_KEPT_ENGINES)
        self._dimensions: dict[tuple[str, ...], Mapping[str, Dimension]] = {}
        self._spine_grains = _custom_grains_of(catalog.semantic_manifest)

    def dimensions(self, metrics: Sequence[str]) -> Mapping[str, Dimension]:
        key = tuple(sorted(metrics))
        with self._lock:
            if key not in self._dimensions:
                self._dimensions[key] = self._legal_dimensions(key)
            return self._dimensions[key]

    def compile(self, request: CompileRequest) -> str:
        written = {item.column: _written(item) for item in request.group_by}
        elements = {}
        for named, mask in request.generalised:
            elements[named.column] = GeneralisedElement(
                model=named.dimension.models[0], name=named.dimension.element, mask=mask
            )
            written[named.column] = f"{named.column}{elements[named.column].suffix}"
        engine = partial(self._explain, frozenset(elements.values()), request, written.values())
        sql = self._with_span(engine, request.span)
        if not elements:
            return sql
        columns = [
            f'{written[column]} AS "{column}"' if column in elements else f'"{column}"'
            for column in (*written, *request.metrics)
        ]
        return f"SELECT {', '.join(columns)} FROM (\n{sql}\n) AS generalised"

    def _with_span(self, explain: Callable[..., str], span: SpanCondition | None) -> str:
        """The SQL with the range where MetricFlow puts it, or else as a filter."""
        if span is None:
            return explain()
        found = None
        if span.aligned_to:
            with suppress(MetricCompileError):
                found = with_span_parameters(
                    lambda days: explain(within=days), span.aligned_to, span.start, span.end
                )
        ends = f"{{0}} BETWEEN {span.start} AND {span.end}"
        return found or explain(also=ConditionText(template=ends, operands=(span.time,)))

    def _explain(
        self,
        elements: frozenset[GeneralisedElement],
        request: CompileRequest,
        group_by: Iterable[str],
        *,
        within: DaySpan | None = None,
        also: ConditionText | None = None,
    ) -> str:
        conditions = [*request.conditions, *([also] if also else [])]
        with self._lock:
            try:
                explained = self._engine_with(elements).explain(
                    self._request.create(
                        metric_names=list(request.metrics),
                        group_by_names=list(group_by) or None,
                        where_constraints=[_where(item) for item in conditions] or None,
                        time_constraint_start=_midnight(within.start) if within else None,
                        time_constraint_end=_midnight(within.end) if within else None,
                    )
                )
            except Exception as error:
                raise MetricCompileError(
                    f"MetricFlow cannot build {', '.join(request.metrics)}"
                    + "".join(f" by {item.column}" for item in request.group_by),
                    hint=_first_reason(error),
                ) from error
        return str(explained.sql_statement.without_descriptions.sql)

    def _engine_with(self, elements: frozenset[GeneralisedElement]) -> Any:
        """The engine that knows these generalised elements as dimensions of their own. The last few stay."""
        if not elements:
            return self._engine
        found = self._generalised.get(elements)
        if found is None:
            found, _ = _load_engine(with_elements(self._catalog.semantic_manifest, elements))
            self._generalised.put(elements, found)
        return found

    def _legal_dimensions(self, metrics: tuple[str, ...]) -> dict[str, Dimension]:
        try:
            items = self._engine.list_group_bys(
                list(metrics), include_derived_time_granularities=True
            )
        except Exception as error:
            raise MetricCompileError(
                f"MetricFlow cannot resolve {', '.join(metrics)}", hint=_first_reason(error)
            ) from error
        found: dict[str, Dimension] = {}
        for item in items:
            dimension = self._dimension(item)
            if dimension.name.rpartition("__")[2] in self._spine_grains:
                continue  # a grain of a time, listed as if it were one of its own
            known = found.get(dimension.name)
            if known is None or len(dimension.grains) > len(known.grains):
                found[dimension.name] = dimension
        return dict(sorted(found.items()))

    def _custom_grains(self, base: str) -> tuple[str, ...]:
        """The grains that time spines declare, as far as a time of this grain can be put into them."""
        return tuple(name for name, spine in self._spine_grains.items() if _is_at_most(base, spine))

    def _dimension(self, item: Any) -> Dimension:
        models = self._catalog.semantic_models
        if not hasattr(item, "dunder_name"):
            return Dimension(
                name=item.name,
                kind=DimensionKind.ENTITY,
                models=tuple(sorted(name for name in models if item.name in models[name].elements)),
                description=item.description or "",
                pii=self._is_pii(item.name, None),
            )
        params = item.type_params
        reference = item.semantic_model_reference
        model = reference.semantic_model_name if reference else None
        if params is None:
            return Dimension(
                name=item.dunder_name,
                kind=DimensionKind.CATEGORICAL,
                models=(model,) if model else (),
                description=item.description or "",
                pii=self._is_pii(item.name, model),
            )
        base = str(params.time_granularity.value)
        name = item.dunder_name.removesuffix(f"__{base}") if model is None else item.dunder_name
        grains = _coarser_grains(base)
        custom = self._custom_grains(base)
        return Dimension(
            name=name,
            kind=DimensionKind.TIME,
            grains=grains + custom,
            custom_grains=frozenset(custom),
            date_parts=tuple(
                part for part, widest in DATE_PARTS.items() if _is_at_most(base, widest)
            ),
            description=item.description or "",
            pii=self._is_pii(item.name, model),
        )

    def _is_pii(self, element: str, model: str | None) -> bool:
        """An entity stands in several models under one name: personal in one is personal in all."""
        models = self._catalog.semantic_models
        candidates = [models[model]] if model else list(models.values())
        return any(
            candidate.elements[element].pii
            for candidate in candidates
            if element in candidate.elements
        )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time())


def _where(item: ConditionText) -> str:
    text = item.template
    for position, operand in enumerate(item.operands):
        text = text.replace(f"{{{position}}}", f"{{{{ {_reference(operand)} }}}}")
    return text


def _reference(operand: Operand) -> str:
    """An operand as MetricFlow's filters write it."""
    if isinstance(operand, NamedMetric):
        by = ", ".join(f"'{named.column}'" for named in operand.by)
        return f"Metric('{operand.metric}', group_by=[{by}])"
    name = operand.dimension.name
    if operand.dimension.kind is DimensionKind.ENTITY:
        return f"Entity('{name}')"
    if operand.dimension.kind is DimensionKind.CATEGORICAL:
        return f"Dimension('{name}')"
    if operand.date_part:
        return f"TimeDimension('{name}', date_part_name='{operand.date_part}')"
    return f"TimeDimension('{name}', '{operand.grain}')"


def _written(named: NamedDimension) -> str:
    """A dimension as MetricFlow takes it to group by. Its plain names know no date parts."""
    return _reference(named) if named.date_part else named.column


def _custom_grains_of(semantic_manifest: str) -> dict[str, str]:
    """The grains that time spines declare, each with the grain of its spine."""
    configuration = json.loads(semantic_manifest).get("project_configuration") or {}
    return {
        custom["name"]: str(spine["primary_column"]["time_granularity"]).lower()
        for spine in configuration.get("time_spines") or ()
        for custom in spine.get("custom_granularities") or ()
    }


def _is_at_most(grain: str, other: str) -> bool:
    """Whether a grain is as fine as another or finer. Of those that we do not know, only the same is."""
    if grain in GRAINS and other in GRAINS:
        return GRAINS.index(grain) <= GRAINS.index(other)
    return grain == other


def _coarser_grains(base: str) -> tuple[str, ...]:
    """The grains by which a time of this grain can be asked: its own and the coarser ones, but none within a second."""
    if base in GRAINS:
        return GRAINS[GRAINS.index(base) :]
    return GRAINS if base in WITHIN_A_SECOND else (base,)


def _first_reason(error: Exception) -> str:
    """The first sentence that says something in MetricFlow's page-long messages."""
    lines = [line.strip() for line in str(error).splitlines()]
    meaningful = [
        line for line in lines if line and not line.endswith(":") and "error(s)" not in line
    ]
    return (meaningful[0] if meaningful else type(error).__name__)[:300]


@cache
def _renderer() -> Any:
    from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer

    return DuckDbSqlPlanRenderer()


def _load_engine(semantic_manifest: str) -> tuple[Any, Any]:
    from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
    from metricflow.protocols.sql_client import SqlEngine
    from metricflow_semantics.model.dbt_manifest_parser import (
        parse_manifest_from_dbt_generated_manifest,
    )
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    for name in _LOGGERS:
        # What goes wrong comes back as an error, once. MetricFlow would log it with its traceback as well.
        logging.getLogger(name).setLevel(logging.CRITICAL)

    class NoConnection:
        """What MetricFlow needs to know of a client in order to write SQL, and nothing to run it with."""

        sql_engine_type = SqlEngine.DUCKDB
        sql_plan_renderer = _renderer()

    try:
        manifest = parse_manifest_from_dbt_generated_manifest(semantic_manifest)
        engine = MetricFlowEngine(SemanticManifestLookup(manifest), NoConnection())
    except Exception as error:
        raise MetricCompileError(
            "MetricFlow cannot load the semantic manifest", hint=_first_reason(error)
        ) from error
    return engine, MetricFlowQueryRequest
