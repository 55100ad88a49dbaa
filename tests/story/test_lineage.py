"""Lineage of the demonstration, against the rows of its ledger, the manifest of dbt and Dagster's own events."""

import json
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration_assets.definitions import DBT_PROJECT, build_demo
from tests.orchestration_assets.location import Location, metric_key
from tests.story.conftest import Said, Told

Command = Callable[..., Said]
Json = dict[str, Any]


def traced(command: Command, *arguments: str) -> Json:
    said = command("lineage", *arguments, "--json")
    assert said.code == 0, said.err
    found: Json = json.loads(said.out)
    return found


def named(found: Json, kind: str) -> set[str]:
    return {node["name"] for node in found["nodes"] if node["kind"] == kind}


def edges(found: Json, how: str, start: str, end: str) -> dict[tuple[str, str], Json]:
    return {
        (edge["from"]["name"], edge["to"]["name"]): edge["facts"]
        for edge in found["edges"]
        if (edge["how"], edge["from"]["kind"], edge["to"]["kind"]) == (how, start, end)
    }


def parents(unique_id: str) -> set[str]:
    """A dbt node and all that it is built from, as the manifest of dbt says."""
    manifest = json.loads((DBT_PROJECT / "target" / "manifest.json").read_text())
    found, waiting = set(), [unique_id]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += manifest["parent_map"].get(name, [])
    return found


METRIC = "cancellation_rate"
FLIGHTS = "model.nyc_flights.fct_flights"


def test_a_metric_comes_from_the_parquet_files(command: Command, rows: sqlite3.Connection) -> None:
    """From what it is declared to be built from, and from what was joined to it where it was read."""
    found = traced(command, METRIC)
    joined = rows.execute(
        "SELECT DISTINCT scopes.name FROM reads JOIN scopes USING (scope) WHERE scopes.what = 'dbt_model'"
        f" AND reads.reader <> 'refresh' AND reads.metric LIKE '{METRIC}%'"
    )
    up = parents(FLIGHTS).union(*(parents(name) for [name] in joined))
    assert named(found, "dbt model") == {name for name in up if name.startswith("model.")}
    assert named(found, "source") == {name for name in up if name.startswith("source.")}
    assert {"data/flights.parquet", "data/corrections", "data/weather.parquet"} <= named(
        found, "file"
    )
    assert all((DBT_PROJECT / name).exists() for name in named(found, "file"))
    assert ("cancelled_flights", METRIC) in edges(found, "is part of", "metric", "metric")


def test_it_went_to_those_who_read_it_as_the_rows_say(
    command: Command, rows: sqlite3.Connection
) -> None:
    for [metric] in rows.execute("SELECT DISTINCT metric FROM reads WHERE reader <> 'refresh'"):
        found = traced(command, metric, "--runs", "1000")
        below = {name for name in named(found, "metric") if name == metric or depends(name, metric)}
        assert below == named(found, "metric") - upstream_metrics(metric)
        asked = (
            f"FROM reads WHERE reader <> 'refresh' AND metric IN ({', '.join('?' * len(below))})"
        )
        counts = rows.execute(
            f"SELECT metric, reader, outcome, count(*) AS reads, max(at) AS at {asked} GROUP BY 1, 2, 3",
            [*below],
        ).fetchall()
        for outcome, how in (("allowed", "was read by"), ("refused", "was refused to")):
            told = edges(found, how, "metric", "agent")
            assert {place: (facts["reads"], facts["newest"]) for place, facts in told.items()} == {
                (row["metric"], row["reader"]): (row["reads"], row["at"])
                for row in counts
                if row["outcome"] == outcome
            }
        in_runs = rows.execute(
            f"SELECT metric, run_id, count(*) AS reads {asked} AND outcome = 'allowed' AND run_id IS NOT NULL GROUP BY 1, 2",
            [*below],
        )
        told = edges(found, "was read by", "metric", "run")
        assert {place: facts["reads"] for place, facts in told.items()} == {
            (row["metric"], row["run_id"]): row["reads"] for row in in_runs
        }


def test_a_read_of_two_metrics_gives_neither_the_models_of_the_other(command: Command) -> None:
    asked = command(
        "ask", "cancelled_flights", "precipitation_inches", "--as", "operations_watch",
        "--by", "metric_time__day", "--from", "2013-02-08", "--to", "2013-02-09",
    )  # fmt: skip
    assert asked.code == 0, asked.err
    found = traced(command, "precipitation_inches")
    assert FLIGHTS not in named(found, "dbt model")
    [node] = [it for it in found["nodes"] if it["name"] == "precipitation_inches"]
    assert {"type", "unit", "owner", "definition"} <= set(node["facts"])


def test_runs_lead_to_what_was_decided_in_them(command: Command, rows: sqlite3.Connection) -> None:
    found = traced(command, METRIC, "--runs", "1000")
    runs = named(found, "run")
    decided = {
        (row["run_id"], row["record_id"])
        for row in rows.execute("SELECT run_id, record_id FROM records WHERE kind = 'decision'")
        if row["run_id"] in runs
    }
    assert set(edges(found, "decided", "run", "decision")) == decided != set()


def test_dagster_tells_of_the_same_reads(command: Command, told: Told) -> None:
    warehouse = told.folder / "warehouse" / "nyc_flights.duckdb"
    with Location(told.folder, build_demo(), warehouse, home=told.home) as location:
        for metric in (METRIC, "flights", "distance_flown_miles"):
            observed = location.instance.fetch_observations(metric_key(metric), limit=1_000).records
            found = traced(command, metric, "--runs", "1000")
            per_run = edges(found, "was read by", "metric", "run")
            mine = {run: facts for (name, run), facts in per_run.items() if name == metric}
            reads: Counter[str] = Counter()
            for record in observed:
                assert record.asset_observation is not None
                assert record.asset_observation.tags is not None
                reads[record.run_id] += record.asset_observation.metadata["reads"].value  # type: ignore[assignment]
                version = record.asset_observation.tags["dagster/data_version"]
                assert version == mine[record.run_id]["version"]
            assert reads == {run: facts["reads"] for run, facts in mine.items()} != {}


def test_a_read_a_run_an_agent_and_a_decision_lead_up_to_the_files(
    command: Command, rows: sqlite3.Connection
) -> None:
    decision = rows.execute(
        "SELECT record_id, run_id, body FROM records WHERE kind = 'decision' AND reader = 'operations_watch'"
    ).fetchone()
    rests_on = json.loads(decision["body"])["record"]["details"]["reads"]
    found = traced(command, decision["record_id"][:13])
    assert found["start"] == {"kind": "decision", "name": decision["record_id"]}
    assert set(edges(found, "is a ground of", "read", "decision")) == {
        (read, decision["record_id"]) for read in rests_on
    }
    assert decision["run_id"] in named(found, "run")
    for name, kind in (
        (decision["run_id"][:8], "run"),
        (rests_on[0], "read"),
        ("operations_watch", "agent"),
    ):
        found = traced(command, name)
        assert found["start"]["kind"] == kind
        assert "data/flights.parquet" in named(found, "file")
        assert (kind == "agent") == bool(edges(found, "may be read by", "metric", "agent"))
        where = {"run": "run_id", "read": "read_id", "agent": "reader"}[kind]
        read = {
            row["metric"]
            for row in rows.execute(
                f"SELECT metric FROM reads WHERE {where} = ? AND reader <> 'refresh'",
                [found["start"]["name"]],
            )
        }
        read |= {metric for metric, _ in edges(found, "may be read by", "metric", "agent")}
        assert read <= named(found, "metric") <= read.union(*map(upstream_metrics, read))


def test_a_table_a_model_and_a_file_lead_down_to_decisions(
    command: Command, rows: sqlite3.Connection
) -> None:
    # A read may be of metrics of several models: those of this one count.
    weather = {
        "precipitation_inches",
        "average_wind_gust",
        "low_visibility_hours",
        "weather_hours",
        "low_visibility_hour_share",
    }
    by_model = Counter(
        row["reader"]
        for row in rows.execute(
            "SELECT reads.reader, reads.metric FROM reads JOIN scopes USING (scope) WHERE reader <> 'refresh'"
            " AND scopes.what = 'dbt_model' AND scopes.name = ? AND outcome = 'allowed'",
            ["model.nyc_flights.fct_weather_hours"],
        )
        if row["metric"] in weather
    )
    for name in ("fct_weather_hours", "nyc_flights.main.fct_weather_hours"):
        found = traced(command, name)
        told = edges(found, "was read by", "metric", "agent")
        readers: Counter[str] = Counter()
        for (_, reader), facts in told.items():
            readers[reader] += facts["reads"]
        assert readers == by_model
    found = traced(command, "data/weather.parquet")
    assert named(found, "decision")
    assert "source.nyc_flights.raw.weather" in named(found, "source")


def test_of_a_day_it_is_what_was_used_then(command: Command, rows: sqlite3.Connection) -> None:
    # The story may have been played over midnight.
    watched = f"SELECT max(at) FROM reads WHERE reader = 'operations_watch' AND metric = '{METRIC}'"
    today = rows.execute(watched).fetchone()[0][:10]
    found = traced(command, METRIC, "--since", today)
    assert not [edge for edge in found["edges"] if edge["how"] == "may be read by"]
    readers = rows.execute(
        f"SELECT DISTINCT reader FROM reads WHERE metric = '{METRIC}' AND reader <> 'refresh' AND at >= ?",
        [today],
    )
    assert named(found, "agent") == {reader for [reader] in readers} >= {"operations_watch"}
    assert "data/flights.parquet" in named(found, "file")
    before = traced(command, METRIC, "--on", "2020-02-09")
    assert [node["name"] for node in before["nodes"]] == [METRIC]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cancelation_rate", "did you mean 'cancellation_rate'"),
        ("fct_flight", "did you mean 'fct_flights'"),
        ("operations_wach", "did you mean 'operations_watch'"),
        ("nobody at all", "name a metric"),
    ],
)
def test_the_nearest_name_is_told(command: Command, name: str, hint: str) -> None:
    said = command("lineage", name)
    assert said.code == 1
    assert hint in said.err


def test_a_time_that_is_none_and_a_form_that_is_none_are_refused(
    command: Command, tmp_path: Path
) -> None:
    future = command("lineage", METRIC, "--since", "2999-01-01")
    assert future.code == 1
    assert "still to come" in future.err
    assert command("lineage", "").code == 1
    backwards = command("lineage", METRIC, "--since", "2026-11-02", "--until", "2026-11-01")
    assert backwards.code == 1
    assert "No time is from" in backwards.err
    assert command("lineage", METRIC, "--on", "someday").code == 2
    assert command("lineage", METRIC, "--kind", "agent").code == 1
    assert command("lineage", METRIC, "--to", str(tmp_path / "it.pdf")).code == 2


def test_it_is_a_tree_a_flowchart_and_a_page(command: Command, tmp_path: Path) -> None:
    tree = command("lineage", METRIC).out
    assert "comes from" in tree
    assert "file data/flights.parquet" in tree
    assert re.search(r"agent operations_watch +read \d+x, last 20", tree)
    assert re.search(r"agent analyst_dl +granted, not read", tree)
    flowchart = command("lineage", METRIC, "--format", "mermaid").out
    assert flowchart.startswith("flowchart LR\n")
    assert '["metric: cancellation_rate"]:::metric' in flowchart
    assert command("lineage", METRIC, "--to", str(tmp_path / "it.md")).code == 0
    assert (tmp_path / "it.md").read_text().startswith("```mermaid\nflowchart LR\n")
    assert command("lineage", METRIC, "--to", str(tmp_path / "it.html")).code == 0
    page = (tmp_path / "it.html").read_text()
    [written] = re.findall(r'<script type="application/json" id="traced">(.*)</script>', page)
    assert json.loads(written) == traced(command, METRIC)
    addresses = set(re.findall(r"https?://[^\"'\s]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}, "a name, and no address that is asked"


def depends(name: str, on: str) -> bool:
    return on in upstream_metrics(name)


def upstream_metrics(name: str) -> set[str]:
    """The metrics that one is made of, however far, as dbt's semantic manifest says."""
    semantic = json.loads((DBT_PROJECT / "target" / "semantic_manifest.json").read_text())
    inputs = {
        metric["name"]: {
            item["name"]
            for key in ("numerator", "denominator", "metrics")
            for item in (metric["type_params"].get(key) or [])
            if isinstance(metric["type_params"].get(key), list)
        }
        | {
            metric["type_params"][key]["name"]
            for key in ("numerator", "denominator")
            if metric["type_params"].get(key)
        }
        | {
            (metric["type_params"].get("cumulative_type_params") or {})
            .get("metric", {})
            .get("name")
            if (metric["type_params"].get("cumulative_type_params") or {}).get("metric")
            else ""
        }
        for metric in semantic["metrics"]
    }
    found, waiting = set(), [*inputs.get(name, ())]
    while waiting:
        one = waiting.pop()
        if one and one not in found:
            found.add(one)
            waiting += inputs.get(one, ())
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("lineage", METRIC),
        (
            "recall",
            METRIC,
            "--from",
            "2013-02-08",
            "--to",
            "2013-02-08",
            "--reason",
            "late",
            "--dry-run",
        ),
        (
            "evidence",
            "--agent",
            "operations_watch",
            "--from",
            "today",
            "--to",
            "today",
            "--folder",
            "new",
        ),
    ],
)
def test_of_a_record_that_is_not_whole_that_is_said_first(
    command: Command,
    told: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
) -> None:
    home = tmp_path / "home"
    shutil.copytree(told.home, home)
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect(home / "governed_agents" / "ledger.db")
    for [name] in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')
    connection.execute("DELETE FROM records WHERE seq = 12")
    connection.commit()
    connection.close()
    said = command(*arguments, home=home)
    assert said.code == 0, said.err
    assert said.err.startswith("THE RECORD IS NOT WHOLE: ")
    assert "`governed-agents verify` tells all" in said.err
    if arguments[0] == "lineage":
        found = command(*arguments, "--json", home=home)
        assert json.loads(found.out)["notices"][0].startswith("THE RECORD IS NOT WHOLE")
