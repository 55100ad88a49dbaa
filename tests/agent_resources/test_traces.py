"""The spans of a run: what it did in which turn, under the ids of its records, and nothing of what was said."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import format_span_id, format_trace_id

from agent_resources.decision import Decision
from agent_resources.errors import AgentRunFailed
from agent_resources.models import ScriptedModel, Told, ToolStep, query_metrics
from agent_resources.runner import run_agent
from semantic import spans
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext, RecordKind
from tests.agent_resources.deciding import IMPATIENT, decide
from tests.agent_resources.test_resume import Flaky
from tests.agent_resources.test_runner import ANALYST, CONTEXT, written

Steps = Generator[ToolStep, Told, Decision]


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What a process would export."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "_TRACER", provider.get_tracer("tests"))
    yield exporter
    provider.shutdown()


def steps() -> Steps:
    told = yield query_metrics("orders", group_by="customer__region")
    refused = yield query_metrics("customers")
    return Decision(answer=f"{len(told.records())} SECRET {refused.message}", confidence=1)


def named(exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for item in sorted(exporter.get_finished_spans(), key=lambda it: it.start_time or 0):
        found.setdefault(item.name, []).append(item)
    return found


def parents(found: Sequence[ReadableSpan]) -> list[int | None]:
    return [item.parent.span_id if item.parent else None for item in found]


def span_id(item: ReadableSpan) -> int:
    assert item.context is not None
    return item.context.span_id


def attribute(item: ReadableSpan, name: str) -> Any:
    return (item.attributes or {}).get(name)


def test_a_run_is_a_tree_of_spans(door: GovernedMetrics, exported: InMemorySpanExporter) -> None:
    run = decide(ANALYST, ScriptedModel(steps), door, CONTEXT)
    found = named(exported)
    [root] = found["invoke_agent analyst_mo"]
    turns = [found[f"turn {number}"][0] for number in (1, 2, 3)]
    assert parents(turns) == [span_id(root)] * 3
    chats = found["chat scripted:steps"]
    assert parents(chats) == [span_id(turn) for turn in turns]
    tools = found["execute_tool query_metrics"]
    assert parents(tools) == [span_id(turn) for turn in turns[:2]]
    reads = found["governed_read"]
    assert parents(reads) == [span_id(tool) for tool in tools]
    assert sum(map(len, found.values())) == 1 + 3 + 3 + 2 + 2

    assert attribute(root, "governed_agents.decision.id") == run.decision_id
    assert attribute(root, "governed_agents.state") == "decided"
    assert attribute(root, "governed_agents.dagster.run_id") == "run-1"
    assert attribute(root, "gen_ai.agent.version") == ANALYST.hash
    records = [record["id"] for record in written(door, RecordKind.MODEL_CALL)]
    assert [attribute(chat, "governed_agents.record.id") for chat in chats] == records
    answered, refused = run.reads
    for spans_of in (tools, reads):
        assert [attribute(item, "governed_agents.record.id") for item in spans_of] == [
            answered.result.read_id,
            refused.result.read_id,
        ]
        assert attribute(spans_of[1], "governed_agents.refused") == "not_available"
    assert attribute(reads[0], "governed_agents.metrics") == ("orders",)
    assert attribute(reads[0], "governed_agents.rows") == len(run.answers()[0].rows)
    tokens = [attribute(chat, "gen_ai.usage.input_tokens") for chat in chats]
    assert sum(tokens) == run.usage.input_tokens == attribute(root, "gen_ai.usage.input_tokens")


def test_the_record_names_the_spans(door: GovernedMetrics, exported: InMemorySpanExporter) -> None:
    decide(ANALYST, ScriptedModel(steps), door, CONTEXT)
    [read, _] = named(exported)["governed_read"]
    [intent] = written(door, RecordKind.INTENT)
    assert read.context is not None
    assert intent["span"] == format_span_id(read.context.span_id)
    assert intent["trace"] == format_trace_id(read.context.trace_id)
    [decision] = written(door, RecordKind.DECISION)
    assert decision["trace"] == intent["trace"]


def test_nothing_of_what_was_said_is_in_a_span(
    door: GovernedMetrics, exported: InMemorySpanExporter
) -> None:
    decide(ANALYST, ScriptedModel(steps), door, CONTEXT, question="Why, SECRET?")
    everything = " ".join(item.to_json() for item in exported.get_finished_spans())
    for said in ("SECRET", "customer__region", "north", ANALYST.instructions):
        assert said not in everything


def test_a_failure_is_told_by_its_kind_alone(
    door: GovernedMetrics, exported: InMemorySpanExporter
) -> None:
    with pytest.raises(AgentRunFailed):
        run_agent(ANALYST, Flaky(steps, 1), door, CONTEXT, patience=IMPATIENT)
    found = named(exported)
    [chat] = found["chat flaky"]
    assert attribute(chat, "error.type") == "ModelHTTPError"
    [root] = found["invoke_agent analyst_mo"]
    assert attribute(root, "error.type") == "AgentRunFailed"
    assert "overloaded" not in " ".join(item.to_json() for item in exported.get_finished_spans())


def test_a_request_that_was_paid_before_is_no_request(
    door: GovernedMetrics, exported: InMemorySpanExporter
) -> None:
    decide(ANALYST, ScriptedModel(steps), door, CONTEXT)
    exported.clear()
    decide(ANALYST, ScriptedModel(steps), door, ReadContext(**{**vars(CONTEXT), "run_id": "run-2"}))
    found = named(exported)
    assert "chat scripted:steps" not in found
    assert "governed_read" not in found
    assert len(found["execute_tool query_metrics"]) == 2


def test_attributes_are_those_of_the_pinned_conventions() -> None:
    values = [getattr(gen_ai_attributes, name) for name in dir(gen_ai_attributes)]
    known = {name for name in values if isinstance(name, str)} | {error_attributes.ERROR_TYPE}
    assert {item.value for item in spans.GenAi} <= known
    assert f"https://opentelemetry.io/schemas/{spans.CONVENTIONS}" in {it.value for it in Schemas}
    assert all(item.value.startswith("governed_agents.") for item in spans.Ours)


EXPORTS = """
from agent_resources.trace_export import export_where_configured, flush
from semantic.spans import span
export_where_configured()
with span("invoke_agent watch", {}):
    pass
flush()
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector on loopback, and what it was sent."""
    sent: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("is_named", [True, False])
def test_spans_are_sent_where_the_environment_says_so(
    collector: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    address, sent = collector
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    if is_named:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("PYTHONPATH", ".")
    subprocess.run([sys.executable, "-c", EXPORTS], check=True, timeout=60)
    assert bool(sent) is is_named
    if is_named:
        assert b"invoke_agent watch" in sent[0]
        assert b"governed-agents" in sent[0]
