"""Where a page ended, as a text that the next page is asked for with."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from semantic.canonical import canonical_json
from semantic.errors import QuestionError


def page_token(order: str, place: list[Any]) -> str:
    """A token for what comes after this place in this order."""
    return urlsafe_b64encode(canonical_json([order, place])).rstrip(b"=").decode()


def place_in(token: str, order: str) -> list[Any]:
    """The place that a token stands for. Raises `QuestionError` for one of another order, and for what is no token."""
    try:
        said, place = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError):
        said, place = None, None
    if not isinstance(said, str) or not _is_place(place):
        raise QuestionError(
            f"{token!r} is not the end of a page", hint="a page says itself what the next is after"
        )
    if said != order:
        raise QuestionError(
            f"That page was sorted by {said}, and this one is by {order}", hint=f"sort by {said}"
        )
    return list(place)


def _is_place(place: object) -> bool:
    return isinstance(place, list) and all(
        item is None or isinstance(item, str | int) for item in place
    )
