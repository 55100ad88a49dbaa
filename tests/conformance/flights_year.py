"""The whole year 2013 as the demonstration's dbt project builds it, and the Parquet files themselves as views."""

from pathlib import Path

import duckdb

from orchestration_assets.defs.arrivals import land
from tests.dbt_build import BuiltProject, build_dbt_project

DBT_PROJECT = Path(__file__).parents[2] / "dbt_project"
TABLES = ("flights", "weather", "planes", "airports", "airlines")


def build_flights_year(folder: Path, *, last: str = "2013-12-31") -> BuiltProject:
    """Lands the days until `last` and has dbt build upon them, once for all processes that ask for the same folder."""

    def fill(built: BuiltProject) -> None:
        with duckdb.connect(str(built.warehouse)) as connection:
            land(connection, built.folder / "data", "2013-01-01", last, [])

    return build_dbt_project(
        DBT_PROJECT,
        folder,
        warehouse="nyc_flights.duckdb",
        variable="NYC_FLIGHTS_WAREHOUSE",
        fill=fill,
    )


def parquet_views() -> duckdb.DuckDBPyConnection:
    """A connection with one view per Parquet file: what the SQL written by hand reads."""
    connection = duckdb.connect(":memory:")
    for table in TABLES:
        connection.execute(
            f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{DBT_PROJECT / 'data' / table}.parquet')"
        )
    return connection
