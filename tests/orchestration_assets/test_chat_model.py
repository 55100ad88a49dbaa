"""An agent on a chat model: the same asset, resource, door and record as with a script, and its key in none of them."""

import json
import os
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic_ai import models

from agent_resources.errors import AgentDefinitionError
from orchestration_assets.agents_project import ModelSettings, build_agents_definitions
from orchestration_assets.metrics_project import build_metrics_definitions
from semantic import spans
from semantic.ledger import Ledger, ReadQuestion, find_reads
from tests.agent_resources.openai_server import Failure, openai_server, tool_call
from tests.orchestration_assets.corner_shop import CORNER, load_shop, warehouse_of
from tests.orchestration_assets.location import Location, agent_key, metric_key

KEY = "sk-canary-5f1c7a90e2"


def _reply(asked: dict[str, Any]) -> dict[str, Any]:
    """A model that asks for one metric it may read and one that it may not, and then decides."""
    returned = [json.loads(item["content"]) for item in asked["messages"] if item["role"] == "tool"]
    if len(returned) < 2:
        wanted = ("orders", "customers")[len(returned)]
        return tool_call("query_metrics", {"metrics": [wanted]}, f"call-{len(returned)}")
    orders, refused = returned
    figure = {"name": "orders", "value": orders["rows"][0][0], "read_id": orders["read_id"]}
    decision = {
        "answer": f"{orders['rows'][0][0]} orders. {refused['message']}.",
        "findings": [{"statement": "Orders stand.", "figures": [figure]}],
        "confidence": 0.7,
    }
    return tool_call("final_result", decision, "call-2")


def on_model(shop: Location, model: ModelSettings) -> dg.Definitions:
    """The corner shop, whose agents are on a chat model."""
    metrics, stopped = load_shop(shop.folder), dg.DefaultSensorStatus.STOPPED
    return dg.Definitions.merge(
        build_metrics_definitions(metrics, default_sensor_status=stopped),
        build_agents_definitions(
            CORNER / "agents", metrics, model=model, default_sensor_status=stopped
        ),
    )


def test_an_agent_runs_on_any_openai_compatible_server(
    shop: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    monkeypatch.setenv("KEY_OF_THE_TEST", KEY)
    with openai_server(_reply) as (url, requests):
        definitions = on_model(
            shop, ModelSettings(model="small-model", base_url=url, api_key_env="KEY_OF_THE_TEST")
        )
        with Location(shop.folder, definitions, warehouse_of(shop.folder)) as location:
            ran = location.run([agent_key("boss")])
            assert ran.success, ran.failures
            materialized = location.instance.get_latest_materialization_event(agent_key("boss"))
            observed = location.instance.fetch_observations(metric_key("orders"), limit=10).records
            reads = _reads(location, ran.run_id)
    assert requests[0]["_headers"]["authorization"] == f"Bearer {KEY}"
    assert materialized is not None
    assert materialized.asset_materialization is not None
    metadata = materialized.asset_materialization.metadata
    assert metadata["answer"].value == "9 orders. Metric 'customers' is not available to 'boss'."
    assert metadata["model"].value == "small-model"
    assert metadata["is_scripted"].value is False
    assert metadata["input_tokens"].value == 30
    assert {record.run_id for record in observed} == {ran.run_id}
    assert reads == {("orders", "allowed"), ("customers", "refused")}
    assert not _files_with(KEY, shop.folder)


def _echoes(asked: dict[str, Any]) -> Failure:
    """A provider that refuses, and puts the key into what it says."""
    key = asked["_headers"]["authorization"]
    told = json.dumps({"error": {"message": f"Incorrect API key provided: {key}"}}).encode()
    return Failure(401, {"X-Echo": key}, told)


@pytest.mark.parametrize(
    ("variable", "key"),
    [("KEY_OF_THE_TEST", KEY), ("ACCESS_TO_THE_MODEL", "plantedcanary-5f1c7a90e2")],
)
def test_a_key_that_is_planted_everywhere_is_in_no_sink(
    shop: Location,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    variable: str,
    key: str,
) -> None:
    """A provider echoes the key: it is in no file, event, log, output, span or repr, whatever it looks like and wherever it came from."""
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    monkeypatch.setenv(variable, key)
    monkeypatch.setattr(spans, "_TRACER", (provider := TracerProvider()).get_tracer("tests"))
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    caplog.set_level("INFO")
    with openai_server(_echoes) as (url, requests):
        definitions = on_model(
            shop, ModelSettings(model="small-model", base_url=url, api_key_env=variable)
        )
        with Location(shop.folder, definitions, warehouse_of(shop.folder)) as location:
            ran = location.run([agent_key("boss")])
            assert not ran.success
            events = location.instance.all_logs(ran.run_id)
            written = " ".join(dg.serialize_value(event) for event in events)
    assert requests
    assert "401" in written
    assert "[credential]" in written
    said = capfd.readouterr()
    sinks = {
        "events": written,
        "output": said.out + said.err,
        "logs": caplog.text + " ".join(str(vars(record)) for record in caplog.records),
        "spans": " ".join(item.to_json() for item in exporter.get_finished_spans()),
        "definitions": repr(definitions.resources) + repr(list(definitions.assets or ())),
    }
    assert [name for name, text in sinks.items() if key in text] == []
    assert not _files_with(key, shop.folder)


def test_a_missing_key_is_said_by_the_name_of_its_variable_and_where_the_agent_stands(
    shop: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEY_OF_NOBODY", raising=False)
    settings = ModelSettings(model="openai:gpt-5-mini", api_key_env="KEY_OF_NOBODY")
    with pytest.raises(AgentDefinitionError) as refused:
        on_model(shop, settings)
    assert "KEY_OF_NOBODY is not set" in str(refused.value)
    assert re.search(r"boss\.yaml:\d+: ", str(refused.value))
    assert "keys: at_run" in str(refused.value.hint)


def test_a_key_that_only_runs_have_is_told_by_the_run(
    shop: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEY_OF_NOBODY", raising=False)
    definitions = on_model(
        shop,
        ModelSettings(model="openai:gpt-5-mini", api_key_env="KEY_OF_NOBODY", keys_at_run=True),
    )
    with (
        Location(shop.folder, definitions, warehouse_of(shop.folder)) as location,
        pytest.raises(Exception, match="KEY_OF_NOBODY"),
    ):
        location.job.execute_in_process(
            instance=location.instance, asset_selection=[agent_key("boss")]
        )


def _reads(location: Location, run_id: str) -> set[tuple[str, str]]:
    ledger = Ledger.open(location.home / "governed_agents" / "ledger.db")
    try:
        return {
            (read.metric, read.outcome) for read in find_reads(ledger, ReadQuestion(run=run_id))
        }
    finally:
        ledger.close()


def _files_with(text: str, folder: Path) -> list[str]:
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root) / name
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(str(path))
    return found
