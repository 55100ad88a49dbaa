"""What a metric means down to the sources: its definition, and the columns and rows of dbt models that it is measured by."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from semantic.canonical import canonical_json
from semantic.catalog import Catalog
from semantic.lineage.model_sql import ROWS, Column, ModelSql, Slice
from semantic.metric import Metric
from semantic.metric_meaning import words_of


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
        self._models: dict[str, ModelSql | None] = {}
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
        """What gives a column its values; None for one that the model has not, and for what is no model: a source or a seed."""
        if column not in self._slices:
            self._slices[column] = self._sliced(*column)
        return self._slices[column]

    def _sliced(self, unique_id: str, column: str) -> Slice | None:
        if unique_id not in self._models:
            self._models[unique_id] = self._model(unique_id)
        model = self._models[unique_id]
        if model is None:
            return None
        if not model.is_understood:
            above = self._catalog.dbt_nodes[unique_id].parents
            inputs = frozenset((parent, ROWS) for parent in above)
            return Slice(text=model.whole.text, inputs=inputs) if column == ROWS else None
        return model.rows() if column == ROWS else model.column(column)

    def _model(self, unique_id: str) -> ModelSql | None:
        node = self._catalog.dbt_nodes.get(unique_id)
        if node is None or node.code is None or node.resource_type != "model":
            return None
        parents = [self._catalog.dbt_nodes[name] for name in node.parents]
        return ModelSql(node.code, {parent.label: parent.unique_id for parent in parents})
