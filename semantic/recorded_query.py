"""A query as it is put on record: in the words of the catalogue as it is, and all else so that it can be erased."""

from collections.abc import Callable, Mapping
from typing import Any

from semantic.catalog import Catalog
from semantic.ledger import Erasable
from semantic.query import MetricQuery

_IsKnown = Callable[[Catalog, str], bool]


def recorded_query(query: MetricQuery, catalog: Catalog) -> dict[str, object]:
    """The canonical query. What can be erased is every name that the catalogue does not have, and the values that are compared with a
    dimension that is personal or unknown.
    """
    return {name: _recorded(name, item, catalog) for name, item in query.canonical().items()}


def _recorded(field: str, value: Any, catalog: Catalog) -> object:
    match value:
        case dict():
            is_erasable = "dimension" in value and not _is_impersonal(catalog, value["dimension"])
            return {
                name: Erasable(item)
                if is_erasable and name == "values"
                else _recorded(name, item, catalog)
                for name, item in value.items()
            }
        case list():
            return [_recorded(field, item, catalog) for item in value]
        case str() if field in _NAMES and not _NAMES[field](catalog, value):
            return Erasable(value)
        case _:
            return value


def _is_impersonal(catalog: Catalog, dimension: str) -> bool:
    return catalog.has_dimension(dimension) and not catalog.is_personal(dimension)


def _is_metric(catalog: Catalog, name: str) -> bool:
    return catalog.find(name) is not None


def _is_order(catalog: Catalog, text: str) -> bool:
    name = text.removeprefix("-")
    return _is_metric(catalog, name) or catalog.has_dimension(name)


# The fields that hold names, and how it is told whether the catalogue has one. The others hold values, numbers and words of our own.
_NAMES: Mapping[str, _IsKnown] = {
    "metrics": _is_metric,
    "metric": _is_metric,
    "group_by": Catalog.has_dimension,
    "by": Catalog.has_dimension,
    "dimension": Catalog.has_dimension,
    "order_by": _is_order,
    "saved_query": lambda catalog, name: name in catalog.saved_queries,
}
