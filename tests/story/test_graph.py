"""The whole graph of the demonstration as its story left it: arrivals, dbt, the snapshot, metrics and agents."""

import re
from collections.abc import Iterator

import dagster as dg
import duckdb
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from orchestration_assets.definitions import DBT_PROJECT, build_demo
from orchestration_assets.defs.story import BLIZZARD, START
from semantic.dbt_manifest import load_catalog
from semantic.ledger import ReadQuestion, find_reads
from tests.orchestration_assets.flights_demo import ARRIVALS, MAY_READ
from tests.orchestration_assets.location import (
    SNAPSHOT,
    Location,
    agent_key,
    metric_key,
    names_of,
)
from tests.story.conftest import Told

LAST = BLIZZARD[-1]


@pytest.fixture(scope="module")
def flights(told: Told) -> Iterator[Location]:
    """The demonstration, for tests that only look."""
    warehouse = told.folder / "warehouse" / "nyc_flights.duckdb"
    with Location(told.folder, build_demo(), warehouse, home=told.home) as location:
        yield location


@pytest.fixture(scope="module")
def first_run(flights: Location) -> str:
    """The run that landed the first days, and in which every agent ran."""
    return flights.instance.get_run_records(limit=1, ascending=True)[0].dagster_run.run_id


def test_it_runs_from_arrivals_to_agents(flights: Location) -> None:
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
    may_read = {
        key.path[-1]: names_of(parents[key]) for key in flights.keys if key.path[0] == "agents"
    }
    assert may_read == MAY_READ


def test_every_metric_has_a_version_of_its_data_and_one_of_its_definition(
    flights: Location,
) -> None:
    catalog = load_catalog(DBT_PROJECT / "target")
    for key in flights.metric_keys:
        tags = flights.tags(key)
        assert re.fullmatch("[0-9a-f]{32}", tags["dagster/data_version"])
        assert tags["dagster/code_version"] == catalog.metrics[key.path[-1]].definition_hash
    assert len({flights.last_run(key).dagster_run.run_id for key in flights.metric_keys}) == 1


def test_the_plotted_values_are_those_of_the_data(flights: Location) -> None:
    for key in flights.metric_keys:
        metadata = flights.metadata(key)
        assert isinstance(metadata["value"], float)
        assert isinstance(metadata["value_last_day"], float)
    data = DBT_PROJECT / "data"
    in_days = f"make_date(year, month, day) BETWEEN '{START}' AND '{LAST}'"
    flown = f"FROM '{data / 'flights.parquet'}' WHERE {in_days}"
    on_last = f"{flown} AND make_date(year, month, day) = '{LAST}'"
    assert value(flights, "flights") == only(f"SELECT count(*) {flown}")
    assert value(flights, "flights", "value_last_day") == only(f"SELECT count(*) {on_last}")
    cancelled = f"SELECT count(*) {flown} AND dep_time IS NULL"
    assert value(flights, "cancelled_flights") == only(cancelled)
    rain = f"SELECT sum(precip) FROM '{data / 'weather.parquet'}' WHERE {in_days}"
    assert value(flights, "precipitation_inches") == pytest.approx(only(rain))
    by_day = duckdb.sql(
        f"SELECT make_date(year, month, day)::varchar, count(*)::double {flown} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    series = flights.metadata(metric_key("flights"))["series"]
    shown = [(row.data["day"], row.data["value"]) for row in series.records]
    assert shown == by_day[-len(shown) :]
    assert len(shown) > 30


def test_the_tags_of_a_run_are_an_index_of_who_read_what(flights: Location, first_run: str) -> None:
    def found(**tags: str) -> set[str]:
        wanted = {f"governed_agents.{key.replace('__', '/')}": item for key, item in tags.items()}
        records = flights.instance.get_run_records(dg.RunsFilter(tags=wanted))
        return {record.dagster_run.run_id for record in records}

    read = [item for item in flights.all_reads() if item.run_id and item.agent != "refresh"]
    for metric, outcome in (("flights", "allowed"), ("seats_flown", "refused")):
        runs = {item.run_id for item in read if (item.metric, item.outcome) == (metric, outcome)}
        assert found(**{f"read__{metric}": outcome}) == runs
        assert first_run in runs
    assert found(read__weather_hours="allowed") == set()
    for agent in MAY_READ:
        of_agent = {item.run_id for item in read if item.agent == agent}
        assert found(**{f"agent__{agent}": "started"}) == of_agent


def test_the_materialization_of_an_agent_tells_its_reads(flights: Location) -> None:
    for agent in MAY_READ:
        metadata = flights.metadata(agent_key(agent))
        run_id = flights.last_run(agent_key(agent)).dagster_run.run_id
        reads = [read for read in flights.reads(run_id) if read.agent == agent]
        told = {
            (row.data["read_id"], row.data["metric"], row.data["outcome"].split(":")[0])
            for row in metadata["reads"].records
        }
        assert told == {(read.read_id, read.metric, read.outcome) for read in reads}
        cited = {row.data["read_id"] for row in metadata["figures"].records}
        assert cited <= {read_id for read_id, _, outcome in told if outcome == "allowed"}
        provenance = dg.DataProvenance.from_tags(flights.tags(agent_key(agent)))
        assert provenance is not None
        of_inputs = {
            key.path[-1]: version.value for key, version in provenance.input_data_versions.items()
        }
        versions = {read.metric: read.data_version for read in reads if read.outcome == "allowed"}
        assert versions
        assert {name: of_inputs[name] for name in versions} == versions


def test_the_refresh_is_a_reader_on_record_and_shows_no_rows_of_the_restricted(
    flights: Location, first_run: str
) -> None:
    reads = [read for read in flights.reads(first_run) if read.agent == "refresh"]
    assert {read.metric for read in reads} == names_of(flights.metric_keys)
    assert {read.purpose for read in reads} == {"measure"}
    assert {read.acting_for for read in reads} == {None, "analyst_b6", "analyst_dl", "analyst_ua"}
    restricted = flights.current.as_read.values()
    shown = str([flights.metadata(key) for key in flights.metric_keys])
    for versions in restricted:
        assert all(item.data_version not in shown for item in versions.values())


def test_being_read_leaves_a_metric_in_sync(flights: Location) -> None:
    """Dagster takes the newest event of an asset for what it is made of, and a read is an event."""
    context = LoadingContextForTest(flights.instance)
    resolver = CachingStaleStatusResolver(flights.instance, flights.repository.asset_graph, context)
    stale = {
        key.to_user_string(): [cause.reason for cause in resolver.get_stale_causes(key)]
        for key in [*flights.metric_keys, SNAPSHOT]
    }
    assert not {key: causes for key, causes in stale.items() if causes}


def value(flights: Location, metric: str, of: str = "value") -> float:
    number = flights.metadata(metric_key(metric))[of]
    assert isinstance(number, float)
    return number


def only(sql: str) -> float:
    [(number,)] = duckdb.sql(sql).fetchall()
    return float(number)


def test_a_metric_says_from_which_columns_it_comes(flights: Location) -> None:
    spec = flights.repository.asset_graph.get(metric_key("on_time_rate"))
    lineage = spec.metadata["dagster/column_lineage"]
    deps = lineage.deps_by_column["on_time_rate"]
    assert dg.TableColumnDep(asset_key="fct_flights", column_name="is_on_time") in deps
    catalog = load_catalog(DBT_PROJECT / "target")
    assert len(deps) == len(catalog.metrics["on_time_rate"].columns)


def test_the_reads_of_a_run_lead_to_metrics_runs_and_records(flights: Location) -> None:
    text = str(flights.metadata(agent_key("network_planner"))["reads_linked"])
    run_id = flights.last_run(agent_key("network_planner")).dagster_run.run_id
    assert "- [flights](/assets/metrics/flights): allowed" in text
    assert "- [seats_flown](/assets/metrics/seats_flown): refused" in text
    assert f"](/runs/{run_id})" in text
    with flights.ledger() as ledger:
        for read in find_reads(ledger, ReadQuestion(run=run_id, agent="network_planner")):
            assert f"`governed-agents reads --read {read.read_id}`" in text
