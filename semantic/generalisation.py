"""Masks that tell a coarser value: the start of a text, the band of a number, the period of a time. Groups that share it are one."""

from dataclasses import dataclass

from semantic.metric import Dimension, DimensionKind


@dataclass(frozen=True, kw_only=True)
class FirstCharacters:
    """A text by its first `count` characters."""

    count: int

    def expression(self, sql: str) -> str:
        """The generalised value of an SQL expression."""
        return f"SUBSTRING(CAST(({sql}) AS VARCHAR), 1, {self.count})"

    def __str__(self) -> str:
        return f"the first {self.count} characters"


@dataclass(frozen=True, kw_only=True)
class Band:
    """A number by the lower bound of its band, which is `width` wide and begins with a multiple of it."""

    width: int

    def expression(self, sql: str) -> str:
        """The generalised value of an SQL expression."""
        return f"CAST(FLOOR(({sql}) / {self.width}.0) AS BIGINT) * {self.width}"

    def __str__(self) -> str:
        return f"the lower bounds of bands of {self.width}"


@dataclass(frozen=True, kw_only=True)
class AtGrain:
    """A time by its `grain` or a coarser one: a query that names a finer one is refused."""

    grain: str


Generalisation = FirstCharacters | Band | AtGrain


def fits(generalisation: Generalisation, dimension: Dimension) -> bool:
    """Whether a generalisation can be made of this dimension. An entity has none: it is a key."""
    wanted = (
        DimensionKind.TIME if isinstance(generalisation, AtGrain) else DimensionKind.CATEGORICAL
    )
    return dimension.kind is wanted
