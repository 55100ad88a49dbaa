"""What an agent knows of before: its own facts and runs, never across grants, and every recall on record."""

from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from agent_resources.agent import AgentDefinition, MemoryOf
from agent_resources.decision import Decision
from agent_resources.errors import AgentRunFailed
from agent_resources.memory.conversation import shortened
from agent_resources.memory.recollection import Remembered
from agent_resources.memory.rests_on import Standings
from agent_resources.memory.searched import Searched
from agent_resources.models import ScriptedModel, Told, ToolStep, describe_metric, query_metrics
from agent_resources.runner import run_agent
from agent_resources.tool import Effect, Tool
from semantic.catalog import Catalog
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext, RecordKind
from semantic.ledger.recalls import Wrong, record_recall
from semantic.lineage.recall import recall_scope
from tests.agent_resources.deciding import IMPATIENT, decide
from tests.agent_resources.test_resume import Flaky
from tests.agent_resources.test_runner import ANALYST, written
from tests.conftest import OpenDoor
from tests.semantic.door import POLICY

Steps = Generator[ToolStep, Told, Decision]
FORGETFUL = ANALYST
MINDFUL = ANALYST.model_copy(update={"memory": MemoryOf(facts=True, past_runs=True)})
# The analyst sees orders of one region only.
NARROWED = POLICY + (
    "  - restrict: analysts see the north\n"
    "    readers: ['analyst_*']\n"
    "    metrics: [orders]\n"
    "    rows: {region: north}\n"
)
MASKED = NARROWED.replace("rows: {region: north}", "masks: {customer__region: hash}")
NO_ORDERS = POLICY.replace("metrics: [orders, revenue, average", "metrics: [revenue, average")


def nth(number: int) -> ReadContext:
    run = f"run-{number}"
    return ReadContext(run_id=run, root_run_id=run, step_key="agents__analyst_mo")


def remember(fact: str, *, reads: int = 1) -> Callable[[], Steps]:
    """Reads, keeps a fact that rests on it, and answers with what it was told."""

    def steps() -> Steps:
        told = yield query_metrics("orders", group_by="customer__region", order_by="-orders")
        ids = [told.content["read_id"]] * min(reads, 1)
        kept = yield ToolStep(tool="remember_fact", arguments={"fact": fact, "read_ids": ids})
        return Decision(answer=f"kept: {kept.content}", confidence=1)

    return steps


def recall(tool: str = "recall_facts", about: str = "") -> Callable[[], Steps]:
    def steps() -> Steps:
        told = yield ToolStep(tool=tool, arguments={"about": about})
        return Decision(answer=f"known: {told.content}", confidence=1)

    return steps


def said(door: GovernedMetrics, script: Callable[[], Steps], number: int, **how: Any) -> str:
    definition: AgentDefinition = how.pop("definition", MINDFUL)
    return decide(definition, ScriptedModel(script), door, nth(number), **how).decision.answer


FACT = "The north has 4 orders."


def test_a_fact_is_recalled_in_a_later_run(door: GovernedMetrics) -> None:
    assert "saved" in said(door, remember(FACT), 1)
    assert FACT in said(door, recall(), 2)
    [saved, recalled] = written(door, RecordKind.MEMORY)
    assert (saved["reason"], recalled["reason"]) == ("saved", "recalled")
    assert recalled["details"]["told"] == [saved["id"]]
    assert "north" not in str(saved), "what it says is kept apart, so that it can be erased"
    assert door.ledger.verify().is_whole


def test_a_fact_names_the_read_that_it_rests_on(door: GovernedMetrics) -> None:
    said(door, remember(FACT), 1)
    [read] = written(door, RecordKind.INTENT)
    assert read["id"] in said(door, recall(), 2)


def test_an_agent_without_memory_has_no_tool_for_it(door: GovernedMetrics) -> None:
    shown: list[str] = []

    def look(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        shown.extend(tool.name for tool in info.function_tools)
        decision = {"answer": "Nothing.", "confidence": 1}
        return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, decision)])

    decide(FORGETFUL, FunctionModel(look), door, nth(1))
    assert not {name for name in shown if "fact" in name or "past" in name}
    decide(MINDFUL, FunctionModel(look), door, nth(2))
    assert {"remember_fact", "recall_facts", "recall_past_runs"} <= set(shown)


@pytest.mark.parametrize("policy", [NARROWED, MASKED, NO_ORDERS])
def test_a_fact_is_not_recalled_across_grants(open_door: OpenDoor, policy: str) -> None:
    """Who may see less than before is not told of what it saw then; and is told again once it may."""
    said(open_door(), remember(FACT), 1)
    narrowed = open_door(policy=policy)
    assert FACT not in said(narrowed, recall(), 2)
    recalled = written(narrowed, RecordKind.MEMORY)[-1]
    assert recalled["details"] == {"told": [], "not_permitted_any_more": 1}
    assert FACT in said(open_door(), recall(), 3)


def test_a_past_run_is_not_recalled_across_grants(open_door: OpenDoor) -> None:
    said(open_door(), remember(FACT), 1)
    assert "kept: " in said(open_door(), recall("recall_past_runs"), 2)
    assert "kept: " not in said(open_door(policy=NARROWED), recall("recall_past_runs"), 3)


def test_what_was_recalled_is_not_told_on_across_grants(open_door: OpenDoor) -> None:
    """What a run was told of before is part of what its answer and its facts rest on."""
    said(open_door(), remember(FACT), 1)

    def pass_on() -> Steps:
        known = yield ToolStep(tool="recall_facts", arguments={})
        told = yield query_metrics("revenue")
        ids = [told.content["read_id"]]
        yield ToolStep(tool="remember_fact", arguments={"fact": "It stood.", "read_ids": ids})
        return Decision(answer=f"I remember: {known.content}", confidence=1)

    said(open_door(), pass_on, 2)
    for tool in ("recall_facts", "recall_past_runs"):
        assert "'said'" not in said(open_door(policy=NO_ORDERS), recall(tool), 3)
        assert "'said'" in said(open_door(), recall(tool), 4)


def test_a_fact_rests_on_all_that_its_run_has_read(open_door: OpenDoor) -> None:
    def steps() -> Steps:
        yield query_metrics("orders", group_by="customer__region")
        told = yield query_metrics("revenue")
        ids = [told.content["read_id"]]
        fact = "The regions are north and south."
        yield ToolStep(tool="remember_fact", arguments={"fact": fact, "read_ids": ids})
        return Decision(answer="Kept.", confidence=1)

    said(open_door(), steps, 1)
    assert "The regions" in said(open_door(), recall(), 2)
    assert "The regions" not in said(open_door(policy=NO_ORDERS), recall(), 3)


def test_what_was_described_or_returned_by_a_tool_is_not_recalled_across_grants(
    open_door: OpenDoor,
) -> None:
    """A past answer may carry more than figures: what a metric means, and what a tool said."""
    converting = Tool(call="tests.agent_resources.tools:miles_in_kilometres", effect=Effect.NONE)
    tooled = MINDFUL.model_copy(update={"tools": (converting,)})
    with_tools = POLICY + "\ntools: [{permit: all, readers: 'analyst_*', tools: '*'}]\n"

    def steps() -> Steps:
        yield query_metrics("revenue")
        described = yield describe_metric("orders")
        return Decision(answer=f"It means: {described.content['description']}", confidence=1)

    def converts() -> Steps:
        yield query_metrics("revenue")
        told = yield ToolStep(tool="miles_in_kilometres", arguments={"miles": 77})
        return Decision(answer=f"The tool said {told.content}", confidence=1)

    def recalled(door: GovernedMetrics, number: int) -> str:
        script = ScriptedModel(recall("recall_past_runs"))
        return decide(tooled, script, door, nth(number)).decision.answer

    decide(tooled, ScriptedModel(steps), open_door(policy=with_tools), nth(1))
    decide(tooled, ScriptedModel(converts), open_door(policy=with_tools), nth(2))
    told = recalled(open_door(policy=with_tools), 3)
    assert "It means" in told
    assert "The tool said" in told
    told = recalled(open_door(policy=POLICY), 4)
    assert "It means" in told
    assert "The tool said" not in told
    told = recalled(open_door(policy=NO_ORDERS), 5)
    assert "It means" not in told


def test_a_read_that_has_no_standing_is_kept_and_never_holds(open_door: OpenDoor) -> None:
    """To leave it out would let what rests on it be told without it."""
    granted = open_door()
    run = decide(MINDFUL, ScriptedModel(remember(FACT)), granted, nth(1))
    snapshot = granted.snapshots.current()
    narrowed = open_door(policy=NO_ORDERS)
    [rests_on] = Standings(narrowed, MINDFUL.reader, snapshot).of(run.reads)
    for door in (granted, narrowed):
        assert not Standings(door, MINDFUL.reader, snapshot).hold([rests_on])
    [rests_on] = Standings(granted, MINDFUL.reader, snapshot).of(run.reads)
    assert Standings(granted, MINDFUL.reader, snapshot).hold([rests_on])


def test_a_rule_of_another_name_takes_nothing_away(open_door: OpenDoor) -> None:
    said(open_door(), remember(FACT), 1)
    renamed = open_door(policy=POLICY.replace("analysts read orders and money", "analysts read"))
    assert FACT in said(renamed, recall(), 2)


def test_a_fact_ends_with_the_definition_of_its_metric(
    open_door: OpenDoor, shop_catalog: Catalog
) -> None:
    said(open_door(), remember(FACT), 1)
    orders = replace(shop_catalog.metrics["orders"], definition_hash="0" * 32)
    changed = replace(shop_catalog, metrics={**shop_catalog.metrics, "orders": orders})
    assert FACT not in said(open_door(catalog=changed), recall(), 2)


def test_another_agent_is_told_of_its_own_alone(door: GovernedMetrics) -> None:
    said(door, remember(FACT), 1)
    other = MINDFUL.model_copy(update={"name": "analyst_la"})
    assert FACT not in said(door, recall(), 2, definition=other)


def test_a_fact_that_was_erased_is_forgotten_at_once(door: GovernedMetrics) -> None:
    said(door, remember(FACT), 1)
    assert FACT in said(door, recall(), 2)
    door.ledger.erase(FACT, by="owner", reason="asked")
    assert FACT not in said(door, recall(), 3)
    assert door.ledger.verify().is_whole


def test_a_fact_is_kept_in_mind_for_so_many_days(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = MINDFUL.model_copy(update={"memory": MemoryOf(facts=True, days=2)})
    said(door, remember(FACT), 1)
    assert FACT in said(door, recall(), 2, definition=short)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2100, 1, 1, tzinfo=UTC)

    monkeypatch.setattr("agent_resources.memory.memory.datetime", Later)
    assert FACT not in said(door, recall(), 3, definition=short)
    assert FACT in said(door, recall(), 4)


@pytest.mark.parametrize(
    ("fact", "reads", "told"),
    [
        ("The north has 5 orders.", 1, "not_traced"),
        (FACT, 0, "rests_on_nothing"),
        (" ", 1, "not_a_fact"),
        ("x" * 1_001, 1, "not_a_fact"),
    ],
)
def test_what_is_no_fact_is_not_kept(
    door: GovernedMetrics, fact: str, reads: int, told: str
) -> None:
    assert told in said(door, remember(fact, reads=reads), 1)
    assert written(door, RecordKind.MEMORY) == []


def test_a_read_of_another_run_carries_no_fact(door: GovernedMetrics) -> None:
    said(door, remember(FACT), 1)
    [read] = [record["id"] for record in written(door, RecordKind.INTENT)]

    def steps() -> Steps:
        kept = yield ToolStep(tool="remember_fact", arguments={"fact": FACT, "read_ids": [read]})
        return Decision(answer=f"{kept.content}", confidence=1)

    assert "rests_on_nothing" in said(door, steps, 2)


@pytest.mark.parametrize("failing", [2, 3, 4])
def test_a_run_that_goes_on_is_told_the_same_and_keeps_a_fact_once(
    door: GovernedMetrics, failing: int
) -> None:
    said(door, remember("The south has orders."), 1)

    def steps() -> Steps:
        told = yield query_metrics("orders", group_by="customer__region")
        ids = [told.content["read_id"]]
        yield ToolStep(tool="remember_fact", arguments={"fact": FACT, "read_ids": ids})
        known = yield ToolStep(tool="recall_facts", arguments={})
        return Decision(answer=f"{known.content}", confidence=1)

    model = Flaky(steps, failing)
    with pytest.raises(AgentRunFailed, match="503"):
        run_agent(MINDFUL, model, door, nth(2), patience=IMPATIENT)
    run = decide(MINDFUL, model, door, replace(nth(2), run_id="run-3"))
    assert FACT not in run.decision.answer, "its own facts are for later runs"
    assert "The south" in run.decision.answer
    reasons = [record["reason"] for record in written(door, RecordKind.MEMORY)]
    assert reasons == ["saved", "saved", "recalled"]


def remembered(*texts: str) -> list[Remembered]:
    return [Remembered(id=text, text=text, at="", root_run_id=None, rests_on=()) for text in texts]


def test_what_shares_rare_words_comes_first() -> None:
    known = Searched(remembered("orders of the north", "orders of the south fell", "revenue rose"))
    assert [item.text for item in known.best("Why did ORDERS in the south fall?")] == [
        "orders of the south fell",
        "orders of the north",
    ]
    assert known.best("") == known.items
    assert known.best("weather") == []


def test_of_many_the_words_that_tell_them_apart_count() -> None:
    known = Searched(remembered(*(f"Region {number} had orders." for number in range(300))))
    assert [item.text for item in known.best("orders of region 123")] == ["Region 123 had orders."]
    assert len(known.best("orders")) == 300


def test_the_same_fact_is_told_once(door: GovernedMetrics) -> None:
    def script() -> Steps:
        read = yield query_metrics("orders")
        ids = [read.content["read_id"]]
        for _ in range(2):
            yield ToolStep(
                tool="remember_fact", arguments={"fact": "It was looked at.", "read_ids": ids}
            )
        return Decision(answer="Kept.", confidence=1)

    def asking() -> Steps:
        told = yield ToolStep(tool="recall_facts")
        return Decision(answer=str(len(told.content["facts"])), confidence=1)

    for number in (1, 2):
        decide(MINDFUL, ScriptedModel(script), door, nth(number))
    assert decide(MINDFUL, ScriptedModel(asking), door, nth(3)).decision.answer == "1"


def conversation(sizes: list[int]) -> list[ModelMessage]:
    messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("Do it.")])]
    for number, size in enumerate(sizes):
        call = f"call-{number}"
        content = {"rows": [["x"]] * size, "columns": ["a"], "read_id": f"read-{number}"}
        messages += [
            ModelResponse(parts=[ToolCallPart("query_metrics", {}, tool_call_id=call)]),
            ModelRequest(parts=[ToolReturnPart("query_metrics", content, tool_call_id=call)]),
        ]
    return messages


@settings(max_examples=50)
@given(st.lists(st.integers(0, 2_000), max_size=8), st.integers(1_000, 50_000))
def test_a_short_conversation_keeps_every_message_and_the_newest_result_whole(
    sizes: list[int], most: int
) -> None:
    whole = conversation(sizes)
    short = shortened(whole, most)
    assert len(short) == len(whole)
    assert short[0] == whole[0]
    assert short[-1] == whole[-1]
    assert shortened(whole, most) == short
    size = len(ModelMessagesTypeAdapter.dump_json(short))
    assert size <= max(most, len(ModelMessagesTypeAdapter.dump_json(whole)))
    if len(ModelMessagesTypeAdapter.dump_json(whole)) <= most:
        assert short == whole
    for message in short[1:-1]:
        for part in message.parts:
            if isinstance(part, ToolReturnPart) and part.content != "":
                text = part.model_response_str()
                assert "read-" in text


def test_a_model_is_sent_a_short_conversation_and_decides_all_the_same(
    door: GovernedMetrics,
) -> None:
    sizes: list[int] = []

    def steps() -> Steps:
        for _ in range(6):
            told = yield query_metrics(
                "orders", group_by=["customer__region", "metric_time__day"], limit=200 - _
            )
        return Decision(answer=f"{len(told.records())} rows", confidence=1)

    scripted = ScriptedModel(steps)

    def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        sizes.append(len(ModelMessagesTypeAdapter.dump_json(messages)))
        return scripted._respond(messages, info)

    short = ANALYST.model_copy(update={"memory": MemoryOf(conversation_tokens=1_000)})
    run = decide(short, FunctionModel(respond), door, nth(1))
    assert run.decision.answer.endswith("rows")
    assert len(run.reads) == 6
    long = list(sizes)
    sizes.clear()
    decide(ANALYST, FunctionModel(respond), door, nth(2))
    assert long[-1] < sizes[-1]


LISTENER = ANALYST.model_copy(
    update={"name": "analyst_li", "memory": MemoryOf(decisions_of=("analyst_mo",))}
)


def listen(agent: str = "analyst_mo") -> Callable[[], Steps]:
    def steps() -> Steps:
        told = yield ToolStep(tool="recall_decisions", arguments={"agent": agent})
        return Decision(answer=f"heard: {told.content}", confidence=1)

    return steps


def test_another_agent_is_told_of_a_decision_in_the_same_run(door: GovernedMetrics) -> None:
    """Both agents in one run of Dagster: what the first decided is of before for the second."""
    said(door, remember(FACT), 1)
    beside = replace(nth(1), step_key="agents__analyst_li")
    heard = decide(LISTENER, ScriptedModel(listen()), door, beside).decision.answer
    assert "kept: " in heard
    first, second = written(door, RecordKind.DECISION)
    assert second["details"]["told"] == [first["id"]]
    assert set(first["details"]["reads"]) == set(second["details"]["remembered"])


@pytest.mark.parametrize("policy", [NARROWED, MASKED, NO_ORDERS])
def test_a_decision_is_not_told_to_an_agent_that_may_not_read_what_it_rests_on(
    open_door: OpenDoor, policy: str
) -> None:
    said(open_door(), remember(FACT), 1)
    narrowed = policy.replace("analyst_*", "analyst_li")
    if policy == NO_ORDERS:
        narrowed = (
            POLICY + "  - forbid: not orders\n    readers: [analyst_li]\n    metrics: [orders]\n"
        )
    heard = said(open_door(policy=narrowed), listen(), 2, definition=LISTENER)
    assert "kept: " not in heard
    assert "kept: " in said(open_door(), listen(), 3, definition=LISTENER)


def test_only_agents_that_are_named_are_listened_to(door: GovernedMetrics) -> None:
    said(door, remember(FACT), 1)
    heard = said(door, listen("analyst_m"), 2, definition=LISTENER)
    assert "not available" in heard
    assert "analyst_mo" in heard
    assert "kept: " not in heard


def test_what_is_taken_back_is_so_for_who_was_told_of_it(door: GovernedMetrics) -> None:
    said(door, remember(FACT), 1)
    said(door, listen(), 2, definition=LISTENER)
    [first, second] = written(door, RecordKind.DECISION)
    wrong = Wrong(metrics=("orders",), first=date(2000, 1, 1), last=date(2100, 1, 1))
    taken = {it.decision.decision_id: it for it in recall_scope(door.ledger, wrong).decisions}
    assert set(taken) == {first["id"], second["id"]}
    assert taken[second["id"]].told == (first["id"],)


def test_what_was_taken_back_is_told_to_nobody(door: GovernedMetrics) -> None:
    """Neither as a fact, nor as a past run, nor to another agent."""
    said(door, remember(FACT), 1)
    assert FACT in said(door, recall(), 2)
    [read] = written(door, RecordKind.INTENT)
    wrong = Wrong(metrics=("orders",), first=date(2000, 1, 1), last=date(2100, 1, 1))
    decisions = [it.decision.decision_id for it in recall_scope(door.ledger, wrong).decisions]
    record_recall(
        door.ledger, wrong, by="ops", reason="late", reads=[read["id"]], decisions=decisions
    )
    assert FACT not in said(door, recall(), 3)
    assert "kept: " not in said(door, recall("recall_past_runs"), 4)
    assert "kept: " not in said(door, listen(), 5, definition=LISTENER)
    assert written(door, RecordKind.MEMORY)[-1]["details"]["taken_back"] > 0
