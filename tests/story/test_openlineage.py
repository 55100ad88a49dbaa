"""The OpenLineage events of the demonstration, against the rows of its ledger and Dagster's own events, by the official schemas."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterEventType, DagsterInstance

from tests.semantic.openlineage.official import check
from tests.story.conftest import Said, Told

Command = Callable[..., Said]
Json = dict[str, Any]


@pytest.fixture(scope="module")
def events(command: Command, tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """Everything that the command sends, with a destination of its own."""
    file = tmp_path_factory.mktemp("openlineage") / "events.jsonl"
    said = command("openlineage", "send", "--to", str(file))
    assert said.code == 0, said.err
    return [json.loads(line) for line in file.read_text().splitlines()]


def governed(event: Json) -> Json:
    found: Json = event["run"]["facets"]["governedAgents_run"]
    return found


def read_ids(event: Json) -> set[tuple[str, str]]:
    """The reads of an event, each with its metric."""
    return {
        (it["readId"], dataset["name"].removeprefix("metrics/"))
        for dataset in event["inputs"]
        for it in dataset.get("inputFacets", {}).get("governedAgents_reads", {}).get("reads", ())
    }


def ends(events: list[Json]) -> list[Json]:
    """Of runs of Dagster: other tests ask this record too."""
    found = [it for it in events if it["eventType"] in ("COMPLETE", "FAIL", "ABORT")]
    return [it for it in found if "dagsterRunId" in governed(it)]


def test_every_event_is_as_the_official_schemas_say(events: list[Json]) -> None:
    assert events
    for event in events:
        check(event)


def test_each_read_and_each_decision_on_record_is_in_one_run(
    events: list[Json], rows: sqlite3.Connection
) -> None:
    on_record = rows.execute(
        "SELECT read_id, metric, outcome FROM reads WHERE reader <> 'refresh' AND run_id IS NOT NULL"
    ).fetchall()
    told = [pair for event in ends(events) for pair in read_ids(event)]
    assert Counter(told) == Counter(
        (row["read_id"], row["metric"]) for row in on_record if row["outcome"] == "allowed"
    )
    refused = {it["readId"] for event in ends(events) for it in governed(event)["refusals"]}
    assert refused == {row["read_id"] for row in on_record if row["outcome"] == "refused"}
    decided = rows.execute(
        "SELECT record_id FROM records WHERE kind = 'decision' AND reason IS NULL"
    )
    assert {governed(it).get("decisionId") for it in events} - {None} == {id_ for [id_] in decided}
    kinds: dict[str, Counter[str]] = {}
    for event in (it for it in events if "dagsterRunId" in governed(it)):
        kinds.setdefault(event["run"]["runId"], Counter())[event["eventType"]] += 1
    assert all(it["START"] == 1 for it in kinds.values())
    assert all(
        sum(it[kind] for kind in ("COMPLETE", "FAIL", "ABORT")) == 1 for it in kinds.values()
    )


def test_dagster_tells_of_the_same_metrics_and_versions(events: list[Json], told: Told) -> None:
    with DagsterInstance.from_config(str(told.home)) as instance:
        for event in ends(events):
            run_id = governed(event)["dagsterRunId"]
            observed = {
                (
                    it.asset_observation.asset_key.path[-1],
                    it.asset_observation.tags["dagster/data_version"],
                )
                for it in instance.all_logs(run_id, of_type=DagsterEventType.ASSET_OBSERVATION)
                if it.asset_observation is not None
                and it.asset_observation.tags.get("governed_agents/agent") == event["job"]["name"]
            }
            told_of = {
                (it["name"].removeprefix("metrics/"), it["facets"]["version"]["datasetVersion"])
                for it in event["inputs"]
                if it["facets"]["datasetType"]["datasetType"] == "METRIC"
            }
            assert told_of == observed
            parent = event["run"]["facets"]["parent"]
            run = instance.get_run_by_id(run_id)
            assert run is not None
            assert (parent["run"]["runId"], parent["job"]["name"]) == (run_id, run.job_name)


def test_no_figure_and_no_text_of_a_model_is_in_an_event(events: list[Json], told: Told) -> None:
    # The seconds of a moment may be a figure's digits.
    said = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+", "", json.dumps(events))
    assert "50.8" not in said
    assert "stood out" not in said


def test_the_tables_are_those_that_dbt_built(events: list[Json]) -> None:
    tables = {
        (it["namespace"], it["name"])
        for event in ends(events)
        for it in event["inputs"]
        if it["facets"]["datasetType"]["datasetType"] == "TABLE"
    }
    assert ("duckdb://nyc_flights", "nyc_flights.main.fct_flights") in tables


def test_a_run_is_printed_and_nothing_is_sent(
    command: Command, events: list[Json], tmp_path: Path
) -> None:
    run_id = governed(ends(events)[-1])["dagsterRunId"]
    said = command("openlineage", "events", run_id[:12])
    assert said.code == 0, said.err
    printed = [json.loads(line) for line in said.out.splitlines()]
    of_run = [it for it in events if governed(it).get("dagsterRunId") == run_id]
    client = {"tags"}  # which the client adds when it sends
    for event in of_run:
        for key in client:
            event["run"]["facets"].pop(key, None)
    assert printed == of_run


def test_the_schemas_are_written_and_a_slip_of_the_pen_is_told(
    command: Command, tmp_path: Path
) -> None:
    assert command("openlineage", "schemas", "--to", str(tmp_path)).code == 0
    written = sorted(path.name for path in (tmp_path / "1-0-0").iterdir())
    assert written == [
        "GovernedAgentsReadsInputDatasetFacet.json",
        "GovernedAgentsRunFacet.json",
    ]
    assert "No read of a run 'zzz'" in command("openlineage", "events", "zzz").err
    said = command("openlineage", "send", "--to", "gopher://there")
    assert (said.code, "gopher:// is no address" in said.err) == (1, True)
