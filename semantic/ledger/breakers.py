"""Breakers: what failed so often in a row that it is left alone for a while, by all processes.

A breaker is closed while its source answers. After `failures` in a row it is open, and nothing gets through for `seconds`. Then one
call is let through: it closes the breaker, or opens it again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from semantic.errors import SourceUnavailable
from semantic.ledger.moment import later
from semantic.ledger.schema import breakers
from semantic.ledger.store import Store

_CLAIM = "breakers"

Breaker = sa.Row[Any]

_ALL = sa.select(breakers).order_by(breakers.c.name)
_COUNT = sa.text(
    "INSERT INTO breakers (name, failures) VALUES (:name, 1) "
    "ON CONFLICT (name) DO UPDATE SET failures = breakers.failures + 1"
)


@dataclass(frozen=True, kw_only=True)
class BreakerSettings:
    """After how many failures in a row a breaker opens, and for how many seconds."""

    failures: int = 5
    seconds: float = 60


class Breakers:
    """The breakers as they are in one transaction, whose time is `at`. They are looked up once for all records in it: only what fails
    has one.

    Who changes them claims all of them, and nothing after them: the records of two transactions may name them in any order.
    """

    def __init__(self, store: Store, connection: sa.Connection, at: str) -> None:
        self._store = store
        self._connection = connection
        self._at = at
        self._known: Mapping[str, Breaker] | None = None

    def opened(self, names: Collection[str]) -> list[Breaker]:
        """The open ones of these."""
        return [row for name in sorted(names) if (row := self._found.get(name)) and row.opened_at]

    def try_again(self, opened: Collection[Breaker], settings: BreakerSettings) -> None:
        """Lets a call through to open ones where it is the one that tries them. Raises `SourceUnavailable`."""
        self._refuse_left_alone(opened, settings)
        for row in opened:
            if not self._may_try(row.name, settings):
                raise _left_alone(row, settings)

    def succeeded(self, names: Collection[str]) -> None:
        """Closes those of sources that answered."""
        failing = sorted(self._found.keys() & set(names))
        if failing:
            self._claim()
            self._connection.execute(sa.delete(breakers).where(breakers.c.name.in_(failing)))
            self._known = None

    def failed(self, names: Collection[str], settings: BreakerSettings) -> None:
        """Counts a failure of these sources, and opens the breakers of those that failed too often."""
        self._claim()
        for name in sorted(names):
            self._connection.execute(_COUNT, {"name": name})
            self._connection.execute(
                sa.update(breakers)
                .where(breakers.c.name == name, breakers.c.failures >= settings.failures)
                .values(opened_at=self._at, tried_at=None)
            )
        self._known = None

    @property
    def _found(self) -> Mapping[str, Breaker]:
        if self._known is None:
            self._known = {row.name: row for row in self._connection.execute(_ALL)}
        return self._known

    def _may_try(self, name: str, settings: BreakerSettings) -> bool:
        """Whether this call is the one that tries an open breaker. Who tries and never tells is followed by another one."""
        self._claim()
        before, ahead = self._left_alone_between(settings)
        touched_at = sa.func.coalesce(breakers.c.tried_at, breakers.c.opened_at)
        taken = self._connection.execute(
            sa.update(breakers)
            .where(breakers.c.name == name, sa.or_(touched_at <= before, touched_at > ahead))
            .values(tried_at=self._at)
        )
        self._known = None
        return taken.rowcount == 1

    def _claim(self) -> None:
        """Asked for before each change: what was claimed after a savepoint is lost where that is rolled back."""
        self._store.claim(self._connection, [_CLAIM])

    def _refuse_left_alone(self, opened: Iterable[Breaker], settings: BreakerSettings) -> None:
        before, ahead = self._left_alone_between(settings)
        for row in opened:
            if before < _touched_at(row) <= ahead:
                raise _left_alone(row, settings)

    def _left_alone_between(self, settings: BreakerSettings) -> tuple[str, str]:
        """What was opened or tried after the first moment is left alone, unless after the second one: a clock was ahead."""
        return later(self._at, -settings.seconds), later(self._at, settings.seconds)


def _touched_at(row: Breaker) -> str:
    """When it was opened, or tried since."""
    return str(row.tried_at or row.opened_at)


def _free(row: Breaker, settings: BreakerSettings) -> str:
    """When it may be tried again."""
    return later(_touched_at(row), settings.seconds)


def _left_alone(row: Breaker, settings: BreakerSettings) -> SourceUnavailable:
    return SourceUnavailable(
        f"{row.name} failed {row.failures:,} times in a row, and is left alone until {_free(row, settings)[11:19]} UTC",
        hint="ask later; the operator finds the failures with `governed-agents reads --refused`",
    )
