"""What a metric means: the measures, semantic models and metrics that it is made of, and the hash of all of them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from semantic.canonical import canonical_json
from semantic.errors import ManifestError
from semantic.metric import GRAINS, WITHIN_A_SECOND, Metric, MetricType, Reach, Scope, SemanticModel
from semantic.platform.definitions import is_of_platform
from semantic.saved_query import names_in

Json = Mapping[str, Any]

_PROSE = frozenset({"description", "label", "config", "metadata"})
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WITHIN_A_DAY = frozenset({*WITHIN_A_SECOND, *GRAINS[: GRAINS.index("day")]})
_WINDOW_DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
# Aggregations whose result has the type of what is aggregated, whatever that is.
_OF_ANY_TYPE = frozenset({"min", "max"})


class MetricMeanings:
    """Resolves metrics to the measures, semantic models and metrics that give them their meaning."""

    def __init__(
        self,
        semantic: Json,
        models: Mapping[str, SemanticModel],
        known_columns: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._models = models
        self._known_columns = known_columns
        self._raw_models = {raw["name"]: raw for raw in semantic["semantic_models"]}
        self._raw_metrics = {raw["name"]: raw for raw in semantic["metrics"]}
        self._measures = {
            measure["name"]: (raw, measure)
            for raw in semantic["semantic_models"]
            for measure in raw.get("measures") or ()
        }
        self._hashes: dict[str, str] = {}

    def metric(self, raw: Json) -> Metric:
        meta = _meta(raw)
        times = list(self._times(raw))
        bearing = tuple(sorted({model["name"] for model, _ in self._measures_of(raw)}))
        dbt_models = {self._models[name].dbt_model for name in bearing}
        tags = (raw.get("config") or {}).get("tags") or ()
        return Metric(
            name=raw["name"],
            type=MetricType(raw["type"]),
            label=raw.get("label") or raw["name"].replace("_", " "),
            description=raw.get("description") or "",
            owner=_text(meta.get("owner")),
            tier=_text(meta.get("tier")),
            group=_text((raw.get("config") or {}).get("group")),
            count_metric=_text(meta.get("count_metric")),
            unit=_text(meta.get("unit")),
            synonyms=tuple(map(str, meta.get("synonyms") or ())),
            tags=tuple(map(str, (tags,) if isinstance(tags, str) else tags)),
            scope=_scope(raw["name"], meta.get("scope")),
            semantic_models=bearing,
            dbt_models=tuple(sorted(model for model in dbt_models if model)),
            inputs=tuple(sorted(self._input_names(raw))),
            filtered_by=tuple(sorted(self._filter_names(raw))),
            columns=self._columns(raw),
            expressions=tuple(sorted(set(self._expressions(raw)))),
            reach=self._reach(raw),
            time_names=frozenset().union(*times),
            common_time_names=frozenset.intersection(*times) if times else frozenset(),
            is_ranged_by_filter=self._is_ranged_by_filter(raw),
            needs_time=self._needs_time(raw),
            accumulates=self._accumulates(raw),
            period_value=_period_value(raw),
            has_numbers=self._has_numbers(raw),
            fresh_within=_fresh_within(raw["name"], meta.get("fresh_within_hours")),
            definition_hash=self._hash(raw["name"]),
            meta=meta,
        )

    def _has_numbers(self, raw: Json) -> bool:
        """Whether its values may be numbers. The least or the most of a time, or of a text, is none."""
        measured = list(self._measures_of(raw))
        if len(measured) != 1 or raw["type"] not in (MetricType.SIMPLE, MetricType.CUMULATIVE):
            return True
        model, measure = measured[0]
        expression = str(measure.get("expr") or measure["name"])
        kinds = {
            str(item.get("expr") or item["name"]): item["type"]
            for item in model.get("dimensions") or ()
        }
        return measure["agg"] not in _OF_ANY_TYPE or kinds.get(expression) not in (
            "time",
            "categorical",
        )

    def _input_names(self, raw: Json) -> Iterator[str]:
        params = raw["type_params"]
        for item in (
            params.get("numerator"),
            params.get("denominator"),
            *(params.get("metrics") or ()),
        ):
            if item:
                yield item["name"]
        cumulative = params.get("cumulative_type_params") or {}
        conversion = params.get("conversion_type_params") or {}
        for item in (
            cumulative.get("metric"),
            conversion.get("base_metric"),
            conversion.get("conversion_metric"),
        ):
            if item:
                yield item["name"]

    def _measures_of(self, raw: Json) -> Iterator[tuple[Json, Json]]:
        for item in raw["type_params"].get("input_measures") or ():
            if item["name"] in self._measures:
                yield self._measures[item["name"]]
        for item in self._inputs(raw):
            yield from self._measures_of(item)

    def _filter_names(self, raw: Json) -> set[str]:
        """What the filters of this metric, of its measures and of its inputs speak of."""
        found = names_in(_without_prose(raw))
        for item in self._inputs(raw):
            found |= self._filter_names(item)
        return found

    def _columns(self, raw: Json) -> tuple[tuple[str, str], ...]:
        """The documented columns of dbt models that the expressions of its measures name."""
        found = set()
        for model, measure in self._measures_of(raw):
            relation = model["node_relation"]["relation_name"]
            built_by = self._models[model["name"]].dbt_model
            words = words_of(str(measure.get("expr") or measure["name"]))
            found |= {
                (built_by, column)
                for column in self._known_columns.get(relation, ())
                if built_by and column.lower() in words
            }
        return tuple(sorted(found))

    def _expressions(self, raw: Json) -> Iterator[tuple[str, str]]:
        """What is computed from the rows of dbt models: the measures, their times, the dimensions that filters speak of, and the keys on the way to these."""
        measured = list(self._measures_of(raw))
        named = {name.rsplit("__", 1)[-1] for name in self._filter_names(raw)}
        found = [
            (model, str(measure.get("expr") or measure["name"])) for model, measure in measured
        ]
        found += [
            (model, str(time.get("expr") or time["name"]))
            for model, measure in measured
            if (time := _time_dimension(model, measure)) is not None
        ]
        found += [
            (model, str(dimension.get("expr") or dimension["name"]))
            for model in self._raw_models.values()
            for dimension in model.get("dimensions") or ()
            if dimension["name"] in named
        ]
        on_the_way = {part for name in self._filter_names(raw) for part in name.split("__")[:-1]}
        found += [
            (model, str(entity.get("expr") or entity["name"]))
            for model in self._raw_models.values()
            for entity in model.get("entities") or ()
            if entity["name"] in on_the_way
        ]
        for model, expression in found:
            built_by = self._models[model["name"]].dbt_model
            if built_by is not None:
                yield built_by, expression

    def meaning(self, name: str) -> dict[str, Any]:
        """What the definition of a metric says that changes its meaning, with the hashes of the metrics that it is made of."""
        raw = self._raw_metrics[name]
        named = self._filter_names(raw)
        elements = {item.rsplit("__", 1)[-1] for item in named}
        return {
            "metric": _without_prose(raw),
            "inputs": {
                item: self._hash(item)
                for item in sorted({*self._input_names(raw), *named})
                if item in self._raw_metrics
            },
            "measures": [
                {
                    "measure": _without_prose(measure),
                    "relation": model["node_relation"]["relation_name"],
                    "defaults": _without_prose(model.get("defaults")),
                    "entities": _without_prose(model.get("entities")),
                    "time": _without_prose(_time_dimension(model, measure)),
                }
                for model, measure in self._measures_of(raw)
            ],
            "filtered_by": [
                _without_prose(dimension)
                for model in self._joinable_with(raw)
                for dimension in model.get("dimensions") or ()
                if dimension["name"] in elements
            ],
        }

    def _joinable_with(self, raw: Json) -> Iterator[Json]:
        """The semantic models that a filter of a metric may reach: what the platform tells has no entity with what dbt builds in common."""
        sides = {_is_of_platform(model) for model, _ in self._measures_of(raw)}
        return (model for model in self._raw_models.values() if _is_of_platform(model) in sides)

    def _hash(self, name: str) -> str:
        if name not in self._hashes:
            self._hashes[name] = ""
            meaning = _without_floats(self.meaning(name))
            self._hashes[name] = hashlib.sha256(canonical_json(meaning)).hexdigest()[:32]
        return self._hashes[name]

    def _reach(self, raw: Json) -> Reach:
        """How far around a day the data lies that makes up the value of that day."""
        own = _own_reach(raw)
        inputs = [self._reach(item) for item in self._inputs(raw)]
        return Reach(
            before=_sum_of_farthest(own.before, [item.before for item in inputs]),
            after=_sum_of_farthest(own.after, [item.after for item in inputs]),
        )

    def _inputs(self, raw: Json) -> Iterator[Json]:
        return (
            self._raw_metrics[name] for name in self._input_names(raw) if name in self._raw_metrics
        )

    def _times(self, raw: Json) -> Iterator[frozenset[str]]:
        """The names of each measure's time: one by each entity that is a key of its model."""
        for model, measure in self._measures_of(raw):
            time = _time_dimension(model, measure)
            entities = self._models[model["name"]].primary_entities
            if time is not None:
                yield frozenset(f"{entity}__{time['name']}" for entity in entities)

    def _is_ranged_by_filter(self, raw: Json) -> bool:
        """MetricFlow ends a range at midnight, which is before the last hours of it; it moves the range with an offset but not the
        window of a cumulative metric in it; and an offset to the beginning of a week or quarter does not compile with one.
        """
        times = [_time_dimension(model, measure) or {} for model, measure in self._measures_of(raw)]
        grains = {str((item.get("type_params") or {}).get("time_granularity")) for item in times}
        return not _WITHIN_A_DAY.isdisjoint(grains) or self._has_unranged_offset(raw)

    def _has_unranged_offset(self, raw: Json) -> bool:
        return any(
            item.get("offset_to_grain")
            or (item.get("offset_window") and self._accumulates(self._raw_metrics[item["name"]]))
            for item in raw["type_params"].get("metrics") or ()
            if item["name"] in self._raw_metrics
        ) or any(map(self._has_unranged_offset, self._inputs(raw)))

    def _accumulates(self, raw: Json) -> bool:
        return raw["type"] == MetricType.CUMULATIVE or any(
            map(self._accumulates, self._inputs(raw))
        )

    def _needs_time(self, raw: Json) -> bool:
        """Whether the value is one of a period: windows, periods to date and offsets have no total."""
        params = raw["type_params"]
        cumulative = params.get("cumulative_type_params") or {}
        bounded = ("window", "grain_to_date")
        return (
            any(cumulative.get(key) or params.get(key) for key in bounded)
            or any(
                item.get("offset_window") or item.get("offset_to_grain")
                for item in params.get("metrics") or ()
            )
            or any(map(self._needs_time, self._inputs(raw)))
        )


def _is_of_platform(model: Json) -> bool:
    return is_of_platform(str(model["node_relation"]["relation_name"]))


def words_of(expression: str) -> frozenset[str]:
    """Every word of an SQL expression that may be the name of a column, in lower case."""
    return frozenset(word.lower() for word in _IDENTIFIER.findall(expression))


def _period_value(raw: Json) -> str | None:
    if raw["type"] != MetricType.CUMULATIVE:
        return None
    params = raw["type_params"].get("cumulative_type_params") or {}
    return str(params.get("period_agg") or "first")


def _own_reach(raw: Json) -> Reach:
    params = raw["type_params"]
    cumulative = params.get("cumulative_type_params") or {}
    conversion = params.get("conversion_type_params")
    if raw["type"] == MetricType.CUMULATIVE:
        window = cumulative.get("window") or params.get("window")
        to_date = cumulative.get("grain_to_date") or params.get("grain_to_date")
        return Reach(before=_days(window) if window else _grain_days(to_date) if to_date else None)
    if conversion:
        window = conversion.get("window")
        return Reach(after=_days(window) if window else None)
    offsets = [
        _days(item["offset_window"])
        if item.get("offset_window")
        else _grain_days(item["offset_to_grain"])
        for item in params.get("metrics") or ()
        if item.get("offset_window") or item.get("offset_to_grain")
    ]
    return Reach(before=max(offsets, default=timedelta(0)))


def _sum_of_farthest(own: timedelta | None, inputs: list[timedelta | None]) -> timedelta | None:
    """`own` on top of the farthest of `inputs`; None, which is without bound, is the farthest of all."""
    bounded = [item for item in inputs if item is not None]
    if own is None or len(bounded) < len(inputs):
        return None
    return own + max(bounded, default=timedelta(0))


def _grain_days(grain: str) -> timedelta:
    return timedelta(days=_WINDOW_DAYS.get(grain, 366))


def _days(window: Json) -> timedelta:
    return int(window["count"]) * _grain_days(str(window["granularity"]))


def _time_dimension(model: Json, measure: Json) -> Json | None:
    name = measure.get("agg_time_dimension") or (model.get("defaults") or {}).get(
        "agg_time_dimension"
    )
    return next((item for item in model.get("dimensions") or () if item["name"] == name), None)


def _scope(metric: str, raw: object) -> Scope:
    if raw is None:
        return Scope()
    if not isinstance(raw, Mapping) or not set(raw) <= {"days", "dimensions"}:
        raise ManifestError(
            f"Metric '{metric}' declares the scope {raw!r} in config.meta",
            hint="a scope has `days` (a whole number) and `dimensions` (a list of group-by names)",
        )
    days, dimensions = raw.get("days", Scope().days), raw.get("dimensions", [])
    is_whole = isinstance(days, int) and not isinstance(days, bool)
    if not is_whole or not 1 <= days <= 3660 or not isinstance(dimensions, list):
        raise ManifestError(
            f"Metric '{metric}' declares the scope {dict(raw)!r} in config.meta",
            hint="`days` is a whole number from 1 to 3660, `dimensions` a list of group-by names",
        )
    return Scope(days=days, dimensions=tuple(map(str, dimensions)))


def _fresh_within(metric: str, hours: object) -> timedelta | None:
    if hours is None:
        return None
    if isinstance(hours, bool) or not isinstance(hours, int | float) or hours <= 0:
        raise ManifestError(
            f"Metric '{metric}' declares fresh_within_hours {hours!r} in config.meta",
            hint="it is a number of hours above zero",
        )
    return timedelta(hours=hours)


def _meta(raw: Json) -> dict[str, Any]:
    return dict((raw.get("config") or {}).get("meta") or {})


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _without_prose(value: Any) -> Any:
    """`value` without what does not change its meaning: descriptions, labels, configuration and positions in files."""
    if isinstance(value, Mapping):
        return {key: _without_prose(item) for key, item in value.items() if key not in _PROSE}
    if isinstance(value, list):
        return [_without_prose(item) for item in value]
    return value


def _without_floats(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_floats(item) for item in value]
    return repr(value) if isinstance(value, float) else value
