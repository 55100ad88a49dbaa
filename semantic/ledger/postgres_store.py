"""The ledger in a Postgres database: writers of all processes beside each other, the record in a schema of its own.

Who appends holds a lock that others share; who seals or publishes holds it alone, and so sees every number that was given. Names that
two transactions must not both add are claimed first. Both locks end with the transaction, also where its process dies.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from semantic.errors import LedgerUnavailable
from semantic.ledger.driver import fetched
from semantic.ledger.postgres_schema import SCHEMA, bring_up_to_date, grant
from semantic.ledger.store import LOCK_TIMEOUT_SECONDS, translated

DRIVER = "postgresql+psycopg"
_CONNECT_SECONDS = 10
_NOW = """SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
_NUMBERS = "SELECT nextval('record_numbers') FROM generate_series(1, %s)"
_TOGETHER = sa.text("SELECT pg_advisory_xact_lock_shared(:key)")
_ALONE = sa.text("SELECT pg_advisory_xact_lock(:key)")
# In one order, so that two transactions cannot wait for each other.
_TRY_TO_HOLD = sa.text("SELECT pg_try_advisory_lock(:key)")
_LET_GO = sa.text("SELECT pg_advisory_unlock(:key)")
_CLAIM = sa.text(
    "SELECT pg_advisory_xact_lock(key) FROM (SELECT unnest(CAST(:keys AS bigint[])) AS key ORDER BY 1) AS claimed"
)
_MUST_BE_ON = ("fsync", "full_page_writes")


class PostgresStore:
    """One schema of one Postgres database. Every method raises `LedgerUnavailable` where it cannot be used."""

    path: Path | None = None

    def __init__(self, url: str, *, schema: str = SCHEMA) -> None:
        self._url = _parsed(url)
        self._schema = schema
        self._engine = self._connected()
        try:
            with translated(self.name):
                self._refuse_what_loses_commits()
            with self.writing(alone=True) as connection:
                bring_up_to_date(connection, self.name)
        except LedgerUnavailable:
            self.close()
            raise

    @property
    def name(self) -> str:
        """Where it is, without the password."""
        return f"{self._url.render_as_string(hide_password=True)} ({self._schema})"

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        """A transaction, durable when the block has ended. With `alone`, nobody else writes beside it."""
        with translated(self.name), self._engine.begin() as connection:
            connection.execute(_ALONE if alone else _TOGETHER, {"key": self._key("")})
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for questions, which all see the same state."""
        with translated(self.name), self._engine.connect() as plain:
            yield plain.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    def claim(self, connection: sa.Connection, names: Collection[str]) -> None:
        """Until this transaction ends, no other one gets past its own claim to one of these names."""
        if names:
            connection.execute(_CLAIM, {"keys": [self._key(name) for name in names]})

    @contextmanager
    def holding(self, name: str) -> Iterator[bool]:
        """Whether nobody else, in any process, holds this name while the block runs. Waits for nobody. The lock ends with its connection."""
        key = {"key": self._key(f"holding {name}")}
        with translated(self.name):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with translated(self.name):
                is_held = bool(connection.execute(_TRY_TO_HOLD, key).scalar_one())
            yield is_held
            if is_held:
                with translated(self.name):
                    connection.execute(_LET_GO, key)
        except BaseException:
            # It is not handed to anybody else with the lock still on it.
            connection.invalidate()
            raise
        finally:
            connection.close()

    def now(self, connection: sa.Connection) -> str:
        """The time of the database, in UTC to the millisecond."""
        [(now,)] = fetched(connection, _NOW)
        return str(now)

    def damage(self) -> Sequence[str]:
        """Nothing: `amcheck` looks at the indexes of Postgres, and is for a superuser to run."""
        return ()

    def numbers(self, connection: sa.Connection, count: int) -> Sequence[int]:
        """The numbers of the next records. There are gaps where transactions failed."""
        return [number for (number,) in fetched(connection, _NUMBERS, (count,))]

    def highest_number(self, connection: sa.Connection) -> int:  # noqa: ARG002
        """0: numbers are also given to what was never committed."""
        return 0

    def elsewhere(self) -> Callable[[], sa.Engine] | None:
        """How another process connects to the same schema."""
        return partial(
            _engine_for_questions, self._url.render_as_string(hide_password=False), self._schema
        )

    def leave_no_copies(self, connection: sa.Connection) -> None:
        """Nothing: Postgres removes deleted rows when it vacuums."""

    def write_anew(self) -> None:
        """Nothing: Postgres removes deleted rows when it vacuums."""

    def is_to_be_shredded(self) -> bool:
        """No: Postgres removes deleted rows when it vacuums."""
        return False

    def shred(self) -> None:
        """Nothing: Postgres removes deleted rows when it vacuums."""

    def let(self, role: str) -> None:
        """Gives a role what the application needs: to add to the record, not to change it. Needs the rights of the owner."""
        with self.writing(alone=True) as connection:
            grant(connection, role)

    def close(self) -> None:
        """Closes the connections of this process."""
        self._engine.dispose()

    def _connected(self) -> sa.Engine:
        try:
            engine = sa.create_engine(
                self._url,
                pool_pre_ping=True,
                connect_args={"connect_timeout": _CONNECT_SECONDS},
            )
        except ModuleNotFoundError as error:
            raise LedgerUnavailable(
                f"A ledger on Postgres needs {error.name}",
                hint="install dagster-governed-agents[postgres]",
            ) from error
        sa.event.listen(engine, "connect", self._prepare)
        return engine

    def _prepare(self, connection: Any, _: object) -> None:
        """Sets what every transaction rests on, whatever the role or the database have set."""
        waiting = int(LOCK_TIMEOUT_SECONDS * 1000)
        settings = {
            "search_path": self._schema,
            "synchronous_commit": "on",
            "lock_timeout": str(waiting),
            "idle_in_transaction_session_timeout": str(2 * waiting),
        }
        with connection.cursor() as cursor:
            for setting, value in settings.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (setting, value))
        connection.commit()

    def _refuse_what_loses_commits(self) -> None:
        with self._engine.connect() as connection:
            for setting in _MUST_BE_ON:
                if connection.exec_driver_sql(f"SHOW {setting}").scalar_one() != "on":
                    raise LedgerUnavailable(
                        f"The database of the ledger {self.name} has {setting} off, and would lose what it said is kept",
                        hint=f"set {setting} = on in its postgresql.conf",
                    )

    def _key(self, name: str) -> int:
        """The number under which Postgres knows a lock of this ledger."""
        digest = hashlib.sha256(f"governed-agents {self._schema} {name}".encode()).digest()
        return int.from_bytes(digest[:8], signed=True)


def _engine_for_questions(url: str, schema: str) -> sa.Engine:
    options = f"-c search_path={schema} -c default_transaction_read_only=on"
    return sa.create_engine(
        url, connect_args={"connect_timeout": _CONNECT_SECONDS, "options": options}
    )


def _parsed(url: str) -> sa.URL:
    try:
        found = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise _no_place("this") from error
    if found.get_backend_name() not in ("postgresql", "postgres"):
        raise _no_place(repr(found.drivername))
    return found.set(drivername=DRIVER)


def _no_place(what: str) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"A ledger is a file or a Postgres database, and {what} is neither",
        hint="name it like postgresql://user:password@host:5432/database; for a file set state_dir",
    )
