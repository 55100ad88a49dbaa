"""Pages of a list that stands in the order of its names. A page begins after a name, also where nothing has that name any more."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

AT_ONCE = 100


class Named(Protocol):
    @property
    def name(self) -> str: ...


NamedT = TypeVar("NamedT", bound=Named)


def page_of(items: Iterable[NamedT], after: str | None) -> tuple[list[NamedT], str | None]:
    """A page, and the name after which the next one begins; None where this is the last."""
    rest = [item for item in items if after is None or item.name > after]
    page = rest[:AT_ONCE]
    return page, page[-1].name if len(rest) > AT_ONCE else None
