"""The SQLite that comes with apsw as a module of PEP 249, as far as SQLAlchemy asks for one.

Its file system can be written in Python, which that of the standard library cannot.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw

apilevel = "2.0"
paramstyle = "qmark"
threadsafety = 1
sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(map(int, sqlite_version.split(".")))
Binary = bytes


class Error(Exception):
    """With the code and the name of SQLite, as the standard library has them."""

    sqlite_errorcode: int
    sqlite_errorname: str


class DatabaseError(Error):
    pass


class OperationalError(DatabaseError):
    pass


class IntegrityError(DatabaseError):
    pass


class ProgrammingError(DatabaseError):
    pass


class Cursor:
    """Fetches all rows at once: a statement that is half read would keep its transaction open."""

    arraysize = 1

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._cursor.exec_trace = self._describe
        self._rows: Iterator[Any] = iter(())
        self.description: Sequence[Any] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> "Cursor":
        self.description = None
        with _translated():
            self._rows = iter(list(self._cursor.execute(sql, tuple(parameters))))
        self._look_back()
        return self

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> "Cursor":
        self.description = None
        with _translated():
            list(self._cursor.executemany(sql, map(tuple, parameters)))
        self._look_back()
        return self

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchmany(self, size: int = 1) -> list[Any]:
        return [row for _, row in zip(range(size), self._rows, strict=False)]

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def close(self) -> None:
        self._cursor.close(force=True)

    def _describe(self, cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
        """Told before the first row, since afterwards a result without rows has no columns."""
        columns = cursor.get_description()
        self.description = [(name, *[None] * 6) for name, _ in columns] or None
        return True

    def _look_back(self) -> None:
        self.rowcount = self._connection.changes()
        self.lastrowid = self._connection.last_insert_rowid()


class Connection:
    """`isolation_level` is of no effect: transactions begin where BEGIN is executed."""

    isolation_level: str | None = None

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def cursor(self) -> Cursor:
        return Cursor(self._connection)

    def create_function(self, name: str, arguments: int, function: Any, **_: object) -> None:
        self._connection.create_scalar_function(name, function, arguments)

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def close(self) -> None:
        with _translated():
            self._connection.close()

    def _end(self, statement: str) -> None:
        if self._connection.in_transaction:
            with _translated():
                self._connection.execute(statement)


def connect(path: str, vfs: str) -> Connection:
    with _translated():
        return Connection(apsw.Connection(path, vfs=vfs))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        kind = IntegrityError if isinstance(error, apsw.ConstraintError) else OperationalError
        code = getattr(error, "extendedresult", -1)
        known = {**apsw.mapping_result_codes, **apsw.mapping_extended_result_codes}
        told = kind(str(error) or type(error).__name__)
        told.sqlite_errorcode, told.sqlite_errorname = code, str(known.get(code, "SQLITE_UNKNOWN"))
        raise told from error
