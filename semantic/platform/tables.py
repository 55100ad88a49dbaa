"""The tables that the platform's metrics are made of, and the file that they are written to."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, get_type_hints

import duckdb

from semantic.platform.definitions import PLATFORM_DATABASE

PLATFORM_FILE = f"{PLATFORM_DATABASE}.duckdb"
_TYPES = {
    str: "VARCHAR",
    str | None: "VARCHAR",
    int: "BIGINT",
    int | None: "BIGINT",
    float | None: "DOUBLE",
    datetime: "TIMESTAMP",
}


@dataclass(frozen=True, kw_only=True)
class EndedRun:
    """A run that has ended. Moments are UTC without a zone; what is not known is None."""

    run_id: str
    job: str
    code_location: str | None
    status: str
    launched_by: str
    agent: str | None
    ended_at: datetime
    failed: int
    run_seconds: float | None
    queue_seconds: float | None
    tokens: int | None
    dollars: float | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What a failed run did not make because of an error in it: an asset, or a step that makes none. `message` is without secrets."""

    failure_id: str
    run_id: str
    root_run_id: str
    attempt: int
    job: str
    asset: str | None
    step: str | None
    error_class: str
    message: str
    agent: str | None
    last_good_run: str | None
    last_good_at: str | None
    definition: str
    upstream: str
    failed_at: datetime
    hours_since_good: float | None


@dataclass(frozen=True, kw_only=True)
class AssetState:
    """How an asset stands."""

    asset: str
    asset_group: str | None
    freshness: str
    looked_at: datetime
    age_hours: float | None
    is_stale: int
    failed_checks: int


@dataclass(frozen=True, kw_only=True)
class WaitingRuns:
    """The runs of a job that have not ended, in one state."""

    waiting_id: str
    job: str | None
    state: str
    looked_at: datetime
    runs: int
    longest_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class PlatformTables:
    """What the platform tells of itself at one moment."""

    runs: Sequence[EndedRun] = ()
    failures: Sequence[Failure] = ()
    assets: Sequence[AssetState] = ()
    waiting_runs: Sequence[WaitingRuns] = ()


NO_TABLES = PlatformTables()

_ROWS: dict[str, type[Any]] = {
    "runs": EndedRun,
    "failures": Failure,
    "assets": AssetState,
    "waiting_runs": WaitingRuns,
}


def attach_platform(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Has a connection read a file that was written, as the platform's database. Raises `duckdb.Error`."""
    escaped = str(file).replace("'", "''")
    connection.execute(f"ATTACH IF NOT EXISTS '{escaped}' AS {PLATFORM_DATABASE} (READ_ONLY)")


def write_tables(tables: PlatformTables, folder: Path) -> dict[str, int]:
    """Writes a new file with these tables into a folder. Returns by relation its number of rows."""
    written = {}
    with duckdb.connect(str(folder / PLATFORM_FILE)) as connection:
        for name, of in _ROWS.items():
            rows: Sequence[Any] = getattr(tables, name)
            hints = get_type_hints(of)
            columns = {item.name: _TYPES[hints[item.name]] for item in fields(of)}
            declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            connection.execute(f"CREATE TABLE {name} ({declared})")
            if rows:
                values = {column: [getattr(row, column) for row in rows] for column in columns}
                taken = ", ".join(f"unnest(${column})" for column in columns)
                connection.execute(f"INSERT INTO {name} SELECT {taken}", values)
            written[f'"{PLATFORM_DATABASE}"."main"."{name}"'] = len(rows)
    return written
