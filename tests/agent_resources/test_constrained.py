"""The mode for chat models without good tool calling: one closed JSON action per turn, over a loopback server and through the same door."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic_ai import models

from agent_resources.agent import AgentDefinition, MemoryOf
from agent_resources.constrained.actions import Actions
from agent_resources.errors import AgentRunFailed
from agent_resources.models import resolve_model
from agent_resources.runner import run_agent
from agent_resources.tool import Effect, Tool
from semantic.answer import Refusal
from semantic.governed_metrics import GovernedMetrics
from tests.agent_resources.deciding import IMPATIENT, decide
from tests.agent_resources.openai_server import openai_server
from tests.agent_resources.test_runner import ANALYST, CONTEXT
from tests.conftest import OpenDoor
from tests.semantic.door import POLICY

CONSTRAINED = ANALYST.model_copy(update={"mode": "constrained"})
QUERY: dict[str, Any] = {
    "action": "query_metrics",
    "metrics": ["orders"],
    "group_by": ["customer__region"],
    "time_range": None,
    "filters": [],
    "order_by": ["-orders"],
    "limit": 10,
}
ANSWER: dict[str, Any] = {
    "action": "final_answer",
    "answer": "The north leads with 4 orders.",
    "figures": [{"name": "orders of the north", "value": 4, "read": 1}],
    "confidence": 0.9,
}


@pytest.fixture(autouse=True)
def _may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)


def served(
    door: GovernedMetrics, *actions: Any, definition: AgentDefinition = CONSTRAINED
) -> tuple[Any, list[dict[str, Any]]]:
    """The run on a server that answers with these actions, one at a time, and what it was asked."""
    left = [item if isinstance(item, str) else json.dumps(item) for item in actions]

    def reply(_: dict[str, Any]) -> dict[str, Any]:
        return {"role": "assistant", "content": left.pop(0) if len(left) > 1 else left[0]}

    with openai_server(reply) as (url, requests):
        model = resolve_model("a-small-model", base_url=url, api_key="key")
        run = decide(definition, model, door, CONTEXT)
    return run, requests


def schema_of(request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = request["response_format"]["json_schema"]["schema"]
    Draft202012Validator.check_schema(found)
    return found


def fits(action: dict[str, Any], request: dict[str, Any]) -> bool:
    return Draft202012Validator(schema_of(request)).is_valid(action)


def test_a_model_acts_by_json_and_comes_to_a_decision(door: GovernedMetrics) -> None:
    run, requests = served(door, QUERY, ANSWER)
    assert run.decision.answer == "The north leads with 4 orders."
    [figure] = run.decision.figures()
    assert (figure.value, figure.read_id) == (4, run.answers()[0].read_id)
    assert len(requests) == 2
    for request in requests:
        assert "tools" not in request
        assert request["response_format"]["type"] == "json_schema"
    first, second = requests
    assert fits(QUERY, first)
    assert fits(ANSWER, second)
    told = [message["content"] for message in second["messages"]]
    assert json.loads(told[-2])["action"] == "query_metrics"
    assert told[-1].startswith('read 1: {"read_id"')


def test_the_schema_holds_the_names_that_the_agent_may_use_and_no_other(
    door: GovernedMetrics,
) -> None:
    _, [first, second] = served(door, QUERY, ANSWER)
    written = json.dumps(schema_of(first))
    assert '"orders"' in written
    assert '"customers"' not in written, "asked for, and not granted"
    assert "full_name" not in json.dumps(first)
    for wrong in (
        QUERY | {"metrics": ["customers"]},
        QUERY | {"group_by": ["customer__full_name"]},
        QUERY | {"sql": "SELECT 1"},
        QUERY | {"time_range": {"start": "last week", "end": "now"}},
        {"action": "run_sql", "sql": "SELECT 1"},
        ANSWER,
    ):
        assert not fits(wrong, first), wrong
    assert not fits(ANSWER | {"figures": [{"name": "x", "value": 1, "read": 2}]}, second)
    assert fits(ANSWER | {"figures": []}, first)


def test_a_server_that_holds_to_no_schema_gets_no_further(door: GovernedMetrics) -> None:
    """The schema is a help to the model; what it may have is decided at the door."""
    run, _ = served(door, QUERY | {"metrics": ["customers"]}, ANSWER | {"figures": []})
    assert [type(read.result) for read in run.reads] == [Refusal]


@pytest.mark.parametrize("garbage", ["All is well.", "{", "[1]", '{"action": 5}', ""])
def test_what_is_no_action_goes_back_to_the_model(door: GovernedMetrics, garbage: str) -> None:
    run, requests = served(door, garbage, QUERY, ANSWER)
    assert run.decision.answer.startswith("The north")
    assert len(requests) == 3


def test_a_model_that_writes_no_action_fails(door: GovernedMetrics) -> None:
    with openai_server(lambda _: {"role": "assistant", "content": "Well ..."}) as (url, _):
        model = resolve_model("a-small-model", base_url=url, api_key="key")
        with pytest.raises(AgentRunFailed, match="came to no valid decision"):
            run_agent(CONSTRAINED, model, door, CONTEXT, patience=IMPATIENT)


def test_tools_of_its_own_and_an_output_are_actions_too(open_door: OpenDoor) -> None:
    door = open_door(policy=POLICY + "\ntools: [{permit: all, readers: 'analyst_*', tools: '*'}]\n")
    own = (Tool(call="tests.agent_resources.tools:miles_in_kilometres", effect=Effect.NONE),)
    output = {"type": "object", "properties": {"km": {"type": "number"}}, "required": ["km"]}
    definition = CONSTRAINED.model_copy(update={"tools": own, "output": output})
    convert = {"action": "miles_in_kilometres", "arguments": {"miles": 10}}
    answer = ANSWER | {"figures": [], "output": {"km": 16.093}}
    run, [first, *_] = served(door, convert, answer, definition=definition)
    assert run.decision.output == {"km": 16.093}
    assert fits(convert, first)
    assert fits(answer, first)
    assert not fits(answer | {"output": {}}, first)


def test_a_class_of_output_stands_in_the_schema_with_what_it_refers_to(
    door: GovernedMetrics,
) -> None:
    definition = CONSTRAINED.model_copy(update={"output": "tests.agent_resources.outputs:Alert"})
    answer = ANSWER | {"figures": [], "output": {"severity": "high", "regions": ["north"]}}
    run, [first] = served(door, answer, definition=definition)
    assert run.decision.output is not None
    assert fits(answer, first)
    assert not fits(answer | {"output": {"severity": "awful", "regions": []}}, first)


def test_reads_keep_their_numbers_in_a_short_conversation(door: GovernedMetrics) -> None:
    wide = QUERY | {"group_by": ["customer__region", "metric_time__day"], "limit": 100}
    more = [wide | {"limit": number} for number in (100, 99, 98, 97)]
    cites = ANSWER | {"figures": [{"name": "x", "value": 4, "read": 1}]}
    definition = CONSTRAINED.model_copy(update={"memory": MemoryOf(conversation_tokens=1_000)})
    run, requests = served(door, QUERY, *more, cites, definition=definition)
    assert run.decision.figures()[0].read_id == run.answers()[0].read_id
    told = json.dumps(requests[-1]["messages"])
    assert all(f"read {number}: " in told for number in range(1, 6))
    assert "left_out_to_save_room" in told


def test_a_figure_that_names_no_read_goes_back(door: GovernedMetrics) -> None:
    wrong = ANSWER | {"figures": [{"name": "x", "value": 4, "read": 7}]}
    run, requests = served(door, QUERY, wrong, ANSWER)
    assert len(requests) == 3
    assert run.decision.figures()


def test_without_metrics_there_is_nothing_to_ask() -> None:
    actions = Actions(described=(), tools=(), output=None, reads=())
    assert len(actions.schema()["anyOf"]) == 1
    Draft202012Validator.check_schema(actions.schema())
