"""A past run again, on what it was answered: without the warehouse, without new grants, and on record."""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

from agent_resources.agent import AgentDefinition, Limits, MemoryOf
from agent_resources.agent_resource import registered
from agent_resources.agent_run import AgentRun
from agent_resources.decision import Decision, Figure, Finding
from agent_resources.models import ScriptedModel, Told, ToolStep, query_metrics
from agent_resources.recorded_model import PricedModel
from agent_resources.replay.agreement import agreement
from agent_resources.replay.definition import replayed_definition
from agent_resources.replay.recorded_run import recorded_run
from agent_resources.replay.replay import Replay, replay_run
from agent_resources.runner import run_agent
from agent_resources.tool import Effect, Tool
from semantic.catalog import Catalog
from semantic.errors import LedgerUnavailable, QuestionError
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext, RecordKind
from tests.agent_resources import tools
from tests.agent_resources.deciding import IMPATIENT, decide
from tests.agent_resources.test_resume import Flaky
from tests.agent_resources.test_runner import ANALYST, written
from tests.conftest import OpenDoor
from tests.semantic.door import POLICY

Steps = Generator[ToolStep, Told, Decision]
WITH_TOOLS = POLICY + "\ntools: [{permit: all, readers: 'analyst_*', tools: '*'}]\n"


def nth(number: int) -> ReadContext:
    run = f"run-{number}"
    return ReadContext(run_id=run, root_run_id=run, step_key="agents__analyst_mo")


def by_region(*, limit: int | None = None, says: str = "Most orders: ") -> Callable[[], Steps]:
    def steps() -> Steps:
        more = {} if limit is None else {"limit": limit}
        told = yield query_metrics(
            "orders", group_by="customer__region", order_by="-orders", **more
        )
        refused = yield query_metrics("customers")
        if told.is_refused:
            return Decision(answer=f"refused: {told.message}", confidence=0)
        most = told.records()[0]
        return Decision(
            answer=f"{says}{most['orders']}. {refused.message}",
            findings=(
                Finding(statement="It leads.", figures=(told.figure("orders", "orders", most),)),
            ),
            confidence=0.9,
        )

    return steps


BY_REGION = by_region()


def ran(door: GovernedMetrics, script: Callable[[], Steps] = BY_REGION, **how: Any) -> AgentRun:
    definition: AgentDefinition = how.pop("definition", ANALYST)
    door.ledger.register_agent(definition.name, definition.hash, registered(definition))
    return decide(definition, ScriptedModel(script), door, nth(1), **how)


def replayed(
    door: GovernedMetrics,
    script: Callable[[], Steps] = BY_REGION,
    **how: Any,
) -> Replay:
    definition = how.pop("definition", ANALYST)
    models = [PricedModel(model=ScriptedModel(script), price=None)]
    return replay_run(
        recorded_run(door.ledger, "run-1"), definition, models, door, patience=IMPATIENT, **how
    )


def reads_on_record(door: GovernedMetrics) -> int:
    return len(written(door, RecordKind.INTENT)) + len(written(door, RecordKind.REFUSAL))


def test_a_run_replayed_as_it_was_says_the_same_and_reads_nothing(door: GovernedMetrics) -> None:
    run = ran(door)
    reads = reads_on_record(door)
    again = replayed(door)
    assert again.decision == run.decision
    assert agreement(run.decision, run.decision).is_whole
    assert again.not_recorded == 0
    assert reads_on_record(door) == reads
    assert len(written(door, RecordKind.DECISION)) == 1
    assert again.usage.requests == run.usage.requests


def test_an_agent_with_a_memory_is_shown_its_tools_and_told_nothing_of_it(
    door: GovernedMetrics,
) -> None:
    def script() -> Steps:
        told = yield ToolStep(tool="recall_facts")
        return Decision(answer=f"{sorted(told.content)}", confidence=1)

    remembering = ANALYST.model_copy(update={"memory": MemoryOf(facts=True)})
    assert ran(door, script, definition=remembering).decision.answer == "['facts']"
    again = replayed(door, script, definition=remembering)
    assert again.decision is not None
    assert again.decision.answer == "['hint', 'message', 'refused']"
    assert again.not_recorded == 1
    assert len(written(door, RecordKind.MEMORY)) == 1


def test_a_run_that_asked_the_same_twice_agrees_with_itself(door: GovernedMetrics) -> None:
    def script() -> Steps:
        first = yield query_metrics("orders", group_by="customer__region")
        yield query_metrics("revenue")
        yield query_metrics("orders", group_by="customer__region")
        figure = first.figure("orders", "orders", first.records()[0])
        found = (Finding(statement="It leads.", figures=(figure,)),)
        return Decision(answer="Twice.", findings=found, confidence=1)

    run = ran(door, script)
    again = replayed(door, script)
    assert again.decision == run.decision
    assert again.not_recorded == 0


def test_another_limit_of_rows_is_answered_where_it_cuts_nothing(door: GovernedMetrics) -> None:
    run = ran(door, by_region())
    [answer] = run.answers()
    for rows, not_recorded in ((100, 0), (len(answer.rows), 0), (len(answer.rows) - 1, 1)):
        fewer = ANALYST.model_copy(update={"limits": Limits(rows=rows)})
        assert replayed(door, by_region(), definition=fewer).not_recorded == not_recorded


def test_a_replay_is_on_record_before_it_tells_and_when_it_ends(door: GovernedMetrics) -> None:
    run = ran(door)
    again = replayed(door)
    begun, ended = written(door, RecordKind.REPLAY)
    assert begun["id"] == again.replay_id
    assert begun["details"]["of"] == run.decision_id
    assert begun["details"]["reads"] == [run.answers()[0].read_id]
    assert (begun["reason"], ended["reason"]) == (None, "replayed")
    requests = written(door, RecordKind.MODEL_CALL)
    assert len(requests) == 2 * run.usage.requests
    assert begun["run_id"] == ended["run_id"] == requests[-1]["run_id"]
    assert door.ledger.verify().is_whole


def test_without_a_record_nothing_is_told(door: GovernedMetrics) -> None:
    ran(door)
    recorded = recorded_run(door.ledger, "run-1")
    asked: list[str] = []

    def script() -> Steps:
        asked.append("asked")
        yield query_metrics("orders")
        raise AssertionError

    door.ledger.close()
    models = [PricedModel(model=ScriptedModel(script), price=None)]
    with pytest.raises(LedgerUnavailable):
        replay_run(recorded, ANALYST, models, door, patience=IMPATIENT)
    assert asked == []


def test_another_script_may_come_to_something_else(door: GovernedMetrics) -> None:
    run = ran(door)
    again = replayed(door, by_region(says="The most is "))
    assert again.decision is not None
    agreed = agreement(run.decision, again.decision)
    assert not agreed.same_answer
    assert agreed.is_whole, "the figures are the same"


def test_what_the_run_did_not_ask_is_refused_unless_it_is_live(door: GovernedMetrics) -> None:
    ran(door)
    again = replayed(door, by_region(limit=1))
    assert again.decision is not None
    assert "did not ask this" in again.decision.answer
    assert again.not_recorded == 1
    reads = reads_on_record(door)
    live = replayed(door, by_region(limit=1), live=True)
    assert live.decision is not None
    assert live.decision.answer.startswith("Most orders: 4.")
    assert reads_on_record(door) == reads + 1


@pytest.mark.parametrize(
    "policy",
    [
        POLICY.replace("metrics: [orders, revenue, average", "metrics: [revenue, average"),
        POLICY + "  - restrict: the north only\n    readers: ['analyst_*']\n    metrics: [orders]\n"
        "    rows: {region: north}\n",
    ],
)
def test_nothing_is_told_that_the_agent_may_not_read_now(open_door: OpenDoor, policy: str) -> None:
    ran(open_door())
    again = replayed(open_door(policy=policy))
    assert again.decision is not None
    assert "not permitted to its agent any more" in again.decision.answer
    assert not again.decision.figures()


def test_nothing_is_told_of_a_metric_that_means_something_else(
    open_door: OpenDoor, shop_catalog: Catalog
) -> None:
    ran(open_door())
    orders = replace(shop_catalog.metrics["orders"], definition_hash="0" * 32)
    changed = replace(shop_catalog, metrics={**shop_catalog.metrics, "orders": orders})
    again = replayed(open_door(catalog=changed))
    assert again.decision is not None
    assert "means something else" in again.decision.answer


def test_a_tool_returns_what_it_returned_and_is_not_called(open_door: OpenDoor) -> None:
    def steps() -> Steps:
        told = yield ToolStep(tool="miles_in_kilometres", arguments={"miles": 10})
        return Decision(answer=f"{told.content}", confidence=1)

    def another() -> Steps:
        told = yield ToolStep(tool="miles_in_kilometres", arguments={"miles": 11})
        return Decision(answer=f"{told.content}", confidence=1)

    own = (Tool(call="tests.agent_resources.tools:miles_in_kilometres", effect=Effect.NONE),)
    definition = ANALYST.model_copy(update={"tools": own})
    door = open_door(policy=WITH_TOOLS)
    tools.CALLS.clear()
    ran(door, steps, definition=definition)
    again, other = (replayed(door, it, definition=definition) for it in (steps, another))
    assert tools.CALLS == [("miles_in_kilometres", 10)]
    assert again.decision is not None
    assert again.decision.answer == "16.093"
    assert other.decision is not None
    assert "not_recorded" in other.decision.answer


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"answer": "There were 100 flights."}, {"answer": "There were 5 flights."}),
        ({"figures": {"north": 4, "south": 3}}, {"figures": {"north": 3, "south": 4}}),
    ],
)
def test_what_contradicts_does_not_agree(before: dict[str, Any], after: dict[str, Any]) -> None:
    one, other = (
        Decision(
            answer=item.get("answer", "See the figures."),
            findings=(
                Finding(
                    statement="Orders.",
                    figures=tuple(
                        Figure(name=name, value=value, read_id="r")
                        for name, value in item.get("figures", {}).items()
                    ),
                ),
            ),
            confidence=1,
        )
        for item in (before, after)
    )
    assert agreement(one, one).is_whole
    assert not agreement(one, other).is_whole


def test_a_question_is_asked_again(door: GovernedMetrics) -> None:
    decide(ANALYST, ScriptedModel(by_region()), door, nth(1), question="Why?")
    assert recorded_run(door.ledger, "run-1").basis.question == "Why?"
    assert replayed(door).decision is not None


def test_a_replay_that_fails_says_why(door: GovernedMetrics) -> None:
    ran(door)
    talks = FunctionModel(lambda *_: ModelResponse(parts=[TextPart("All is well, I think.")]))
    models = [PricedModel(model=talks, price=None)]
    again = replay_run(
        recorded_run(door.ledger, "run-1"), ANALYST, models, door, patience=IMPATIENT
    )
    assert again.decision is None
    assert again.ended is not None
    assert again.ended.startswith("failed: ")
    assert [item["reason"] for item in written(door, RecordKind.REPLAY)] == [None, "no_decision"]


def test_the_version_that_ran_is_taken_from_the_record(
    door: GovernedMetrics, tmp_path: Path
) -> None:
    ran(door)
    newer = ANALYST.model_copy(update={"instructions": "Say it in Latin."})
    door.ledger.register_agent(newer.name, newer.hash, registered(newer))
    run = recorded_run(door.ledger, "run-1")
    assert replayed_definition(door.ledger, run) == ANALYST
    prompt = tmp_path / "prompt.md"
    prompt.write_text("Be brief.\n")
    changed = replayed_definition(door.ledger, run, prompt=prompt, model="openai:gpt-5")
    assert (changed.instructions, changed.model) == ("Be brief.", "openai:gpt-5")
    assert changed.hash != ANALYST.hash


def test_what_cannot_be_replayed_is_told(open_door: OpenDoor) -> None:
    door = open_door()
    with pytest.raises(QuestionError, match="No decision of a run 'run-1' is on record"):
        recorded_run(door.ledger, "run-1")
    ran(door)
    other = ANALYST.model_copy(update={"name": "analyst_la"})
    decide(other, ScriptedModel(by_region()), door, replace(nth(1), step_key="another"))
    with pytest.raises(QuestionError, match="several agents: analyst_la, analyst_mo"):
        recorded_run(door.ledger, "run-1")
    assert recorded_run(door.ledger, "run-1", agent="analyst_la").agent == "analyst_la"
    unknown = ANALYST.model_copy(update={"instructions": "Nobody registered this."})
    decide(unknown, ScriptedModel(by_region()), door, nth(12))
    with pytest.raises(QuestionError, match="begin with 'run-'"):
        recorded_run(door.ledger, "run-", agent="analyst_mo")
    with pytest.raises(QuestionError, match="not on record as a whole"):
        replayed_definition(door.ledger, recorded_run(door.ledger, "run-12"))


def test_a_run_of_which_something_was_erased_is_not_replayed(door: GovernedMetrics) -> None:
    run = ran(door)
    door.ledger.erase(run.decision.answer, by="owner", reason="asked")
    with pytest.raises(QuestionError):
        recorded_run(door.ledger, "run-1")


def test_a_run_at_a_limit_decided_nothing(door: GovernedMetrics) -> None:
    def circle() -> Steps:
        while True:
            yield query_metrics("orders")

    run_agent(ANALYST, ScriptedModel(circle), door, nth(1), patience=IMPATIENT)
    with pytest.raises(QuestionError, match="ended at a limit"):
        recorded_run(door.ledger, "run-1")


def test_a_model_that_does_not_answer_is_told(door: GovernedMetrics) -> None:
    ran(door)
    models = [PricedModel(model=Flaky(by_region(), 1), price=None)]
    again = replay_run(
        recorded_run(door.ledger, "run-1"), ANALYST, models, door, patience=IMPATIENT
    )
    assert again.decision is None
    assert "503" in str(again.ended)
