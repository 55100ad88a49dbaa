"""What a metric means down to the sources: its definition, and the columns and rows of dbt models that it is measured by."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from semantic.canonical import canonical_json
from semantic.catalog import Catalog, DbtNode
from semantic.lineage.model_sql import ModelSql
from semantic.lineage.sql_query import CODE, ROWS, Column, NotUnderstoodError, Slice
from semantic.metric import Metric
from semantic.metric_meaning import words_of

_WITH_SQL = ("model", "snapshot")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a metric means: the hash of its own definition, and by model and column what gives them their values."""

    definition: str
    parts: Mapping[Column, str]

    @property
    def hash(self) -> str:
        """Changes with the definition of the metric, and with any code that its figures come from."""
        parts = [[model, column, text] for (model, column), text in sorted(self.parts.items())]
        return hashlib.sha256(canonical_json([self.definition, parts])).hexdigest()[:32]


class Meanings:
    """The meanings of the metrics of one catalogue. Each model is taken apart once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._models: dict[str, ModelSql] = {}
        self._slices: dict[Column, Slice | None] = {}

    def of(self, metric: Metric) -> Meaning:
        """The meaning of a metric. One that filters by another metric means what that one means as well."""
        parts: dict[Column, str] = {}
        waiting = list(self._begin(metric))
        while waiting:
            column = waiting.pop()
            found = self._slice(column) if column not in parts else None
            if found is not None:
                parts[column] = found.text
                waiting.extend(found.inputs)
        return Meaning(definition=metric.definition_hash, parts=parts)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """By metric, the hash of its meaning."""
        return {name: self.of(metric).hash for name, metric in self._catalog.metrics.items()}

    def _begin(self, metric: Metric) -> Iterator[Column]:
        """The columns that its expressions speak of, and the rows of their models."""
        for model, expression in metric.expressions:
            yield model, ROWS
            yield from ((model, word) for word in sorted(words_of(expression)))

    def _slice(self, column: Column) -> Slice | None:
        """What gives a column its values; None for one that the model has not, and for a column of what is no model."""
        if column not in self._slices:
            self._slices[column] = self._sliced(*column)
        return self._slices[column]

    def _sliced(self, unique_id: str, column: str) -> Slice | None:
        node = self._catalog.dbt_nodes.get(unique_id)
        if node is None:
            return None
        if node.resource_type not in _WITH_SQL or node.code is None:
            # Data that comes from elsewhere: where it lies, and of a seed which it is.
            told = " ".join(filter(None, (node.relation, *node.files, node.code)))
            return Slice(text=told) if column in (ROWS, CODE) else None
        if unique_id not in self._models:
            self._models[unique_id] = ModelSql(node.code, self._parents_of(node))
        model = self._models[unique_id]
        if column == CODE:
            above = frozenset((parent, CODE) for parent in node.parents)
            return Slice(text=model.whole.text, inputs=above)
        try:
            return model.rows() if column == ROWS else model.column(column)
        except NotUnderstoodError:
            # All of it and of all above it may be part of the answer.
            return Slice(text="", inputs=frozenset({(unique_id, CODE)}))

    def _parents_of(self, node: DbtNode) -> dict[str, str]:
        """The parents of a node by what its code calls them. A name that two packages have is none."""
        found: dict[str, str] = {}
        twice: set[str] = set()
        for parent in (self._catalog.dbt_nodes[name] for name in node.parents):
            package = parent.unique_id.split(".")[1]
            for name in (parent.label, f"{package}.{parent.label}"):
                if name in found:
                    twice.add(name)
                found[name] = parent.unique_id
        return {name: unique_id for name, unique_id in found.items() if name not in twice}
