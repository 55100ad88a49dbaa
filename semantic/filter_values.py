"""The values that a filter compares with, as values of the type that its dimension has in the data."""

from datetime import UTC, date, datetime, time
from typing import Any

from semantic.filters import TEXT_ONLY, Filter
from semantic.metric import Dimension, NamedDimension
from semantic.snapshot_record import SnapshotRecord
from semantic.time_range import period_start
from semantic.value_types import ValueType, as_time, as_type, value_type

# By grain, what is zero at the beginning of a period of it.
_WITHIN_A_DAY: dict[str | None, dict[str, Any]] = {
    "hour": {"minute": 0, "second": 0, "microsecond": 0},
    "minute": {"second": 0, "microsecond": 0},
    "second": {"microsecond": 0},
}


def period_values(item: Filter, named: NamedDimension) -> tuple[object, ...]:
    """The values of a filter on a time, or on a part of one. Raises `ValueError`, which says what is wrong."""
    if named.date_part:
        return tuple(_whole_number(value, named.date_part) for value in item.values)
    return tuple(_period(as_time(value), named) for value in item.values)


def typed_values(item: Filter, wanted: ValueType | None) -> tuple[object, ...]:
    """The values of a filter as values of this type. Raises `ValueError`, which says what is wrong."""
    if item.operator in TEXT_ONLY and wanted not in (ValueType.TEXT, None):
        raise ValueError(f"is a {wanted}, and '{item.operator}' needs a text")
    return tuple(value if wanted is None else as_type(value, wanted) for value in item.values)


def type_of(dimension: Dimension, record: SnapshotRecord) -> ValueType | None:
    """The type of a dimension's values in the published data, or None where that is not known or not the same in all models."""
    found = {
        value_type(record.types.get(model, {}).get(dimension.element, ""))
        for model in dimension.models
    }
    return found.pop() if len(found) == 1 else None


def _period(value: date | datetime, named: NamedDimension) -> date | datetime:
    """A moment as the period that begins with it. Raises `ValueError` where none does: a comparison with it would mislead."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            value = value.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            raise ValueError(f"{value} is no time of the years 1 to 9999 in UTC") from None
    if named.grain in _WITHIN_A_DAY:
        moment = value if isinstance(value, datetime) else datetime.combine(value, time.min)
        start_of = moment.replace(**_WITHIN_A_DAY[named.grain])
        if start_of != moment:
            raise ValueError(f"no {named.grain} begins with {value}; write {start_of.isoformat()}")
        return moment
    day = value.date() if isinstance(value, datetime) else value
    is_midnight = not isinstance(value, datetime) or value == datetime.combine(
        day, datetime.min.time()
    )
    start = period_start(day, named.grain or "day")
    if start != day or not is_midnight:
        raise ValueError(f"no {named.grain} begins with {value}; write {start}")
    return day


def _whole_number(value: object, part: str) -> object:
    number = as_type(value, ValueType.NUMBER)
    if not isinstance(number, int):
        raise ValueError(f"a {part} is a whole number, and {value!r} is none")
    return number
