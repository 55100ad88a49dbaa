"""A version of the data, open for reading."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from semantic.cancellation import Cancellation
from semantic.errors import SnapshotUnavailable
from semantic.platform.tables import PLATFORM_FILE, attach_platform
from semantic.recent import Recent

_STATEMENTS = 512
_opening = threading.Lock()
_BLOCKS = """SELECT count(DISTINCT block_id) * (SELECT any_value(block_size) FROM pragma_database_size())
FROM pragma_storage_info(?)"""


@dataclass(frozen=True, kw_only=True)
class QueryLimits:
    """What queries may use: each one `seconds`, and all that run at once on one open snapshot `memory_mb`, in megabytes.

    Without `memory_mb` it is DuckDB's own limit, 80% of the machine's memory. A query that would need more is cancelled: nothing
    is spilled to disk, so that readers write nothing beside what is published.
    """

    seconds: float = 30
    memory_mb: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows of a SELECT, and by column the name of its DuckDB type."""

    rows: list[tuple[Any, ...]]
    types: tuple[str, ...]


class OpenSnapshot:
    """A version of the data, open for hardened, read-only queries. Safe for threads: each has its own cursor."""

    def __init__(self, path: Path, *, limits: QueryLimits | None = None) -> None:
        limits = limits or QueryLimits()
        config = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "max_execution_time": str(round(limits.seconds * 1000)),
            "temp_directory": "",
        }
        if limits.memory_mb is not None:
            config["memory_limit"] = f"{limits.memory_mb}MB"
        try:
            with _opening:
                self._connection = duckdb.connect(str(path), read_only=True, config=config)
                _fix_settings(self._connection, path.parent / PLATFORM_FILE)
        except duckdb.ConnectionException as error:
            raise SnapshotUnavailable(
                f"The snapshot {path.parent.name} is open in this process with other limits",
                hint="give all that read it in one process the same limits",
            ) from error
        except duckdb.Error as error:
            raise SnapshotUnavailable(
                f"Cannot open the snapshot {path.parent.name}",
                hint="materialize governed_snapshot again",
            ) from error
        self._local = threading.local()
        self._parsed: Recent[str, duckdb.Statement] = Recent(_STATEMENTS)
        self._bytes: Recent[str, int] = Recent(_STATEMENTS)

    def execute(self, sql: str, parameters: Mapping[str, Any], limit: int) -> Fetched:
        """At most `limit` rows of one SELECT. Raises `duckdb.Error`."""
        cursor = self._cursor()
        statement = self._parsed.get(sql)
        if statement is None:
            statement = _one_select(cursor, sql)
            self._parsed.put(sql, statement)
        found = cursor.execute(statement, dict(parameters))
        types = tuple(str(column[1]) for column in found.description)
        return Fetched(list(found.fetchmany(limit)), types)

    @contextmanager
    def stopped_by(self, cancellation: Cancellation) -> Iterator[None]:
        """While the block runs, what this thread asks may be stopped. Raises `Cancelled` where it was."""
        with cancellation.running(self._cursor()):
            yield

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """The cursor of this thread."""
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor()
        return cursor

    def bytes_of(self, relations: Iterable[str]) -> int:
        """The bytes of the blocks that these relations stand in. Raises `duckdb.Error`."""
        return sum(map(self._bytes_of, relations))

    def close(self) -> None:
        self._connection.close()

    def _bytes_of(self, relation: str) -> int:
        found = self._bytes.get(relation)
        if found is None:
            cursor = self._connection.cursor()
            [(found,)] = cursor.execute(_BLOCKS, [relation]).fetchall()
            self._bytes.put(relation, int(found))
        return int(found)


def _fix_settings(connection: duckdb.DuckDBPyConnection, platform: Path) -> None:
    """What the platform tells is read beside what dbt built; nothing else outside the file is. Days are those of UTC, not of the machine that happens to
    answer, and nothing can be set from here on.

    A process that opens a file twice has one database behind both, and has fixed it already.
    """
    fixed = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
    if fixed != (True,):
        if platform.is_file():
            attach_platform(connection, platform)
        connection.execute("SET GLOBAL enable_external_access = false")
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET GLOBAL lock_configuration = true")


def _one_select(cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    statements = cursor.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SnapshotUnavailable("Only one SELECT can be run on a snapshot")
    return statements[0]
