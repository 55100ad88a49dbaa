"""Types of values, in the few families in which a reader thinks. DuckDB would cast between them without a word: '2.5' to 3, and
'02' to 2.
"""

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

# As many as the widest whole number of DuckDB has.
_MOST_DIGITS = 38
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


class ValueType(StrEnum):
    """The family of a column's values."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "truth value"
    DATE = "date"


def value_type(duckdb_type: str) -> ValueType | None:
    """The family of a DuckDB type, or None where it is in none of them."""
    name = duckdb_type.upper().partition("(")[0].strip()
    if name.removeprefix("U") in _NUMBERS:
        return ValueType.NUMBER
    if name in ("VARCHAR", "ENUM"):
        return ValueType.TEXT
    if name == "BOOLEAN":
        return ValueType.BOOLEAN
    return ValueType.DATE if name == "DATE" or name.startswith("TIMESTAMP") else None


def is_of_type(value: object, wanted: ValueType) -> bool:
    """Whether a value is of a family as it stands."""
    match wanted:
        case ValueType.NUMBER:
            return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        case ValueType.TEXT:
            return isinstance(value, str)
        case ValueType.BOOLEAN:
            return isinstance(value, bool)
        case ValueType.DATE:
            return isinstance(value, date)


def can_be_compared(value: object, wanted: ValueType) -> bool:
    """Whether DuckDB compares the value as it stands: one of this family, or a day that is written out."""
    if wanted is ValueType.DATE and isinstance(value, str):
        try:
            as_time(value)
        except ValueError:
            return False
        return True
    return is_of_type(value, wanted)


def as_type(value: object, wanted: ValueType) -> object:
    """A value of this family. A text that writes one out is taken for it; a text is never made of anything else.

    Raises `ValueError` that says what was asked and what is allowed.
    """
    if is_of_type(value, wanted):
        return value
    if isinstance(value, str):
        match wanted:
            case ValueType.NUMBER:
                return _number(value)
            case ValueType.BOOLEAN if value.lower() in ("true", "false"):
                return value.lower() == "true"
            case ValueType.DATE:
                return as_time(value)
    hint = f"; write '{value}'" if wanted is ValueType.TEXT else ""
    raise ValueError(f"{value!r} is no {wanted}{hint}")


def as_time(value: object) -> date | datetime:
    """A value that is compared with a time. Raises `ValueError` with what is allowed."""
    if isinstance(value, datetime | date):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"{value!r} is not a date; write it as 2013-02-08")


def _number(text: str) -> object:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or "_" in text:
        raise ValueError(f"{text!r} is no number")
    if number.adjusted() >= _MOST_DIGITS:
        raise ValueError(f"{text!r} has more than {_MOST_DIGITS} digits")
    return int(number) if number == number.to_integral_value() else number
