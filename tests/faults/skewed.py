"""A store whose clock is wrong."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from semantic.ledger.postgres_store import PostgresStore
from semantic.ledger.sqlite_store import SqliteStore
from semantic.ledger.store import Store


class SkewedStore:
    """The `Store` at a place, with a clock that is wrong by `skew`, which may be set at any time."""

    def __init__(self, place: Path | str, skew: timedelta = timedelta()) -> None:
        self._store: Store = PostgresStore(place) if isinstance(place, str) else SqliteStore(place)
        self.skew = skew

    @property
    def name(self) -> str:
        return self._store.name

    @property
    def path(self) -> Path | None:
        return self._store.path

    def writing(self, *, alone: bool = False) -> AbstractContextManager[sa.Connection]:
        return self._store.writing(alone=alone)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        return self._store.reading()

    def claim(self, connection: sa.Connection, names: Collection[str]) -> None:
        self._store.claim(connection, names)

    def now(self, connection: sa.Connection) -> str:
        told = datetime.fromisoformat(self._store.now(connection)) + self.skew
        return f"{told.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"

    def numbers(self, connection: sa.Connection, count: int) -> Sequence[int]:
        return self._store.numbers(connection, count)

    def highest_number(self, connection: sa.Connection) -> int:
        return self._store.highest_number(connection)

    def damage(self) -> Sequence[str]:
        return self._store.damage()

    def elsewhere(self) -> Callable[[], sa.Engine] | None:
        return self._store.elsewhere()

    def leave_no_copies(self, connection: sa.Connection) -> None:
        self._store.leave_no_copies(connection)

    def write_anew(self) -> None:
        self._store.write_anew()

    def is_to_be_shredded(self) -> bool:
        return self._store.is_to_be_shredded()

    def shred(self) -> None:
        self._store.shred()

    def close(self) -> None:
        self._store.close()
