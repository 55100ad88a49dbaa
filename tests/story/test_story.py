"""`make demo` tells what really happened, with the true counts."""

import re

import dagster as dg
import duckdb
import pytest

from orchestration_assets.definitions import DBT_PROJECT
from orchestration_assets.defs.desk import DESK
from orchestration_assets.defs.story import CHAPTERS
from semantic.ledger import Ledger, ReadQuestion, find_reads
from tests.story.conftest import Told

FIRST_DAYS, BLIZZARD, SAME_DAYS, CORRECTION, PROPOSALS, READS = (
    chapter.title for chapter in CHAPTERS
)


def test_the_first_days_are_landed_and_every_agent_runs(told: Told) -> None:
    chapter = told.chapter(FIRST_DAYS)
    for agent in ("operations_watch", "analyst_dl", "network_planner"):
        assert f"{agent}: " in chapter
    assert "did not run" not in chapter
    assert "Metric 'seats_flown' is not available to 'network_planner'" in chapter
    assert "masked-" in chapter


def test_the_watch_reports_the_blizzard_beside_its_weather(told: Told) -> None:
    chapter = told.chapter(BLIZZARD)
    assert "On 2013-02-08, 472 of 930 flights were cancelled" in chapter
    assert "On 2013-02-09, 393 of 684 flights were cancelled" in chapter
    ran = re.search(r"ran: (.*)", chapter)
    assert ran is not None
    assert "operations_watch" in ran[1]
    flat = " ".join(chapter.split())
    for day in ("2013-02-08", "2013-02-09"):
        inches = duckdb.sql(
            f"select sum(precip) from '{DBT_PROJECT / 'data' / 'weather.parquet'}' "
            f"where make_date(year, month, day) = '{day}'"
        ).fetchall()[0][0]
        assert f"The weather of {day}: {inches:.2f} inches of precipitation" in flat


@pytest.mark.soak
def test_the_same_days_again_change_no_version_and_run_nobody(told_whole: Told) -> None:
    told = told_whole
    assert "ran: nobody" in told.chapter(SAME_DAYS)
    with dg.DagsterInstance.from_config(str(told.home)) as instance:
        for key in instance.all_asset_keys():
            if key.path[0] == "metrics":
                landed = instance.fetch_materializations(key, limit=10, ascending=True).records
                _, blizzard, again, _ = [item.asset_materialization for item in landed]
                assert blizzard.tags["dagster/data_version"] == again.tags["dagster/data_version"]


@pytest.mark.soak
def test_a_correction_for_one_carrier_runs_those_who_see_it(told_whole: Told) -> None:
    told = told_whole
    ran = re.search(r"ran: (.*)", told.chapter(CORRECTION))
    assert ran is not None
    assert sorted(ran[1].split(", ")) == ["analyst_dl", "operations_watch"]


def test_what_the_watch_would_tell_the_desk_waits_for_its_owner(told: Told) -> None:
    chapter = told.chapter(PROPOSALS)
    assert "operations_watch, pending" in chapter
    assert "governed-agents approve" in chapter
    assert not (told.home.parent / DESK).exists(), "it tells nobody by itself"


def test_it_ends_with_who_read_what_and_where_to_look(told: Told) -> None:
    chapter = told.chapter(READS)
    for word in ("allowed", "refused", "seats_flown", "operations_watch", "make ui"):
        assert word in chapter


def test_what_it_says_of_the_reads_is_what_the_ledger_and_dagster_hold(told: Told) -> None:
    ledger = Ledger.open(told.home / "governed_agents" / "ledger.db")
    reads = list(find_reads(ledger, ReadQuestion(without_agent="refresh")))
    ledger.close()
    with dg.DagsterInstance.from_config(str(told.home)) as instance:
        observed = {
            (
                record.run_id,
                key.path[-1],
                record.event_log_entry.asset_observation.tags["dagster/data_version"],
            )
            for key in instance.all_asset_keys()
            if key.path[0] == "metrics"
            for record in instance.fetch_observations(key, limit=1000).records
            if record.event_log_entry.asset_observation
        }
    of_runs = [read for read in reads if read.run_id]
    recorded = {
        (read.run_id, read.metric, read.data_version)
        for read in of_runs
        if read.outcome == "allowed"
    }
    assert recorded == observed
    assert {read.metric for read in of_runs if read.outcome == "refused"} == {"seats_flown"}
    assert not [read for read in of_runs if read.outcome == "open"]
