"""The whole graph of the demonstration, in real runs: arrivals, dbt, the snapshot, metrics and agents."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from orchestration_assets.metric_assets import READABLE
from semantic.dbt_manifest import load_catalog
from tests.orchestration_assets import corner_shop
from tests.orchestration_assets.flights_demo import (
    ARRIVALS,
    FIRST,
    LAST,
    NEXT,
    land,
    project_of,
    write_delay_moved_between_carriers,
)
from tests.orchestration_assets.location import (
    REFRESH_SENSOR,
    SNAPSHOT,
    Location,
    agent_key,
    fork,
    metric_key,
    moved,
    names_of,
)

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
WEATHER = {
    "average_wind_gust",
    "low_visibility_hour_share",
    "low_visibility_hours",
    "precipitation_inches",
    "weather_hours",
}
BROKEN = "relationships_fct_weather_hours_observed_date__date_day__ref_time_spine_day_"


@pytest.fixture(scope="module")
def run_id(flights: Location) -> str:
    return (flights.folder / "run_id").read_text()


def test_the_graph_runs_from_arrivals_to_agents(flights: Location) -> None:
    graph = flights.repository.asset_graph
    parents = {key: graph.get(key).parent_keys for key in flights.keys}
    assert parents[ARRIVALS] == set()
    assert ARRIVALS in parents[dg.AssetKey("stg_flights")]
    assert parents[SNAPSHOT] == {
        dg.AssetKey(name)
        for name in (
            "dim_airlines",
            "dim_airports",
            "dim_planes",
            "fct_flights",
            "fct_plane_days",
            "fct_weather_hours",
            "time_spine_day",
        )
    }
    assert len(flights.metric_keys) == 23
    assert all(parents[key] == {SNAPSHOT} for key in flights.metric_keys)
    may_read = {key.path[-1]: names_of(parents[key]) for key in flights.keys if is_agent(key)}
    assert may_read == MAY_READ


def test_every_metric_has_a_version_of_its_data_and_one_of_its_definition(
    flights: Location, run_id: str
) -> None:
    catalog = load_catalog(project_of(flights.folder) / "target")
    for key in flights.metric_keys:
        tags = flights.tags(key)
        assert re.fullmatch("[0-9a-f]{32}", tags["dagster/data_version"])
        assert tags["dagster/code_version"] == catalog.metrics[key.path[-1]].definition_hash
        assert flights.instance.get_latest_materialization_event(key).run_id == run_id  # type: ignore[union-attr]


def test_the_plotted_values_are_those_of_the_data(flights: Location) -> None:
    for key in flights.metric_keys:
        metadata = flights.metadata(key)
        assert isinstance(metadata["value"], float)
        assert isinstance(metadata["value_last_day"], float)
    data = project_of(flights.folder) / "data"
    in_days = f"make_date(year, month, day) BETWEEN '{FIRST}' AND '{LAST}'"
    flown = f"FROM '{data / 'flights.parquet'}' WHERE {in_days}"
    on_last = f"{flown} AND make_date(year, month, day) = '{LAST}'"
    assert value(flights, "flights") == only(f"SELECT count(*) {flown}")
    assert value(flights, "flights", "value_last_day") == only(f"SELECT count(*) {on_last}")
    assert value(flights, "cancelled_flights") == only(
        f"SELECT count(*) {flown} AND dep_time IS NULL"
    )
    assert value(flights, "on_time_rate") == pytest.approx(
        only(f"SELECT avg((arr_delay <= 15)::int) {flown} AND arr_delay IS NOT NULL"), abs=1e-9
    )
    assert value(flights, "precipitation_inches") == pytest.approx(
        only(f"SELECT sum(precip) FROM '{data / 'weather.parquet'}' WHERE {in_days}")
    )
    by_day = duckdb.sql(
        f"SELECT make_date(year, month, day)::varchar, count(*)::double {flown} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    series = flights.metadata(metric_key("flights"))["series"]
    assert [(row.data["day"], row.data["value"]) for row in series.records] == by_day


def test_what_each_agent_read_is_observed_once_per_metric_at_its_version(
    flights: Location, run_id: str
) -> None:
    observed = flights.observations(run_id)
    versions = flights.data_versions()
    by_agent: dict[str, set[str]] = {}
    for item in observed:
        name = item.asset_key.path[-1]
        assert item.tags["dagster/data_version"] == versions[name]
        of_agent = by_agent.setdefault(item.tags["governed_agents/agent"], set())
        assert name not in of_agent
        of_agent.add(name)
    on_record: dict[str, set[str]] = {}
    for read in flights.reads(run_id):
        if read.agent != "refresh" and read.outcome == "allowed":
            assert read.data_version == versions[read.metric]
            on_record.setdefault(read.agent, set()).add(read.metric)
    assert by_agent == on_record
    assert {agent: read <= MAY_READ[agent] for agent, read in by_agent.items()} == dict.fromkeys(
        MAY_READ, True
    )


def test_the_tags_of_a_run_are_an_index_of_who_read_what(flights: Location, run_id: str) -> None:
    def found(**tags: str) -> list[str]:
        wanted = {f"governed_agents.{key.replace('__', '/')}": item for key, item in tags.items()}
        records = flights.instance.get_run_records(dg.RunsFilter(tags=wanted))
        return [record.dagster_run.run_id for record in records]

    assert found(read__flights="allowed") == [run_id]
    assert found(read__seats_flown="refused") == [run_id]
    assert found(read__weather_hours="allowed") == []
    for agent in MAY_READ:
        assert found(**{f"agent__{agent}": "started"}) == [run_id]


def test_the_materialization_of_an_agent_tells_its_reads(flights: Location, run_id: str) -> None:
    for agent in MAY_READ:
        metadata = flights.metadata(agent_key(agent))
        told = {
            (row.data["read_id"], row.data["metric"], row.data["outcome"].split(":")[0])
            for row in metadata["reads"].records
        }
        on_record = {
            (read.read_id, read.metric, read.outcome)
            for read in flights.reads(run_id)
            if read.agent == agent
        }
        assert told == on_record
        cited = {row.data["read_id"] for row in metadata["figures"].records}
        assert cited <= {read_id for read_id, _, outcome in told if outcome == "allowed"}
        provenance = dg.DataProvenance.from_tags(flights.tags(agent_key(agent)))
        assert provenance is not None
        read = {metric for _, metric, outcome in told if outcome == "allowed"}
        versions = flights.data_versions()
        for key, version in provenance.input_data_versions.items():
            if key.path[-1] in read:
                assert version.value == versions[key.path[-1]]


def test_the_refresh_is_a_reader_on_record_and_shows_no_rows_of_the_restricted(
    flights: Location, run_id: str
) -> None:
    reads = [read for read in flights.reads(run_id) if read.agent == "refresh"]
    assert {read.metric for read in reads} == names_of(flights.metric_keys)
    assert {read.purpose for read in reads} == {"measure"}
    assert {read.acting_for for read in reads} == {None, "analyst_b6", "analyst_dl", "analyst_ua"}
    restricted = flights.current.as_read.values()
    shown = str([flights.metadata(key) for key in flights.metric_keys])
    for versions in restricted:
        assert all(item.data_version not in shown for item in versions.values())


@pytest.mark.soak
def test_a_move_between_carriers_changes_their_versions_and_no_total(
    changing_flights: Location,
) -> None:
    flights = changing_flights
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


@pytest.mark.soak
def test_a_broken_test_closes_its_own_metrics_and_those_who_read_them(
    changing_flights: Location,
) -> None:
    flights = changing_flights
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


def test_without_a_durable_place_nothing_is_read(built_shop: Path, tmp_path: Path) -> None:
    folder = fork(built_shop, tmp_path / "shop")
    refusing = corner_shop.build_definitions(folder)
    with dg.DagsterInstance.ephemeral() as instance:
        for key in (SNAPSHOT, metric_key("orders"), agent_key("boss")):
            result = in_memory(refusing, instance, [key])
            [event] = result.get_step_failure_events()
            failure: Any = event.step_failure_data.user_failure_data
            assert "There is no durable place for the record of reads" in failure.description
            assert "set DAGSTER_HOME" in failure.metadata["hint"].value


@pytest.mark.soak
def test_a_record_in_memory_is_kept_where_that_is_asked_for_by_name(
    built_shop: Path, tmp_path: Path
) -> None:
    folder = fork(built_shop, tmp_path / "shop")
    metrics = corner_shop.load_shop(folder, allow_ephemeral_record=True)
    allowing = corner_shop.build_definitions(folder, metrics)
    with dg.DagsterInstance.ephemeral() as instance:
        assert in_memory(allowing, instance, None).success
        latest = instance.get_latest_materialization_event(agent_key("boss"))
    assert latest is not None
    assert latest.asset_materialization is not None
    assert latest.asset_materialization.metadata["reads_allowed"].value == 1


def test_a_home_that_is_deleted_with_its_process_is_no_durable_place(
    built_shop: Path, tmp_path: Path
) -> None:
    folder = fork(built_shop, tmp_path / "shop")
    home = tmp_path / ".tmp_dagster_home_x"
    (folder / "home").rename(home)
    moved(home / "dagster.yaml", str(folder / "home"), str(home))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        result = in_memory(corner_shop.build_definitions(folder), instance, [agent_key("boss")])
    assert not result.success


def is_agent(key: dg.AssetKey) -> bool:
    return key.path[0] == "agents"


def value(flights: Location, metric: str, of: str = "value") -> float:
    number = flights.metadata(metric_key(metric))[of]
    assert isinstance(number, float)
    return number


def only(sql: str) -> float:
    [(number,)] = duckdb.sql(sql).fetchall()
    return float(number)


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


def in_memory(
    definitions: dg.Definitions, instance: dg.DagsterInstance, keys: list[dg.AssetKey] | None
) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)


def test_being_read_leaves_a_metric_in_sync(flights: Location) -> None:
    """Dagster takes the newest event of an asset for what it is made of, and a read is an event."""
    from dagster._core.definitions.data_version import CachingStaleStatusResolver
    from dagster._core.loader import LoadingContextForTest

    resolver = CachingStaleStatusResolver(
        flights.instance, flights.repository.asset_graph, LoadingContextForTest(flights.instance)
    )
    stale = {
        key.to_user_string(): [cause.reason for cause in resolver.get_stale_causes(key)]
        for key in flights.keys
        if key.path[0] in ("metrics", "agents", "governed_snapshot")
    }
    assert not {key: causes for key, causes in stale.items() if causes}
