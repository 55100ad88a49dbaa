"""What the ledger needs of a database."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from semantic.errors import LedgerUnavailable

LOCK_TIMEOUT_SECONDS = 30.0


class Store(Protocol):
    """A database with the tables of `schema`. Every method raises `LedgerUnavailable` where it cannot be used.

    `path` is the file of the database, None where it is no file, and `name` says where it is, without a password.
    """

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path | None: ...

    def writing(self, *, alone: bool = False) -> AbstractContextManager[sa.Connection]:
        """A transaction, durable when the block has ended. With `alone`, nobody else writes beside it."""
        ...

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection for questions, which all see the same state."""
        ...

    def claim(self, connection: sa.Connection, names: Collection[str]) -> None:
        """Until this transaction ends, no other one gets past its own claim to one of these names."""
        ...

    def holding(self, name: str) -> AbstractContextManager[bool]:
        """Whether nobody else, in any process, holds this name while the block runs. Waits for nobody."""
        ...

    def now(self, connection: sa.Connection) -> str:
        """The time of the database, in UTC to the millisecond."""
        ...

    def damage(self) -> Sequence[str]:
        """What the database finds wrong with its own tables and indexes, as far as it can look; nothing where they agree."""
        ...

    def numbers(self, connection: sa.Connection, count: int) -> Sequence[int]:
        """The numbers of the next records, ascending. Given once, also where the transaction fails."""
        ...

    def highest_number(self, connection: sa.Connection) -> int:
        """The highest number that any record was ever given, 0 where the database does not tell."""
        ...

    def elsewhere(self) -> Callable[[], sa.Engine] | None:
        """How another process connects to the same database for questions, None where none can. It can be pickled."""
        ...

    def leave_no_copies(self, connection: sa.Connection) -> None:
        """Removes what is left of erasable values where they stood before the database moved them, as far as it can."""
        ...

    def is_to_be_shredded(self) -> bool:
        """Whether something that was erased may still be in its files, where `shred` has not come to its end since."""
        ...

    def shred(self) -> None:
        """Removes from its files what was deleted, as far as the database can. Raises `LedgerUnavailable` where it cannot now."""
        ...

    def write_anew(self) -> None:
        """Writes the whole database anew, with nothing in it of what was deleted, as far as the database can. Raises `LedgerUnavailable`."""
        ...

    def close(self) -> None:
        """Closes the database here. Other processes may still have it open."""
        ...


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Tells what a database or a file system says as `LedgerUnavailable`."""
    try:
        yield
    # Of a damaged file SQLite may tell in bytes that are no text.
    except (SQLAlchemyError, OSError, UnicodeDecodeError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise LedgerUnavailable(
            f"The ledger {name} cannot be used: {reason}",
            hint="no data is released without a record; mend the database or its folder, then run again",
        ) from error
