"""`arrivals`: lands the flights and the weather of a day in the raw tables of the warehouse, as if they had just come in.

A day that is landed again replaces itself. A correction is a file of its own in `data/corrections/`; it stays in
`raw.flight_corrections` when its day is landed again, and the newest one wins.
"""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import duckdb

DAYS = dg.DailyPartitionsDefinition(start_date="2013-01-01", end_date="2014-01-01")
REFERENCE = ("planes", "airports", "airlines")
BY_DAY = ("flights", "weather")
CORRECTED = ("dep_time", "dep_delay", "arr_time", "arr_delay")
FLIGHT = ("year", "month", "day", "carrier", "flight", "origin", "sched_dep_time")


class ArrivalsConfig(dg.Config):
    """`corrections`: names of files in `data/corrections/`, without ending, that came in together with the days."""

    corrections: list[str] = []  # noqa: RUF012 - pydantic copies it


def build_arrivals(data: Path, warehouse: Callable[[], Path]) -> dg.AssetsDefinition:
    """The asset that lands days of `data` in the warehouse, one run for a day or for a range of days."""

    @dg.asset(
        key="arrivals",
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="arrivals",
        kinds={"duckdb", "parquet"},
        description="Flights and weather of a day, landed in the raw tables of the warehouse.",
        pool="warehouse",
    )
    def arrivals(
        context: dg.AssetExecutionContext, config: ArrivalsConfig
    ) -> dg.MaterializeResult[None]:
        days = context.partition_keys
        path = warehouse()
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(path)) as connection:
            landed = land(connection, data, min(days), max(days), config.corrections)
        return dg.MaterializeResult(
            metadata={"days": len(days), "first_day": min(days), "last_day": max(days), **landed}
        )

    return arrivals


def land(
    connection: duckdb.DuckDBPyConnection,
    data: Path,
    first: str,
    last: str,
    corrections: list[str],
) -> dict[str, int]:
    """Lands the days from `first` to `last`, both included, in one transaction. Returns how many rows came in, by table."""
    landed: dict[str, int] = {}
    connection.execute("BEGIN")
    connection.execute("CREATE SCHEMA IF NOT EXISTS raw")
    for table in REFERENCE:
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS raw.{table} AS SELECT * FROM {_parquet(data, table)}"
        )
    for table in BY_DAY:
        source, in_days = (
            _parquet(data, table),
            "make_date(year, month, day) BETWEEN $first AND $last",
        )
        days = {"first": first, "last": last}
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS raw.{table} AS SELECT * FROM {source} LIMIT 0"
        )
        connection.execute(f"DELETE FROM raw.{table} WHERE {in_days}", days)
        connection.execute(f"INSERT INTO raw.{table} SELECT * FROM {source} WHERE {in_days}", days)
        landed[table] = _count(connection, f"raw.{table} WHERE {in_days}", days)
    landed["corrections"] = _land_corrections(connection, data, corrections)
    connection.execute("COMMIT")
    return landed


def _land_corrections(connection: duckdb.DuckDBPyConnection, data: Path, names: list[str]) -> int:
    columns = ", ".join((*FLIGHT, *CORRECTED))
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS raw.flight_corrections AS "
        f"SELECT {columns}, CAST(0 AS BIGINT) AS landed_order FROM {_parquet(data, 'flights')} LIMIT 0"
    )
    landed = 0
    for name in names:
        path = data / "corrections" / f"{name}.parquet"
        if Path(name).name != name or not path.is_file():
            known = sorted(item.stem for item in (data / "corrections").glob("*.parquet"))
            raise dg.Failure(
                f"There is no correction '{name}'. Known: {', '.join(known)}", allow_retries=False
            )
        order = _count(connection, "raw.flight_corrections", {}) + 1
        source = f"read_parquet('{_escaped(path)}')"
        connection.execute(
            f"INSERT INTO raw.flight_corrections SELECT {columns}, {order} FROM {source}"
        )
        landed += _count(connection, source, {})
    return landed


def _count(connection: duckdb.DuckDBPyConnection, rows: str, values: dict[str, str]) -> int:
    found = connection.execute(f"SELECT count(*) FROM {rows}", values).fetchone()
    return int(found[0]) if found else 0


def _parquet(data: Path, table: str) -> str:
    return f"read_parquet('{_escaped(data / f'{table}.parquet')}')"


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
