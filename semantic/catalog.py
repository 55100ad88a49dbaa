"""The governed metrics of a project by exact name, and the models and relations beneath them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from semantic.metric import (
    DATE_PARTS,
    EXTRACT,
    GRAINS,
    METRIC_TIME,
    WITHIN_A_SECOND,
    Metric,
    NamedDimension,
    SemanticModel,
)
from semantic.platform.definitions import is_of_platform
from semantic.saved_query import SavedQuery

_TIMES = frozenset({*GRAINS, *WITHIN_A_SECOND, *(f"{EXTRACT}{part}" for part in DATE_PARTS)})


@dataclass(frozen=True, kw_only=True)
class DbtNode:
    """A dbt model, seed, snapshot or source: what builds a relation.

    `parents` are the unique ids of the nodes that it is built from, `files` those that a source is loaded from, as its YAML says.
    `code` is the SQL or Python of a model as its author wrote it.
    """

    unique_id: str
    name: str
    resource_type: str
    relation: str | None
    parents: tuple[str, ...]
    files: tuple[str, ...] = ()
    code: str | None = None

    @property
    def label(self) -> str:
        """How people call it: a source with that which it is of."""
        return ".".join(self.unique_id.split(".")[2:]) or self.name


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """What a dbt project says about its metrics. Built by `semantic.dbt_manifest.load_catalog`.

    `metrics` holds public metrics only; `private_metrics` are the helpers that nobody may ask for. `manifest_hash` is
    the SHA-256 of `semantic_manifest.json`. `database` is the DuckDB catalogue that all relations of dbt live in. `custom_grains` are
    those that the time spines declare.
    """

    project: str
    database: str
    manifest_hash: str
    semantic_manifest: str
    manifest_subset: str
    metrics: Mapping[str, Metric]
    private_metrics: Mapping[str, Metric]
    saved_queries: Mapping[str, SavedQuery]
    semantic_models: Mapping[str, SemanticModel]
    time_spines: tuple[str, ...]
    custom_grains: frozenset[str]
    dbt_nodes: Mapping[str, DbtNode]

    def find(self, name: str) -> Metric | None:
        """A metric by name, also a private one."""
        return self.metrics.get(name) or self.private_metrics.get(name)

    def has_dimension(self, name: str) -> bool:
        """Whether a name is made of nothing but entities, dimensions and grains of this catalogue. Asks no engine, so that it may be one
        that no metric can be grouped by.
        """
        first, *rest = name.split("__")
        return first in self._elements and all(
            part in self._elements or part in _TIMES or part in self.custom_grains for part in rest
        )

    def is_personal(self, name: str) -> bool:
        """Whether a dimension, or an entity on the way to it, is personal."""
        return not self._personal.isdisjoint(name.split("__"))

    def relations(self) -> tuple[str, ...]:
        """The relations that governed reads may scan: those of the semantic models, and the time spines."""
        found = {model.relation for model in self.semantic_models.values()}
        return tuple(sorted(found | set(self.time_spines)))

    @cached_property
    def platform_metrics(self) -> frozenset[str]:
        """The metrics that the platform tells of itself, and dbt builds nothing of."""
        return frozenset(
            name
            for name, metric in self.metrics.items()
            if any(
                is_of_platform(self.semantic_models[it].relation) for it in metric.semantic_models
            )
        )

    @property
    def platform_relations(self) -> tuple[str, ...]:
        """The relations that these are made of."""
        return tuple(filter(is_of_platform, self.relations()))

    def relations_of(
        self, metrics: Iterable[str], dimensions: Iterable[NamedDimension]
    ) -> tuple[str, ...]:
        """The relations that a query of these metrics by these dimensions may scan: those of the metrics' own rows, those that a
        dimension's entities lead to, and the time spines.
        """
        asked = [metric for name in metrics if (metric := self.find(name))]
        filtered_by = {name for metric in asked for name in metric.filtered_by}
        asked += [metric for name in filtered_by if (metric := self.find(name))]
        found = {name for metric in asked for name in metric.semantic_models}
        for name in {*filtered_by, *(named.dimension.name for named in dimensions)}:
            path = name.split("__")
            found |= {
                model.name
                for model in self.semantic_models.values()
                if any(name in model.elements and model.elements[name].is_key for name in path)
            }
        relations = {self.semantic_models[name].relation for name in found}
        return tuple(sorted(relations | set(self.time_spines)))

    @cached_property
    def _elements(self) -> frozenset[str]:
        """Every name that dimensions and entities have."""
        models = self.semantic_models.values()
        return frozenset({METRIC_TIME}).union(
            *(model.elements for model in models), *(model.primary_entities for model in models)
        )

    @cached_property
    def _personal(self) -> frozenset[str]:
        return frozenset(
            name
            for model in self.semantic_models.values()
            for name, element in model.elements.items()
            if element.pii
        )

    @cached_property
    def element_hashes(self) -> dict[str, dict[str, str]]:
        """By semantic model and element, what gives the element its meaning. The relation of a model stands under "" in it."""
        return {
            name: {
                "": _digest(model.relation),
                **{
                    element.name: _digest(f"{element.kind} {element.is_key} {element.expression}")
                    for element in model.elements.values()
                },
            }
            for name, model in self.semantic_models.items()
        }

    def models_on(self, relation: str) -> tuple[SemanticModel, ...]:
        """The semantic models that read a relation, in the order of their names."""
        return tuple(
            model for _, model in sorted(self.semantic_models.items()) if model.relation == relation
        )

    def dbt_models_of(self, relations: Iterable[str]) -> tuple[str, ...]:
        """The unique ids of the dbt nodes that build these relations, sorted."""
        wanted = set(relations)
        return tuple(
            sorted(node.unique_id for node in self.dbt_nodes.values() if node.relation in wanted)
        )

    def upstream(self, unique_ids: Iterable[str]) -> frozenset[str]:
        """These dbt nodes and everything they are built from, by unique id."""
        found: set[str] = set()
        waiting = [unique_id for unique_id in unique_ids if unique_id in self.dbt_nodes]
        while waiting:
            unique_id = waiting.pop()
            if unique_id not in found:
                found.add(unique_id)
                parents = self.dbt_nodes[unique_id].parents
                waiting.extend(parent for parent in parents if parent in self.dbt_nodes)
        return frozenset(found)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
