"""Of which rows a read was, as a condition of OpenLineage.

Never fewer rows than were read: what OpenLineage has no words for is left out of a condition, and the condition says more rows then. Values of personal
dimensions are left out too: they can be erased from the record, and not from elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from openlineage.client.generated.base_subset_dataset import (
    BinarySubsetCondition,
    CompareSubsetCondition,
    FieldBaseCompareExpression,
    InputSubsetInputDatasetFacet,
    LiteralCompareExpression,
)

from semantic.catalog import Catalog
from semantic.ledger import Read
from semantic.ledger.erasable import is_erased
from semantic.metric import METRIC_TIME
from semantic.openlineage.facets import PRODUCER

_Condition = BinarySubsetCondition | CompareSubsetCondition
_COMPARED: Mapping[str, str] = {
    "=": "EQUAL",
    "<": "LESS_THAN",
    "<=": "LESS_EQUAL_THAN",
    ">": "GREATER_THAN",
    ">=": "GREATER_EQUAL_THAN",
}
_MOST_VALUES = 100


def subset_of(reads: Iterable[Read], catalog: Catalog) -> InputSubsetInputDatasetFacet | None:
    """The rows that some reads of a metric were of, all together; None where these may be all rows."""
    conditions = {repr(it): it for it in (_of_read(read, catalog) for read in reads)}
    if not conditions or None in conditions.values():
        return None
    return InputSubsetInputDatasetFacet(
        inputCondition=_joined("OR", [it for it in conditions.values() if it is not None]),
        producer=PRODUCER,
    )


def _of_read(read: Read, catalog: Catalog) -> _Condition | None:
    query = read.query or {}
    restricted = [
        _one_of(element, values)
        for element, values in (read.restricted_to if _is_of_one_metric(query) else ())
        if _may_be_told(element, catalog)
    ]
    found = [
        *_days(read),
        *(_of_filter(item, catalog) for item in query.get("filters") or ()),
        *restricted,
    ]
    return _all_of(found)


def _is_of_one_metric(query: Mapping[str, Any]) -> bool:
    """Of a query of several metrics it is not on record to which of them a restriction of the policy belongs."""
    return len(query.get("metrics") or ()) == 1 and not _has_metric(query.get("filters") or ())


def _has_metric(filters: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        "metric" in item or _has_metric((*item.get("all_of", ()), *item.get("any_of", ())))
        for item in filters
    )


def _days(read: Read) -> list[_Condition]:
    """The days that the data of a read covers, both included."""
    if read.covers_from is None or read.covers_to is None:
        return []
    return [
        _compare(METRIC_TIME, "GREATER_EQUAL_THAN", read.covers_from),
        _compare(METRIC_TIME, "LESS_EQUAL_THAN", read.covers_to),
    ]


def _of_filter(item: Mapping[str, Any], catalog: Catalog) -> _Condition | None:
    if is_erased(item):
        return None
    if "all_of" in item:
        return _all_of([_of_filter(it, catalog) for it in item["all_of"]])
    if "any_of" in item:
        return _any_of([_of_filter(it, catalog) for it in item["any_of"]])
    name = item.get("dimension")
    if name is None or not _may_be_told(name, catalog):
        return None
    return _comparison(name, item["operator"], item.get("values") or ())


def _comparison(name: str, operator: str, values: Sequence[Any]) -> _Condition | None:
    if operator == "in":
        return _one_of(name, values)
    if operator == "between":
        low, high = values
        return _all_of([_comparison(name, ">=", [low]), _comparison(name, "<=", [high])])
    if operator not in _COMPARED:
        return None
    return _compare(name, _COMPARED[operator], _text(values[0]))


def _one_of(name: str, values: Sequence[Any]) -> _Condition | None:
    if not 0 < len(values) <= _MOST_VALUES:
        return None
    return _any_of([_compare(name, "EQUAL", _text(value)) for value in values])


def _compare(name: str, how: str, value: str) -> CompareSubsetCondition:
    return CompareSubsetCondition(
        left=FieldBaseCompareExpression(field=name),
        right=LiteralCompareExpression(value=value),
        comparison=how,
    )


def _all_of(conditions: Sequence[_Condition | None]) -> _Condition | None:
    """What nothing is known of narrows nothing."""
    known = [it for it in conditions if it is not None]
    return _joined("AND", known) if known else None


def _any_of(conditions: Sequence[_Condition | None]) -> _Condition | None:
    """With one of which nothing is known it may be all rows."""
    known = [it for it in conditions if it is not None]
    return _joined("OR", known) if known and len(known) == len(conditions) else None


def _joined(operator: str, conditions: Sequence[_Condition]) -> _Condition:
    pair: Callable[[_Condition, _Condition], _Condition] = lambda left, right: (  # noqa: E731
        BinarySubsetCondition(left=left, right=right, operator=operator)
    )
    return reduce(pair, conditions)


def _may_be_told(name: str, catalog: Catalog) -> bool:
    """Whether values of a dimension, as queries name it, or of an element of the models may leave the record."""
    return catalog.has_dimension(name) and not catalog.is_personal(name)


def _text(value: Any) -> str:
    """As JSON writes it, and text as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
