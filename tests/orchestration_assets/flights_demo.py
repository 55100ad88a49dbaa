"""The demonstration's code location over a folder of its own: a copy of its dbt project, a warehouse and an instance."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import duckdb

from orchestration_assets.definitions import DBT_PROJECT, build_demo
from tests.dbt_build import copy_dbt_project, run_dbt
from tests.orchestration_assets.location import SNAPSHOT, Location, Ran, make_quick_home

FIRST, LAST, NEXT = "2013-01-01", "2013-01-12", "2013-01-13"
ARRIVALS = dg.AssetKey("arrivals")
CARRIER_NOTES = {
    "average_arrival_delay",
    "cancellation_rate",
    "cancelled_flights",
    "flights",
    "on_time_rate",
    "precipitation_inches",
}
MAY_READ = {
    "analyst_b6": CARRIER_NOTES,
    "analyst_dl": CARRIER_NOTES,
    "analyst_ua": CARRIER_NOTES,
    "network_planner": {"distance_flown_miles", "flights"},
    "operations_watch": CARRIER_NOTES
    | {"average_departure_delay", "average_wind_gust", "low_visibility_hour_share"},
}


def project_of(folder: Path) -> Path:
    return folder / "dbt_project"


def prepare(folder: Path) -> None:
    """The dbt project with its artifacts, in `folder`. Runs dbt once, to parse."""
    copy_dbt_project(DBT_PROJECT, project_of(folder))
    run_dbt("parse", project_of(folder))
    make_quick_home(folder)


def open_flights(folder: Path) -> Location:
    """The demonstration in `folder`. Its dbt profile names a warehouse beside the project."""
    definitions = build_demo(dbt_project=project_of(folder))
    return Location(folder, definitions, folder / ".demo" / "warehouse" / "nyc_flights.duckdb")


def land(
    flights: Location,
    first: str,
    last: str,
    *,
    with_agents: bool = False,
    corrections: Sequence[str] = (),
) -> Ran:
    """One run that lands days, builds dbt and publishes the snapshot and its metrics; and runs the agents where asked."""
    agents = [key for key in flights.keys if with_agents and key.path[0] == "agents"]
    return flights.run(
        [ARRIVALS, *flights.dbt_keys, SNAPSHOT, *flights.metric_keys, *agents],
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        },
        config={"ops": {"arrivals": {"config": {"corrections": list(corrections)}}}},
    )


def write_delay_moved_between_carriers(flights: Location, minutes: int) -> str:
    """A correction in which a Delta flight arrives so much later, and one of United from the same airport on the same day
    so much earlier. Returns its name.
    """
    data = project_of(flights.folder) / "data"
    name = "moved_delay"
    (data / "corrections").mkdir(exist_ok=True)
    duckdb.execute(
        f"""
        COPY (
            SELECT year, month, day, carrier, flight, origin, sched_dep_time, dep_time, dep_delay, arr_time,
                arr_delay + CASE carrier WHEN 'DL' THEN {minutes} ELSE -{minutes} END AS arr_delay
            FROM '{data / "flights.parquet"}'
            WHERE make_date(year, month, day) = '2013-01-11' AND origin = 'JFK' AND carrier IN ('DL', 'UA')
                AND arr_delay > 15 + {minutes}
            QUALIFY row_number() OVER (PARTITION BY carrier ORDER BY flight) = 1
        ) TO '{data / "corrections" / f"{name}.parquet"}' (FORMAT parquet)
        """
    )
    return name
