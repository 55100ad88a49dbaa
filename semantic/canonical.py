"""The one plain form of values, in which they are hashed, compared and recorded: JSON without floats."""

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import partial

_encoder = partial(
    json.JSONEncoder,
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    allow_nan=False,
)
_ENCODER = _encoder()


def canonical_value(value: object) -> str | int | bool | None:
    """A cell as a JSON value that is never a float.

    Floats keep nine significant digits: two runs of the same sum over DOUBLE differ in later ones.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return f"{value:.9g}" if value else "0"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    if isinstance(value, datetime):
        return value.isoformat().removesuffix("T00:00:00")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def exact_value(value: object) -> str | int | bool | None:
    """A filter value as a JSON value that is never a float and keeps every digit, so that it can be asked again."""
    return repr(value) if isinstance(value, float) else canonical_value(value)


def canonical_json(
    value: object, *, in_place_of: Callable[[object], object] | None = None
) -> bytes:
    """The one JSON encoding that is hashed and recorded: sorted keys, no spaces, UTF-8, no floats.

    `in_place_of` gives what is written in place of a value that JSON does not have.
    """
    encoder = _encoder(default=in_place_of) if in_place_of else _ENCODER
    return encoder.encode(value).encode()
