"""The sensor that sends OpenLineage events: what it cannot send waits in the record, and is sent once."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration_assets.openlineage_sensor import build_openlineage_sensor
from semantic.answer import MetricAnswer
from semantic.ledger import ReadContext
from semantic.policy import Reader
from semantic.query import MetricQuery
from tests.orchestration_assets.corner_shop import build_definitions, warehouse_of
from tests.orchestration_assets.location import Location, agent_key, fork
from tests.semantic.openlineage.official import check


def sensing(folder: Path, to: str) -> dg.Definitions:
    return dg.Definitions.merge(
        build_definitions(folder), dg.Definitions(sensors=[build_openlineage_sensor(to)])
    )


@pytest.fixture
def folder(settled_shop: Path, tmp_path: Path) -> Iterator[Path]:
    return fork(settled_shop, tmp_path / "shop")


def said(location: Location) -> str:
    return location.tick("openlineage_events").skipped


def test_what_nobody_takes_waits_and_is_sent_once(folder: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Location(folder, sensing(folder, nobody), warehouse_of(folder)) as location:
            assert location.run([agent_key("north")]).success
            assert "could not be sent to http://127.0.0.1" in said(location)
            assert "nothing is lost" in said(location)
    file = tmp_path / "events.jsonl"
    with Location(folder, sensing(folder, str(file)), warehouse_of(folder)) as location:
        assert "events of" in said(location)
        events = [json.loads(line) for line in file.read_text().splitlines()]
        assert "0 events" in said(location)
        ran = location.run([agent_key("north")])
        assert "2 events of 1 runs" in said(location)
        [start, complete] = [json.loads(it) for it in file.read_text().splitlines()][len(events) :]
    for event in (*events, start, complete):
        check(event)
    assert complete["run"]["facets"]["governedAgents_run"]["dagsterRunId"] == ran.run_id
    assert (complete["job"]["name"], complete["eventType"]) == ("north", "COMPLETE")


def test_a_run_that_failed_is_told_as_failed(folder: Path, tmp_path: Path) -> None:
    """An asset that reads as itself, and fails: nothing on record says how its run ended."""
    file = tmp_path / "events.jsonl"

    @dg.asset(required_resource_keys={"governed_metrics"})
    def falls(context: dg.AssetExecutionContext) -> None:
        with context.resources.governed_metrics.open(context.instance) as metrics:
            asked = ReadContext(run_id=context.run.run_id, root_run_id=context.run.run_id)
            answer = metrics.query(
                MetricQuery(metrics=("orders",)), reader=Reader(name="boss"), context=asked
            )
            assert isinstance(answer, MetricAnswer)
        raise dg.Failure("it fell")

    definitions = dg.Definitions.merge(sensing(folder, str(file)), dg.Definitions(assets=[falls]))
    with Location(folder, definitions, warehouse_of(folder)) as location:
        said(location)
        ran = location.run([dg.AssetKey("falls")])
        assert not ran.success
        assert "events of" in said(location)
    events = [json.loads(it) for it in file.read_text().splitlines()]
    mine = [
        it
        for it in events
        if it["run"]["facets"]["governedAgents_run"]["dagsterRunId"] == ran.run_id
    ]
    assert [it["eventType"] for it in mine] == ["START", "FAIL"]
    assert next(it["name"] for it in mine[1]["inputs"]) == "metrics/orders"
