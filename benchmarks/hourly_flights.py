"""What the demonstration's metrics were, hour by hour of a month, from the real flights and weather: a flight counts from its departure on, an arrival from its landing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

# Days that may still change: a flight of yesterday may leave or land today.
OPEN_DAYS = 3
_EVENTS = """
CREATE TABLE events AS
WITH flown AS (
    SELECT make_timestamp(year, month, day, sched_dep_time // 100, sched_dep_time % 100, 0) AS scheduled,
        make_date(year, month, day) AS day, carrier, dep_time, dep_delay, arr_delay, air_time, distance
    FROM read_parquet($flights)
    WHERE make_date(year, month, day) BETWEEN $first AND $last
)
SELECT scheduled + to_minutes(coalesce(dep_delay, 0)) AS known_at, day, carrier,
    1 AS flights, (dep_time IS NULL)::INTEGER AS cancelled, (dep_time IS NOT NULL)::INTEGER AS departed,
    coalesce(dep_delay, 0) AS departure_delay, 0 AS completed, 0 AS arrival_delay, 0 AS on_time,
    CASE WHEN dep_time IS NULL THEN 0 ELSE distance END AS distance
FROM flown
UNION ALL
SELECT scheduled + to_minutes(coalesce(dep_delay, 0) + air_time), day, carrier, 0, 0, 0, 0, 1, arr_delay, (arr_delay <= 15)::INTEGER, 0
FROM flown WHERE arr_delay IS NOT NULL
"""
_FLIGHTS = """
SELECT day, carrier, sum(flights), sum(cancelled), sum(departed), sum(departure_delay), sum(completed), sum(arrival_delay),
    sum(on_time), sum(distance)
FROM events WHERE known_at <= $now AND day > $oldest GROUP BY GROUPING SETS ((day), (day, carrier))
"""
_WEATHER = """
SELECT make_date(year, month, day) AS day, sum(precip), avg(wind_gust), avg((visib < 1)::INTEGER)
FROM read_parquet($weather)
WHERE make_timestamp(year, month, day, hour, 0, 0) <= $now AND make_date(year, month, day) > $oldest GROUP BY ALL
"""
ByDay = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Hour:
    """By carrier, None for all, and metric the values of the newest days as text."""

    at: datetime
    values: Mapping[str | None, Mapping[str, ByDay]]


def hours_of(data: Path, first: datetime, days: int) -> Iterator[Hour]:
    """Every hour of so many days, in their order."""
    with duckdb.connect() as connection:
        last = first + timedelta(days=days - 1)
        connection.execute(
            _EVENTS,
            {
                "flights": str(data / "flights.parquet"),
                "first": (first - timedelta(days=OPEN_DAYS)).date(),
                "last": last.date(),
            },
        )
        for number in range(days * 24):
            now = first + timedelta(hours=number)
            yield Hour(at=now, values=_values(connection, data, now))


def _values(
    connection: duckdb.DuckDBPyConnection, data: Path, now: datetime
) -> dict[str | None, dict[str, dict[str, str]]]:
    moment = {"now": now, "oldest": (now - timedelta(days=OPEN_DAYS)).date()}
    found: dict[str | None, dict[str, dict[str, str]]] = {None: {}}
    for day, carrier, *sums in connection.execute(_FLIGHTS, moment).fetchall():
        flights, cancelled, departed, out, completed, into, on_time, distance = map(float, sums)
        of_day = {
            "flights": flights,
            "cancelled_flights": cancelled,
            "cancellation_rate": _ratio(cancelled, flights),
            "average_departure_delay": _ratio(out, departed),
            "average_arrival_delay": _ratio(into, completed),
            "on_time_rate": _ratio(on_time, completed),
            "distance_flown_miles": distance,
        }
        _keep(found.setdefault(carrier, {}), str(day), of_day)
    weather = connection.execute(_WEATHER, {**moment, "weather": str(data / "weather.parquet")})
    for day, rain, gust, fog in weather.fetchall():
        of_day = {
            "precipitation_inches": rain,
            "average_wind_gust": gust,
            "low_visibility_hour_share": fog,
        }
        _keep(found[None], str(day), of_day)
    return found


def _keep(found: dict[str, dict[str, str]], day: str, values: Mapping[str, float | None]) -> None:
    for name, value in values.items():
        if value is not None:
            found.setdefault(name, {})[day] = f"{value:.6f}"


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
