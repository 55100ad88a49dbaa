"""A query as it is put on record: the values that it compares personal dimensions with can be erased."""

from collections.abc import Callable
from typing import Any

from semantic.catalog import Catalog
from semantic.ledger import Erasable
from semantic.query import MetricQuery


def recorded_query(query: MetricQuery, catalog: Catalog) -> dict[str, object]:
    """The canonical query, with erasable values wherever they are compared with a dimension that is personal or unknown."""
    canonical = query.canonical()
    if not query.filters:
        return canonical
    is_personal = _personal_in(catalog)

    def recorded(condition: Any) -> Any:
        match condition:
            case {"dimension": str() as name, "values": values} if is_personal(name):
                return {**condition, "values": Erasable(values)}
            case dict():
                return {name: recorded(item) for name, item in condition.items()}
            case list():
                return [recorded(item) for item in condition]
            case _:
                return condition

    return canonical | {"filters": recorded(canonical["filters"])}


def _personal_in(catalog: Catalog) -> Callable[[str], bool]:
    elements = {
        name: element
        for model in catalog.semantic_models.values()
        for name, element in model.elements.items()
    }
    personal = {
        name
        for model in catalog.semantic_models.values()
        for name, element in model.elements.items()
        if element.pii
    }

    def is_personal(name: str) -> bool:
        parts = name.split("__")
        return bool(personal & set(parts)) or not any(
            part in elements or part == "metric_time" for part in parts
        )

    return is_personal
