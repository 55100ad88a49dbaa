"""Statements handed to the driver as they are, for what every commit does.

SQLAlchemy takes several times as long over a statement as SQLite, and all threads wait for it. Where somebody listens to
what SQLAlchemy executes, it executes these as well.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def fetched(connection: sa.Connection, statement: str, values: Sequence[Any] = ()) -> list[Any]:
    """The rows of a question, as tuples. Raises `SQLAlchemyError`."""
    if _is_heard(connection):
        return list(connection.exec_driver_sql(statement, tuple(values)))
    cursor = _executed(connection, statement, values)
    rows: list[Any] = cursor.fetchall()
    cursor.close()
    return rows


def execute(connection: sa.Connection, statement: str, values: Sequence[Any] = ()) -> None:
    """Runs a statement that has no rows. Raises `SQLAlchemyError`."""
    if _is_heard(connection):
        connection.exec_driver_sql(statement, tuple(values))
    else:
        _executed(connection, statement, values).close()


def mark(connection: sa.Connection) -> str:
    """What stands for a value in a statement."""
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def _is_heard(connection: sa.Connection) -> bool:
    return bool(connection.dispatch.before_cursor_execute)


def _executed(connection: sa.Connection, statement: str, values: Sequence[Any]) -> Any:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement, values)
    except connection.dialect.loaded_dbapi.Error as error:
        raise sa.exc.DBAPIError(statement, None, error) from error
    return cursor
