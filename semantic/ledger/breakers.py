"""Breakers: what failed so often in a row that it is left alone for a while, by all processes.

A breaker is closed while its source answers. After `failures` in a row it is open, and nothing gets through for `seconds`. Then one
call is let through: it closes the breaker, or opens it again.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from semantic.errors import SourceUnavailable
from semantic.ledger.moment import later
from semantic.ledger.schema import breakers

Breaker = sa.Row[Any]

_OPEN = (
    sa.select(breakers)
    .where(
        breakers.c.name.in_(sa.bindparam("names", expanding=True)), breakers.c.opened_at.isnot(None)
    )
    .order_by(breakers.c.name)
)


@dataclass(frozen=True, kw_only=True)
class BreakerSettings:
    """After how many failures in a row a breaker opens, and for how many seconds."""

    failures: int = 5
    seconds: float = 60


def open_breakers(connection: sa.Connection, names: Collection[str]) -> Sequence[Breaker]:
    """The open ones of these breakers."""
    if not names:
        return []
    return connection.execute(_OPEN, {"names": list(names)}).all()


def try_again(
    connection: sa.Connection, opened: Sequence[Breaker], settings: BreakerSettings, *, at: str
) -> None:
    """Lets a call through to open breakers where it is the one that tries them. Raises `SourceUnavailable`."""
    for row in opened:
        if not _may_try(connection, row.name, settings, at):
            raise SourceUnavailable(
                f"{row.name} failed {row.failures:,} times in a row, and is left alone until {_free(row, settings)} UTC",
                hint="ask later; the operator finds the failures with `governed-agents reads --refused`",
            )


def succeeded(connection: sa.Connection, names: Iterable[str]) -> None:
    """Closes the breakers of sources that answered."""
    connection.execute(sa.delete(breakers).where(breakers.c.name.in_(sorted(names))))


def failed(
    connection: sa.Connection, names: Iterable[str], settings: BreakerSettings, *, at: str
) -> None:
    """Counts a failure of these sources, and opens the breakers of those that failed too often."""
    for name in sorted(names):
        connection.execute(_COUNT, {"name": name})
        connection.execute(
            sa.update(breakers)
            .where(breakers.c.name == name, breakers.c.failures >= settings.failures)
            .values(opened_at=at, tried_at=None)
        )


def _may_try(connection: sa.Connection, name: str, settings: BreakerSettings, at: str) -> bool:
    """Whether this call is the one that tries an open breaker. Who tries and never tells is followed by another one."""
    before = later(at, -settings.seconds)
    taken = connection.execute(
        sa.update(breakers)
        .where(
            breakers.c.name == name,
            breakers.c.opened_at <= before,
            sa.or_(breakers.c.tried_at.is_(None), breakers.c.tried_at <= before),
        )
        .values(tried_at=at)
    )
    return taken.rowcount == 1


def _free(row: Breaker, settings: BreakerSettings) -> str:
    return later(str(row.tried_at or row.opened_at), settings.seconds)[11:19]


_COUNT = sa.text(
    "INSERT INTO breakers (name, failures) VALUES (:name, 1) "
    "ON CONFLICT (name) DO UPDATE SET failures = breakers.failures + 1"
)
