"""What a snapshot takes over from the one before it, where only what the platform tells is new."""

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import TypeVar

from semantic.catalog import Catalog
from semantic.platform.definitions import is_of_platform
from semantic.snapshot_record import MetricState, SnapshotRecord, State

_UNPUBLISHED = "its data has not been published yet"
Value = TypeVar("Value")


def carried_over(
    record: SnapshotRecord, before: SnapshotRecord | None, catalog: Catalog
) -> SnapshotRecord:
    """The record of a snapshot of the platform with all else as it was `before`: values, versions, states, and when each was published.

    A metric whose data was never published is unknown. One that is defined otherwise by now has its old definition here, so that the door refuses it.
    """
    ours = catalog.platform_metrics
    models = {
        name for name, model in catalog.semantic_models.items() if is_of_platform(model.relation)
    }
    if before is None:
        unknown = {
            name: _unknown(metric.definition_hash, record)
            for name, metric in catalog.metrics.items()
            if name not in ours
        }
        return replace(record, metrics={**record.metrics, **unknown}, is_of_platform=True)
    carried = {
        name: replace(state, published_at=state.published_at or before.published_at)
        for name, state in before.metrics.items()
        if name not in ours
    }
    as_read = {
        key: {**_without(ours, before.as_read.get(key, {})), **record.as_read.get(key, {})}
        for key in {**before.as_read, **record.as_read}
    }
    relations = {name: rows for name, rows in before.relations.items() if not is_of_platform(name)}
    return replace(
        record,
        models=before.models,
        relations={**relations, **record.relations},
        metrics={**carried, **record.metrics},
        as_read={key: versions for key, versions in as_read.items() if versions},
        elements={**_without(models, before.elements), **_only(models, record.elements)},
        types={**_without(models, before.types), **_only(models, record.types)},
        meanings={**_without(ours, before.meanings), **_only(ours, record.meanings)},
        is_of_platform=True,
    )


def _unknown(definition_hash: str, record: SnapshotRecord) -> MetricState:
    return MetricState(
        definition_hash=definition_hash,
        state=State.UNKNOWN,
        reason=_UNPUBLISHED,
        closed_since=record.published_at.isoformat(),
    )


def _without(names: Set[str], found: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in found.items() if name not in names}


def _only(names: Set[str], found: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in found.items() if name in names}
