"""The whole year 2013 as the demonstration's dbt project builds it, and the Parquet files themselves as views."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration_assets.defs.arrivals import land

DBT_PROJECT = Path(__file__).parents[2] / "dbt_project"
TABLES = ("flights", "weather", "planes", "airports", "airlines")


@dataclass(frozen=True, kw_only=True)
class FlightsYear:
    """A copy of the dbt project with its artifacts and the warehouse of the year."""

    project: Path

    @property
    def target(self) -> Path:
        return self.project / "target"

    @property
    def warehouse(self) -> Path:
        return self.project / "nyc_flights.duckdb"


def build_flights_year(folder: Path, *, last: str = "2013-12-31") -> FlightsYear:
    """Lands the days until `last` and runs `dbt build`, once for all processes that ask for the same folder."""
    built = FlightsYear(project=folder / "dbt_project")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            ignored = shutil.ignore_patterns("target", "logs", "*.duckdb")
            shutil.copytree(DBT_PROJECT, built.project, ignore=ignored, dirs_exist_ok=True)
            with duckdb.connect(str(built.warehouse)) as connection:
                land(connection, built.project / "data", "2013-01-01", last, [])
            run_dbt(built)
            (folder / "done").touch()
    return built


def run_dbt(built: FlightsYear, *arguments: str) -> None:
    """`dbt build` in the project, as a person would run it."""
    dbt = Path(sys.executable).parent / "dbt"
    environment = {
        **os.environ,
        "NYC_FLIGHTS_WAREHOUSE": str(built.warehouse),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    done = subprocess.run(
        [str(dbt), "--quiet", "build", *arguments],
        cwd=built.project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def parquet_views() -> duckdb.DuckDBPyConnection:
    """A connection with one view per Parquet file: what the SQL written by hand reads."""
    connection = duckdb.connect(":memory:")
    for table in TABLES:
        connection.execute(
            f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{DBT_PROJECT / 'data' / table}.parquet')"
        )
    return connection
