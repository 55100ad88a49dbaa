"""Tools that an agent's author gave it: granted by the policy, held back where they write, and on record."""

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from agent_resources.agent import AgentDefinition, Limits
from agent_resources.agent_run import AgentRun, LimitedRun
from agent_resources.decision import Decision
from agent_resources.errors import AgentRunFailed
from agent_resources.models import ScriptedModel, Told, ToolStep, query_metrics
from agent_resources.runner import run_agent
from agent_resources.tool import Effect, Tool
from agent_resources.tool_calls import ToolCall
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext, RecordKind
from tests.agent_resources import tools
from tests.agent_resources.deciding import IMPATIENT, decide
from tests.agent_resources.test_resume import Flaky
from tests.agent_resources.test_runner import ANALYST, CONTEXT, written
from tests.conftest import OpenDoor
from tests.semantic.door import POLICY

GRANTED = (
    POLICY
    + """
tools:
  - {permit: analysts use tools, readers: ["analyst_*"], tools: "*"}
  - {forbid: nobody looks up, readers: "*", tools: look_up}
"""
)
Steps = Generator[ToolStep, Told, Decision]


@pytest.fixture(autouse=True)
def _no_calls() -> Iterator[None]:
    tools.CALLS.clear()
    yield
    tools.CALLS.clear()


def having(*names: str, effect: Effect = Effect.NONE, **limits: Any) -> AgentDefinition:
    own = tuple(Tool(call=f"tests.agent_resources.tools:{name}", effect=effect) for name in names)
    return ANALYST.model_copy(update={"tools": own, "limits": Limits(**limits)})


def calling(tool: str, **arguments: Any) -> Callable[[], Steps]:
    """Calls a tool once, and answers with what it was told."""

    def script() -> Steps:
        told = yield ToolStep(tool=tool, arguments=arguments)
        return Decision(answer=f"told: {told.content}", confidence=1)

    return script


def shown(door: GovernedMetrics, definition: AgentDefinition) -> set[str]:
    """The tools that the model of an agent is shown."""
    seen: set[str] = set()

    def look(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.update(tool.name for tool in info.function_tools)
        return ScriptedModel(calling("list_metrics"))._respond(messages, info)

    decide(definition, FunctionModel(look), door, ReadContext())
    return seen


def test_a_tool_is_called_and_the_call_is_on_record(open_door: OpenDoor) -> None:
    door = open_door(policy=GRANTED)
    run = decide(
        having("miles_in_kilometres"),
        ScriptedModel(calling("miles_in_kilometres", miles=100)),
        door,
        CONTEXT,
    )
    assert run.decision.answer == "told: 160.934"
    [call] = written(door, RecordKind.TOOL_CALL)
    assert call["reader"] == "analyst_mo"
    assert call["run_id"] == "run-1"
    assert call["details"]["tool"] == "tests.agent_resources.tools:miles_in_kilometres"
    assert call["details"]["effect"] == "none"
    whole = door.ledger.body(call["id"], RecordKind.TOOL_CALL)
    assert whole is not None
    assert json.loads(whole["details"]["arguments"]) == {"miles": 100}
    [ended] = [item for item in written(door, RecordKind.OUTCOME) if item["id"] == call["id"]]
    assert ended["reason"] is None
    assert door.ledger.verify().is_whole


def test_arguments_can_be_erased_and_are_kept_apart(open_door: OpenDoor) -> None:
    door = open_door(policy=GRANTED)
    text = "Jane Doe's booking"
    decide(having("open_ticket"), ScriptedModel(calling("open_ticket", text=text)), door, CONTEXT)
    [call] = written(door, RecordKind.TOOL_CALL)
    assert "Jane" not in str(call)
    door.ledger.erase(text, by="owner", reason="asked")
    whole = door.ledger.body(call["id"], RecordKind.TOOL_CALL)
    assert "Jane" not in str(whole)
    assert door.ledger.verify().is_whole


def test_only_what_is_granted_is_shown_and_what_is_not_is_refused(open_door: OpenDoor) -> None:
    door = open_door(policy=GRANTED)
    definition = having("miles_in_kilometres", "look_up")
    assert shown(door, definition) >= {"miles_in_kilometres", "query_metrics"}
    assert "look_up" not in shown(open_door(policy=GRANTED), definition)
    assert "miles_in_kilometres" not in shown(open_door(), definition)


def test_a_grant_is_asked_again_when_a_tool_is_called(open_door: OpenDoor) -> None:
    """A grant that goes while the model has the tool in sight."""
    door = open_door(policy=GRANTED)

    def script() -> Steps:
        object.__setattr__(door.policy, "tools", ())
        told = yield ToolStep(tool="miles_in_kilometres", arguments={"miles": 1})
        return Decision(answer=f"told: {told.content}", confidence=1)

    run = decide(having("miles_in_kilometres"), ScriptedModel(script), door, CONTEXT)
    assert "not_permitted" in run.decision.answer
    assert tools.CALLS == []
    [call] = written(door, RecordKind.TOOL_CALL)
    assert (call["reason"], call["details"]["why"]) == (
        "not_permitted",
        "no rule permits it to 'analyst_mo'",
    )


@pytest.mark.parametrize("name", ["look_up", "run_sql"])
def test_a_call_of_what_was_not_shown_is_on_record(open_door: OpenDoor, name: str) -> None:
    door = open_door(policy=GRANTED)

    def insist(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            return ModelResponse(parts=[ToolCallPart(name, {"place": "Boston"})])
        return ScriptedModel(nothing)._respond([], info)

    run = decide(having("look_up"), FunctionModel(insist), door, CONTEXT)
    assert run.decision.answer == "Nothing."
    assert tools.CALLS == []
    [call] = written(door, RecordKind.TOOL_CALL)
    assert call["reason"] == "not_available"
    whole = door.ledger.body(call["id"], RecordKind.TOOL_CALL)
    assert whole is not None
    assert whole["details"]["tool"] == name


def nothing() -> Steps:
    yield from ()
    return Decision(answer="Nothing.", confidence=1)


def test_what_writes_is_held_back_for_a_person(open_door: OpenDoor) -> None:
    door = open_door(policy=GRANTED)
    run = decide(
        having("open_ticket", effect=Effect.WRITE),
        ScriptedModel(calling("open_ticket", text="a delay")),
        door,
        CONTEXT,
    )
    assert "approval_needed" in run.decision.answer
    assert tools.CALLS == []
    [call] = written(door, RecordKind.TOOL_CALL)
    assert call["reason"] == "approval_needed"
    assert call["details"]["effect"] == "write"


def test_a_tool_that_fails_is_on_record_and_its_error_is_not_told(open_door: OpenDoor) -> None:
    door = open_door(policy=GRANTED)
    run = decide(having("fail"), ScriptedModel(calling("fail", secret="hunter2")), door, CONTEXT)
    assert "RuntimeError" in run.decision.answer
    assert "cannot reach" not in run.decision.answer
    [ended] = [it for it in written(door, RecordKind.OUTCOME) if it["reason"] == "failed"]
    assert ended["details"]["error"] == "RuntimeError"
    assert "hunter2" not in str(ended)


@pytest.mark.parametrize("name", ["return_no_json", "return_much"])
def test_what_a_model_cannot_be_told_is_a_failure(open_door: OpenDoor, name: str) -> None:
    door = open_door(policy=GRANTED)
    run = decide(having(name), ScriptedModel(calling(name)), door, CONTEXT)
    assert "'failed': 'ValueError'" in run.decision.answer
    assert len(run.decision.answer) < 1_000


def test_a_tool_that_does_not_return_ends_with_the_time_of_its_run(open_door: OpenDoor) -> None:
    door = open_door(policy=GRANTED)
    run = run_agent(
        having("sleep_long", seconds=1),
        ScriptedModel(calling("sleep_long", seconds=8)),
        door,
        CONTEXT,
    )
    assert isinstance(run, LimitedRun)
    assert run.seconds < 7
    [call] = written(door, RecordKind.TOOL_CALL)
    ends = [item for item in written(door, RecordKind.OUTCOME) if item["id"] == call["id"]]
    assert [item["reason"] for item in ends] == ["stopped"]


def two_tools() -> Steps:
    miles = yield ToolStep(tool="miles_in_kilometres", arguments={"miles": 10})
    orders = yield query_metrics("orders")
    more = yield ToolStep(tool="miles_in_kilometres", arguments={"miles": 20})
    return Decision(
        answer=f"{miles.content} {more.content} {orders.records()[0]['orders']}", confidence=1
    )


@pytest.mark.parametrize("failing", [2, 3, 4])
def test_a_run_that_goes_on_calls_no_tool_twice(open_door: OpenDoor, failing: int) -> None:
    door = open_door(policy=GRANTED)
    definition = having("miles_in_kilometres")
    model = Flaky(two_tools, failing)
    with pytest.raises(AgentRunFailed, match="503"):
        run_agent(definition, model, door, CONTEXT, patience=IMPATIENT)
    run = decide(definition, model, door, replace(CONTEXT, run_id="run-2"))
    assert isinstance(run, AgentRun)
    assert run.decision.answer.startswith("16.093 32.187")
    assert [item for _, item in tools.CALLS] == [10, 20]
    assert len(written(door, RecordKind.TOOL_CALL)) == 2


def test_the_same_call_again_and_again_is_a_circle(open_door: OpenDoor) -> None:
    def endless() -> Steps:
        while True:
            yield ToolStep(tool="miles_in_kilometres", arguments={"miles": 10})

    door = open_door(policy=GRANTED)
    run = run_agent(having("miles_in_kilometres"), ScriptedModel(endless), door, CONTEXT)
    assert isinstance(run, LimitedRun)
    assert "the same of 'miles_in_kilometres' 4 times" in run.limit
    assert len(tools.CALLS) == 3


def test_halves_of_surrogate_pairs_break_nothing(open_door: OpenDoor) -> None:
    door = open_door(policy=GRANTED)
    run = decide(
        having("return_surrogate"),
        ScriptedModel(calling("return_surrogate", text="a")),
        door,
        CONTEXT,
        question="Why \ud800?",
    )
    assert "ud800" in run.decision.answer
    assert door.ledger.verify().is_whole


def test_a_set_is_the_same_call_in_each_process() -> None:
    tool = Tool(call="a.b:c", effect=Effect.NONE)
    names = [chr(97 + number) for number in range(20)]
    one, other = (
        ToolCall(tool=tool, arguments={"names": set(given)}, name="x")
        for given in (names, names[::-1])
    )
    assert one.fingerprint == other.fingerprint
    assert json.loads(one.written)["names"] == sorted(names)


def test_an_async_tool_takes_defaults(open_door: OpenDoor) -> None:
    door = open_door(policy=GRANTED.replace("forbid: nobody", "permit: anybody"))
    run = decide(
        having("look_up"), ScriptedModel(calling("look_up", place="Boston")), door, CONTEXT
    )
    assert "'days': 1" in run.decision.answer


def test_wrong_arguments_go_back_to_the_model_and_call_nothing(open_door: OpenDoor) -> None:
    door = open_door(policy=GRANTED)
    run = decide(
        having("miles_in_kilometres"),
        ScriptedModel(calling("miles_in_kilometres", miles="many")),
        door,
        CONTEXT,
    )
    assert "unable to parse string as a number" in run.decision.answer
    assert tools.CALLS == []
    assert written(door, RecordKind.TOOL_CALL) == []
