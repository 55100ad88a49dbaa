"""Many rows in one statement.

Python's driver lets go of the interpreter once for each row that is a statement: with sixty-four threads that cost more than the writing.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import sqlalchemy as sa

from semantic.ledger.driver import execute, mark

# Few sizes, so that each is one prepared statement.
_SIZES = (128, 32, 8, 2, 1)


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Sequence[Any]]) -> None:
    """Adds rows that have a value for every column of a table, in the order of these."""
    columns = tuple(table.columns.keys())
    for part in _parts(rows):
        statement = _statement(table.name, columns, len(part), mark(connection))
        execute(connection, statement, tuple(chain.from_iterable(part)))


def _parts(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    start = 0
    while start < len(rows):
        size = next(size for size in _SIZES if size <= len(rows) - start)
        yield rows[start : start + size]
        start += size


@lru_cache(256)
def _statement(table: str, columns: tuple[str, ...], rows: int, mark: str) -> str:
    quoted = ", ".join(f'"{column}"' for column in columns)
    row = f"({', '.join([mark] * len(columns))})"
    return f"INSERT INTO {table} ({quoted}) VALUES {', '.join([row] * rows)}"
