"""Runs of agents over the shop: by a script, and by a chat server on loopback through the same path."""

import json
from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from openai import AsyncOpenAI
from pydantic_ai import models
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from agent_resources.agent import AgentDefinition, Limits
from agent_resources.decision import Decision, Figure, Finding
from agent_resources.errors import AgentRunFailed, ModelUnavailable
from agent_resources.metric_views import cell_view
from agent_resources.models import (
    Script,
    ScriptedModel,
    Told,
    ToolStep,
    describe_metric,
    list_metrics,
    query_metrics,
    resolve_model,
)
from semantic.answer import MetricAnswer, Refusal
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import (
    ERASED,
    Ledger,
    ReadContext,
    ReadQuestion,
    RecordKind,
    derived_id,
    find_reads,
)
from semantic.ledger.chain import content_of
from semantic.ledger.schema import journal, records
from tests.agent_resources.deciding import decide
from tests.agent_resources.openai_server import openai_server, tool_call
from tests.conftest import OpenDoor
from tests.faults.skewed import SkewedStore
from tests.semantic.door import POLICY

BREAKER = POLICY + "\nbreaker: {failures: 3, seconds: 60}\n"
CONTEXT = ReadContext(run_id="run-1", root_run_id="run-1", step_key="agents__analyst_mo")
ANALYST = AgentDefinition(
    name="analyst_mo",
    description="Says how orders stand.",
    instructions="Say how orders stand.",
    metrics=("orders", "revenue", "customers"),
)

Steps = Generator[ToolStep, Told, Decision]


def by_region() -> Steps:
    listed = yield list_metrics()
    described = yield describe_metric("orders")
    told = yield query_metrics("orders", group_by="customer__region", order_by="-orders")
    refused = yield query_metrics("customers")
    most = told.records()[0]
    return Decision(
        answer=f"Most orders came from the {most['customer__region']}: {most['orders']}. "
        f"I may read {len(listed.content)} metrics. {refused.message}",
        findings=(
            Finding(
                statement=f"{len(described.content['group_by'])} names to group by.",
                figures=(told.figure("orders", "orders of the first region", most),),
            ),
        ),
        confidence=0.9,
    )


def test_a_script_runs_to_a_decision_with_the_reads_it_rests_on(door: GovernedMetrics) -> None:
    run = decide(ANALYST, ScriptedModel(by_region), door, CONTEXT)
    assert run.is_scripted
    assert run.model == "scripted:by_region"
    assert "Most orders came from the north: 4. I may read 2 metrics." in run.decision.answer
    assert "'customers' is not available" in run.decision.answer
    assert [type(item.result) for item in run.reads] == [MetricAnswer, Refusal]
    [figure] = run.decision.figures()
    assert figure.value == 4
    assert figure.read_id == run.answers()[0].read_id
    on_record = {read.read_id: read for read in find_reads(door.ledger, ReadQuestion(run="run-1"))}
    assert on_record[figure.read_id].outcome == "allowed"
    assert on_record[run.refusals()[0].read_id or ""].outcome == "refused"


def written(door: GovernedMetrics, kind: RecordKind) -> list[dict[str, Any]]:
    """What the records of a kind say, in the order in which they were written."""
    with door.ledger.reading() as connection:
        bodies = connection.scalars(
            sa.select(records.c.body).where(records.c.kind == kind.value).order_by(records.c.seq)
        )
        return [content_of(body) for body in bodies]


def test_the_decision_is_on_record_with_its_reads_once_however_often_it_is_tried(
    door: GovernedMetrics,
) -> None:
    run = decide(ANALYST, ScriptedModel(by_region), door, CONTEXT)
    again = decide(ANALYST, ScriptedModel(by_region), door, CONTEXT)
    assert again.decision_id == run.decision_id
    assert again.resumed_from == "run-1"
    [decision] = written(door, RecordKind.DECISION)
    assert decision["id"] == run.decision_id
    assert decision["reader"] == "analyst_mo"
    assert decision["details"]["reads"] == [item.result.read_id for item in run.reads]
    assert decision["details"]["cited"] == [run.answers()[0].read_id]
    assert decision_text(door, run.decision_id) == run.decision.model_dump_json()
    assert len(written(door, RecordKind.MODEL_CALL)) == run.usage.requests


def decision_text(door: GovernedMetrics, decision_id: str) -> str:
    body = door.ledger.body(decision_id, RecordKind.DECISION)
    assert body is not None
    return str(body["details"]["decision"])


def test_the_text_of_a_decision_can_be_erased(door: GovernedMetrics) -> None:
    run = decide(ANALYST, ScriptedModel(about("Jane Doe")), door, CONTEXT)
    assert "Jane Doe" in decision_text(door, run.decision_id)
    assert "Jane Doe" not in str(written(door, RecordKind.DECISION))

    assert door.ledger.erase("Jane Doe", by="owner", reason="asked") == (1, 1, 1)
    assert decision_text(door, run.decision_id) == ERASED
    assert door.ledger.verify().is_whole
    again = decide(ANALYST, ScriptedModel(about("Jane Doe")), door, CONTEXT)
    assert again.decision_id != run.decision_id, "what was erased is not known any more"
    assert "Jane Doe" in decision_text(door, again.decision_id)


def test_another_decision_of_a_step_that_is_tried_again_has_a_record_of_its_own(
    door: GovernedMetrics,
) -> None:
    """Also where it rests on the same reads; and the text of neither is in the ids."""
    runs = []
    for name in ("Jane Doe", "Joe Bloggs") * 2:
        runs.append(decide(ANALYST, ScriptedModel(about(name)), door, CONTEXT))
        forget_requests(door)
    first, second, *again = [run.decision_id for run in runs]
    assert again == [first, second]
    assert "Jane Doe" in decision_text(door, first)
    assert "Joe Bloggs" in decision_text(door, second)
    assert len(written(door, RecordKind.DECISION)) == 2

    [read_id] = [item.result.read_id for item in runs[0].reads]
    place = ["analyst_mo", "run-1", CONTEXT.step_key, ANALYST.hash, read_id]
    assert first == derived_id("decision", place)
    assert second == derived_id("decision", [first])


def forget_requests(door: GovernedMetrics) -> None:
    """As erasing does, so that what a run asked is asked again."""
    with door.ledger.transaction() as transaction:
        transaction.connection.execute(sa.delete(journal).where(journal.c.call.like("model%")))


def about(person: str) -> Script:
    def script() -> Steps:
        yield query_metrics("orders")
        return Decision(answer=f"{person} ordered most.", confidence=1)

    return script


def test_a_request_that_fails_is_on_record(door: GovernedMetrics) -> None:
    def breaks(messages: object, info: object) -> ModelResponse:
        raise ConnectionError("reset")

    with pytest.raises(ConnectionError):
        decide(ANALYST, FunctionModel(breaks), door, CONTEXT)
    [call] = written(door, RecordKind.MODEL_CALL)
    [ended] = written(door, RecordKind.OUTCOME)
    assert ended["id"] == call["id"]
    assert (ended["reason"], ended["details"]["error"]) == ("failed", "ConnectionError")
    assert written(door, RecordKind.DECISION) == []


def test_what_json_cannot_hold_is_told_as_a_text() -> None:
    told = [cell_view(cell) for cell in (float("inf"), float("nan"), Decimal("1.50"), 1.5, None)]
    assert told == ["inf", "nan", 1.5, 1.5, None]
    json.dumps(told, allow_nan=False)


def by_every_name() -> Steps:
    described = yield describe_metric("orders")
    names = [
        name
        for item in described.content["group_by"]
        for name in item.get("write_as", [item["name"]])
    ]
    for name in names:
        yield query_metrics("orders", group_by=name)
    return Decision(answer=", ".join(names), confidence=1)


def test_every_name_that_a_model_is_told_can_be_asked(door: GovernedMetrics) -> None:
    patient = ANALYST.model_copy(update={"limits": Limits(turns=100, tool_calls=100)})
    run = decide(patient, ScriptedModel(by_every_name), door, CONTEXT)
    asked = run.decision.answer.split(", ")
    assert {"customer__region", "metric_time__week", "metric_time__extract_dow"} <= set(asked)
    assert [answer.columns[0] for answer in run.answers()] == asked


def test_a_run_that_is_tried_again_reads_under_the_same_ids(door: GovernedMetrics) -> None:
    first = decide(ANALYST, ScriptedModel(by_region), door, CONTEXT)
    again = decide(ANALYST, ScriptedModel(by_region), door, CONTEXT)
    assert again.decision == first.decision
    assert [read.result.read_id for read in again.reads] == [
        read.result.read_id for read in first.reads
    ]
    assert len(list(find_reads(door.ledger, ReadQuestion(run="run-1")))) == 2


def test_a_decision_that_cites_no_read_of_its_run_does_not_pass(door: GovernedMetrics) -> None:
    def inventor() -> Steps:
        yield query_metrics("orders")
        invented = Figure(name="orders", value=7, read_id="01a1fc91-e589-7d2a-b616-3d112d63b548")
        return Decision(
            answer="Seven.", findings=(Finding(statement="S.", figures=(invented,)),), confidence=1
        )

    with pytest.raises(AgentRunFailed, match="no valid decision"):
        decide(ANALYST, ScriptedModel(inventor), door, CONTEXT)


def test_a_model_that_never_decides_is_told_as_such(door: GovernedMetrics) -> None:
    def chatter(*_: object) -> ModelResponse:
        return ModelResponse(parts=[TextPart("Hello!")])

    with pytest.raises(AgentRunFailed, match="no valid decision"):
        decide(ANALYST, FunctionModel(chatter), door, CONTEXT)


def test_rows_are_cut_at_the_agents_limit_and_it_is_told(door: GovernedMetrics) -> None:
    told_of: list[Any] = []

    def greedy() -> Steps:
        told = yield query_metrics("orders", group_by="order__status", limit=10_000)
        told_of.append(told.content)
        return Decision(answer="Done.", confidence=1)

    short = ANALYST.model_copy(update={"limits": ANALYST.limits.model_copy(update={"rows": 2})})
    decide(short, ScriptedModel(greedy), door, CONTEXT)
    assert len(told_of[-1]["rows"]) == 2
    assert told_of[-1]["notices"] == ["cut: there are more rows than the 2 asked for"]


def test_any_openai_compatible_server_can_be_the_model(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)

    def reply(asked: dict[str, Any]) -> dict[str, Any]:
        returned = [message for message in asked["messages"] if message["role"] == "tool"]
        if not returned:
            return tool_call("query_metrics", {"metrics": "orders", "limit": 5}, "call-1")
        told = json.loads(returned[-1]["content"])
        figure = {"name": "orders", "value": told["rows"][0][0], "read_id": told["read_id"]}
        decision = {
            "answer": f"There were {told['rows'][0][0]} orders.",
            "findings": [{"statement": "Orders.", "figures": [figure]}],
            "confidence": 0.8,
        }
        return tool_call("final_result", decision, "call-2")

    with openai_server(reply) as (url, requests):
        model = resolve_model("small-model", base_url=url, api_key="key-of-the-test")
        run = decide(ANALYST, model, door, CONTEXT)
    assert run.decision.answer == "There were 9 orders."
    assert not run.is_scripted
    assert run.usage.requests == 2
    assert run.usage.input_tokens == 20
    assert requests[0]["model"] == "small-model"
    assert requests[0]["_headers"]["authorization"] == "Bearer key-of-the-test"
    offered = {tool["function"]["name"] for tool in requests[0]["tools"]}
    assert offered == {"list_metrics", "describe_metric", "query_metrics", "final_result"}
    assert "SELECT" not in json.dumps(requests)
    calls = written(door, RecordKind.MODEL_CALL)
    ended = ended_calls(door)
    assert [call["id"] for call in calls] == [end["id"] for end in ended]
    assert [end["details"]["input_tokens"] for end in ended] == [10, 10]
    assert calls[0]["details"]["model"] == "small-model"
    assert calls[0]["root_run_id"] == "run-1"
    assert "key-of-the-test" not in json.dumps([*calls, *ended])


def ended_calls(door: GovernedMetrics) -> list[dict[str, Any]]:
    """What the records say of how requests to chat models ended."""
    begun = {call["id"] for call in written(door, RecordKind.MODEL_CALL)}
    return [end for end in written(door, RecordKind.OUTCOME) if end["id"] in begun]


def decided(asked: dict[str, Any]) -> dict[str, Any]:
    decision = {"answer": "All is well.", "findings": [], "confidence": 0.5}
    return tool_call("final_result", decision, "call-1")


def test_a_provider_that_fails_again_and_again_is_left_alone_by_all_agents(
    open_door: OpenDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    store = SkewedStore(tmp_path / "ledger.db")
    door = open_door(policy=BREAKER, ledger=Ledger(store, keys=tmp_path))
    other = open_door(policy=BREAKER, ledger=Ledger.open(tmp_path / "ledger.db"))
    replies: list[int] = [500, 429, 503]

    with openai_server(lambda asked: replies.pop(0) if replies else decided(asked)) as (url, had):
        model = resolve_model("small-model", base_url=url)
        for _ in range(3):
            with pytest.raises(AgentRunFailed):
                decide(ANALYST, model, door, CONTEXT)
        address = url.removeprefix("http://").removesuffix("/v1")
        told = rf"model openai-compatible:small-model at {address} failed 3 times in a row, and is left alone until \S+ UTC"
        for one in (door, other):
            with pytest.raises(ModelUnavailable, match=told):
                decide(ANALYST, model, one, CONTEXT)
        assert len(had) == 3, "it is not asked"
        larger = resolve_model("larger-model", base_url=url)
        assert decide(ANALYST, larger, door, replace(CONTEXT, root_run_id="another"))

        replies.append(502)
        store.skew = timedelta(seconds=61)
        with pytest.raises(AgentRunFailed):
            decide(ANALYST, model, door, CONTEXT)
        with pytest.raises(ModelUnavailable):
            decide(ANALYST, model, door, CONTEXT)
        store.skew = timedelta(seconds=122)
        for _ in range(2):
            run = decide(ANALYST, model, door, CONTEXT, is_done=lambda _: True)
            assert run.decision.answer == "All is well."
    refused = "source_unavailable"
    begun = [call["reason"] for call in written(door, RecordKind.MODEL_CALL)]
    assert begun == [None, None, None, refused, refused, None, None, refused, None, None]
    ended = [call["reason"] for call in ended_calls(door)]
    assert ended == ["failed", "failed", "failed", None, "failed", None, None]
    for one in (door, other):
        one.ledger.close()


def test_a_provider_that_does_not_answer_at_all_counts_as_failed(
    open_door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    with openai_server(decided) as (url, _):
        pass
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    model = OpenAIChatModel("small-model", provider=OpenAIProvider(openai_client=client))
    door = open_door(policy=BREAKER)
    for _ in range(3):
        with pytest.raises(AgentRunFailed):
            decide(ANALYST, model, door, CONTEXT)
    with pytest.raises(ModelUnavailable, match="model openai:small-model failed 3 times"):
        decide(ANALYST, model, door, CONTEXT)


def test_a_request_that_is_wrong_is_no_failure_of_its_provider(
    open_door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    door = open_door(policy=BREAKER)
    with openai_server(lambda asked: 400) as (url, had):
        model = resolve_model("small-model", base_url=url)
        for _ in range(5):
            with pytest.raises(AgentRunFailed):
                decide(ANALYST, model, door, CONTEXT)
    assert len(had) == 5


def test_model_requests_are_off_by_one_switch() -> None:
    assert models.ALLOW_MODEL_REQUESTS is False
    with pytest.raises(ModelUnavailable, match="switched off"):
        resolve_model("openai:gpt-5-mini", api_key="key")


@pytest.mark.parametrize("name", ["nobody:knows", "gpt", "openai:"])
def test_an_unknown_model_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelUnavailable):
        resolve_model(name)


@pytest.mark.parametrize("path", ["no.module:here", "tests.agent_resources.test_runner:nothing"])
def test_a_script_that_is_not_there_is_said(path: str) -> None:
    with pytest.raises(ModelUnavailable, match="There is no script"):
        resolve_model(f"scripted:{path}")
