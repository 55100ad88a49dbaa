"""Changes to the data of the demonstration, in real runs of its whole graph. What the graph is without them, its story tells."""

import re
from collections.abc import Mapping

import dagster as dg
import pytest

from orchestration_assets.metric_assets import READABLE
from tests.orchestration_assets.flights_demo import (
    MAY_READ,
    NEXT,
    land,
    write_delay_moved_between_carriers,
)
from tests.orchestration_assets.location import (
    REFRESH_SENSOR,
    SNAPSHOT,
    Location,
    agent_key,
    metric_key,
    names_of,
)

pytestmark = pytest.mark.soak

WEATHER = {
    "average_wind_gust",
    "low_visibility_hour_share",
    "low_visibility_hours",
    "precipitation_inches",
    "weather_hours",
}
BROKEN = "relationships_fct_weather_hours_observed_date__date_day__ref_time_spine_day_"


def test_a_move_between_carriers_changes_their_versions_and_no_total(
    flights: Location,
) -> None:
    before, as_read_before = flights.data_versions(), flights.current.as_read
    assert flights.tick().agents == []

    value_before = value(flights, "arrival_delay_minutes")
    name = write_delay_moved_between_carriers(flights, minutes=20)
    corrected = land(flights, "2013-01-11", "2013-01-11", corrections=[name])
    assert corrected.success, corrected.failures
    after = flights.data_versions()
    assert value(flights, "arrival_delay_minutes") == value_before
    assert {name for name in before if after[name] != before[name]} == {
        "arrival_delay_minutes",
        "average_arrival_delay",
        "minutes_recovered_in_air",
    }
    changed = [
        key
        for key, versions in flights.current.as_read.items()
        if versions["average_arrival_delay"] != as_read_before[key]["average_arrival_delay"]
    ]
    assert len(changed) == 2
    assert len(as_read_before) == 3
    assert flights.tick().agents == ["analyst_dl", "analyst_ua", "operations_watch"]


def test_a_broken_test_closes_its_own_metrics_and_those_who_read_them(
    flights: Location,
) -> None:
    good, versions = flights.current, flights.data_versions()
    flights.change(
        "INSERT INTO raw.weather SELECT * REPLACE (2020 AS year, time_hour + INTERVAL 7 YEAR AS time_hour) "
        "FROM raw.weather LIMIT 1"
    )
    ran = land(flights, NEXT, NEXT, with_agents=True)
    assert set(ran.failures) == {"flights_dbt"}
    assert BROKEN in ran.failures["flights_dbt"]
    assert not ran.materialized & {SNAPSHOT, *flights.metric_keys, *map(agent_key, MAY_READ)}
    assert flights.current == good

    [request] = flights.tick(REFRESH_SENSOR).requests
    refreshed = flights.run_requested(request)
    assert refreshed.success, refreshed.failures
    open_metrics = names_of(flights.metric_keys) - WEATHER
    assert names_of(refreshed.materialized) == {"governed_snapshot"} | open_metrics
    after = flights.data_versions()
    assert after["flights"] != versions["flights"]
    assert all(after[name] == versions[name] for name in WEATHER)
    assert passed(flights) == {name: name not in WEATHER for name in passed(flights)}
    assert good.version in flights.store.versions()
    assert flights.tick(REFRESH_SENSOR).requests == ()

    tick = flights.tick()
    assert tick.agents == ["network_planner"]
    flights.run_all(tick)
    by_hand = flights.run([agent_key("analyst_dl")])
    assert re.search(
        rf"'\w+' may not be read: the dbt test {BROKEN} on fct_weather_hours failed",
        by_hand.failures["agents__analyst_dl"],
    )
    assert flights.reads(by_hand.run_id) == []
    metric_by_hand = flights.run([metric_key("precipitation_inches")])
    assert BROKEN in metric_by_hand.failures["governed_metrics"]

    flights.change("DELETE FROM raw.weather WHERE year = 2020")
    mended = flights.run([dg.AssetKey("fct_weather_hours")])
    assert mended.success, mended.failures
    [request] = flights.tick(REFRESH_SENSOR).requests
    refreshed = flights.run_requested(request)
    assert refreshed.success, refreshed.failures
    assert set(passed(flights).values()) == {True}
    assert flights.tick().agents == ["analyst_b6", "analyst_dl", "analyst_ua", "operations_watch"]


def value(flights: Location, metric: str, of: str = "value") -> float:
    number = flights.metadata(metric_key(metric))[of]
    assert isinstance(number, float)
    return number


def passed(flights: Location) -> Mapping[str, bool]:
    """By metric, whether its check passed the last time."""
    keys = [dg.AssetCheckKey(key, READABLE) for key in flights.metric_keys]
    executions = flights.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    found = {}
    for key, execution in executions.items():
        evaluation = execution.event.asset_check_evaluation if execution.event else None
        assert evaluation is not None
        found[key.asset_key.path[-1]] = evaluation.passed
    return found
