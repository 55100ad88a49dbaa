"""A run that is tried again goes on where the one before it ended: nothing is paid twice, and nothing read twice."""

import json
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from agent_resources.agent import AgentDefinition, Resume
from agent_resources.agent_run import AgentRun
from agent_resources.decision import Decision
from agent_resources.errors import AgentRunFailed, RunChanged
from agent_resources.models import ScriptedModel, Told, ToolStep, query_metrics
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import JournalPlace, ReadContext, ReadQuestion, RecordKind, find_reads
from semantic.ledger.schema import journal, records
from tests.agent_resources.deciding import decide
from tests.conftest import OpenDoor
from tests.semantic.door import POLICY

FIRST = ReadContext(run_id="run-1", root_run_id="run-1", step_key="agents__analyst_mo")
AGAIN = replace(FIRST, run_id="run-2")
PLACE = JournalPlace(root_run_id="run-1", step="agents__analyst_mo")
ANALYST = AgentDefinition(
    name="analyst_mo",
    description="Says how orders stand.",
    instructions="Say how orders stand.",
    metrics=("orders", "revenue", "customers"),
)
STARTS_AGAIN = ANALYST.model_copy(update={"resume": Resume(if_changed="start_again")})

Steps = Generator[ToolStep, Told, Decision]


def steps() -> Steps:
    """Two answers, a refusal and a decision."""
    by_region = yield query_metrics("orders", group_by="customer__region", order_by="-orders")
    refused = yield query_metrics("customers")
    revenue = yield query_metrics("revenue", group_by="metric_time__day")
    most = by_region.records()[0]
    return Decision(
        answer=f"{most['customer__region']}: {most['orders']}; {len(revenue.records())} days; {refused.message}",
        confidence=0.9,
    )


REQUESTS = 4


class Flaky(FunctionModel):
    """Follows a script, and fails at some of the requests that reach it: `asked` counts them."""

    def __init__(self, script: Callable[[], Steps], *failing: int) -> None:
        self._scripted = ScriptedModel(script)
        self._failing = failing
        self.asked = 0
        super().__init__(self._answer, model_name="flaky")

    def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked += 1
        if self.asked in self._failing:
            raise ModelHTTPError(503, "flaky", "overloaded")
        return self._scripted._respond(messages, info)


def count(door: GovernedMetrics, kind: RecordKind, **fields: object) -> int:
    wanted = [
        records.c[name].is_(value) if value is None else records.c[name] == value
        for name, value in fields.items()
    ]
    with door.ledger.reading() as connection:
        return connection.execute(
            sa.select(sa.func.count()).where(records.c.kind == kind.value, *wanted)
        ).scalar_one()


def run(
    door: GovernedMetrics, model: FunctionModel, context: ReadContext = FIRST, **how: Any
) -> AgentRun:
    return decide(how.pop("definition", ANALYST), model, door, context, **how)


def never_interrupted(open_door: OpenDoor) -> AgentRun:
    """The same run elsewhere, without a place."""
    return run(open_door(), FunctionModel(ScriptedModel(steps)._respond), ReadContext())


@pytest.mark.parametrize("failing", range(1, REQUESTS + 1))
def test_a_run_goes_on_where_the_one_before_it_ended(
    door: GovernedMetrics, open_door: OpenDoor, failing: int
) -> None:
    model = Flaky(steps, failing)
    with pytest.raises(AgentRunFailed, match="503"):
        run(door, model)
    reads = {read.read_id for read in find_reads(door.ledger, ReadQuestion())}
    finished = run(door, model, AGAIN)
    assert model.asked == REQUESTS + 1, "each request was paid once"
    assert finished.resumed_from == "run-1"
    assert finished.usage.requests == REQUESTS
    assert count(door, RecordKind.MODEL_CALL) == REQUESTS + 1
    assert count(door, RecordKind.OUTCOME, reason="failed") == 1
    assert count(door, RecordKind.INTENT) == 2
    assert count(door, RecordKind.OUTCOME, reason=None) == REQUESTS + 2
    assert count(door, RecordKind.REFUSAL) == 1
    told = {item.result.read_id for item in finished.reads}
    assert reads <= told
    assert told == {read.read_id for read in find_reads(door.ledger, ReadQuestion())}
    assert finished.decision == never_interrupted(open_door).decision


def test_what_was_read_before_is_the_same_answer(door: GovernedMetrics) -> None:
    model = Flaky(steps, REQUESTS)
    seen: list[Any] = []
    with pytest.raises(AgentRunFailed):
        run(door, model, on_read=seen.append)
    again: list[Any] = []
    finished = run(door, model, AGAIN, on_read=again.append)
    assert again == list(finished.reads)
    assert [item.result for item in seen] == [item.result for item in again]
    assert [item.asked for item in seen] == [item.asked for item in again]


def test_a_run_that_could_not_tell_of_its_decision_tells_it_when_it_is_tried_again(
    door: GovernedMetrics,
) -> None:
    model = Flaky(steps)
    first = run(door, model)
    again = run(door, model, AGAIN)
    assert model.asked == REQUESTS
    assert again.decision == first.decision
    assert again.decision_id == first.decision_id
    assert count(door, RecordKind.DECISION) == 1


def test_a_step_that_was_done_and_is_asked_for_again_begins_anew(door: GovernedMetrics) -> None:
    model = Flaky(steps)
    first = run(door, model)
    again = run(door, model, AGAIN, is_done=lambda run_id: run_id == "run-1")
    assert model.asked == 2 * REQUESTS
    assert again.resumed_from is None
    assert {item.result.read_id for item in first.reads}.isdisjoint(
        item.result.read_id for item in again.reads
    )
    third = run(
        door, model, replace(FIRST, run_id="run-3"), is_done=lambda run_id: run_id == "run-1"
    )
    assert third.resumed_from == "run-2", "which was not done"
    assert model.asked == 2 * REQUESTS


def test_runs_of_another_root_step_or_partition_begin_anew(door: GovernedMetrics) -> None:
    model = Flaky(steps)
    run(door, model)
    run(door, model, replace(FIRST, root_run_id="other"))
    run(door, model, replace(FIRST, step_key="other"))
    run(door, model, partition="2024-03-01")
    assert model.asked == 4 * REQUESTS
    run(door, model, partition="2024-03-01")
    assert model.asked == 4 * REQUESTS


def test_a_run_without_a_place_keeps_nothing(door: GovernedMetrics) -> None:
    run(door, Flaky(steps), ReadContext())
    with door.ledger.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(journal)).scalar_one() == 0


def test_an_attempt_without_a_valid_decision_is_followed_by_another(door: GovernedMetrics) -> None:
    says: list[ModelResponse] = [ModelResponse(parts=[TextPart("Hello!")])] * 4

    def chatter(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        decision = {"answer": "All is well.", "findings": [], "confidence": 0.5}
        decided = ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, decision)])
        return says.pop() if says else decided

    with pytest.raises(AgentRunFailed, match="no valid decision"):
        run(door, FunctionModel(chatter))
    assert run(door, FunctionModel(chatter), AGAIN).decision.answer == "All is well."
    assert [entry.attempt for entry in door.ledger.journal(PLACE)] == [2] * 3


OTHER_PROMPT = ANALYST.model_copy(update={"instructions": "Say how revenue stands."})


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"definition": OTHER_PROMPT}, "because its definition changed since"),
        ({"question": "How is business?"}, "because the question changed since"),
    ],
    ids=["prompt", "question"],
)
def test_a_run_that_rests_on_something_else_does_not_go_on(
    door: GovernedMetrics, how: dict[str, Any], told: str
) -> None:
    model = Flaky(steps, 3)
    with pytest.raises(AgentRunFailed):
        run(door, model)
    with pytest.raises(RunChanged, match=rf"does not go on where run-1 ended, {told}") as refused:
        run(door, model, AGAIN, **how)
    assert "if_changed: start_again" in str(refused.value.hint)
    assert model.asked == 3


def test_another_policy_is_a_change(door: GovernedMetrics, open_door: OpenDoor) -> None:
    model = Flaky(steps, 3)
    with pytest.raises(AgentRunFailed):
        run(door, model)
    stricter = open_door(policy=POLICY + "\nbreaker: {failures: 9, seconds: 60}\n")
    with pytest.raises(RunChanged, match="because the policy changed since"):
        run(stricter, model, AGAIN)


@pytest.mark.parametrize(
    ("asked_again", "told"),
    [(["model 001"], "read 001 step-0"), (["model 001", "read 001 step-0"], "model 002")],
    ids=["read", "request"],
)
def test_another_call_is_a_change(door: GovernedMetrics, asked_again: list[str], told: str) -> None:
    def other() -> Steps:
        yield query_metrics("orders")
        yield query_metrics("revenue")
        return Decision(answer="Other.", confidence=1)

    with pytest.raises(AgentRunFailed):
        run(door, Flaky(steps, 3))
    with door.ledger.transaction() as transaction:
        transaction.connection.execute(sa.delete(journal).where(journal.c.call.in_(asked_again)))
    with pytest.raises(RunChanged, match=rf"because what it asks \({told}\) changed since"):
        run(door, Flaky(other), AGAIN)


def test_it_starts_again_where_the_agents_file_says_so(door: GovernedMetrics) -> None:
    model = Flaky(steps, 3)
    with pytest.raises(AgentRunFailed):
        run(door, model, definition=STARTS_AGAIN)
    finished = run(door, model, AGAIN, definition=STARTS_AGAIN, question="How is business?")
    assert finished.resumed_from is None
    assert model.asked == 3 + REQUESTS
    assert {entry.attempt for entry in door.ledger.journal(PLACE)} == {2}


@pytest.mark.parametrize("spoil", ["another row", "another read"])
def test_what_the_record_does_not_say_was_released_is_read_again(
    door: GovernedMetrics, spoil: str
) -> None:
    """The journal is no part of the record, and who changes it changes no answer."""
    model = Flaky(steps, 2)
    with pytest.raises(AgentRunFailed):
        run(door, model)
    [entry] = [item for item in door.ledger.journal(PLACE) if item.call.startswith("read")]
    forged = json.loads(entry.body)
    if spoil == "another row":
        forged["rows"][0][1] += 1
    else:
        forged["provenance"]["read_id"] = "01a1fc91-e589-7d2a-b616-3d112d63b548"
    with door.ledger.transaction() as transaction:
        transaction.connection.execute(
            sa.update(journal)
            .where(journal.c.call == entry.call)
            .values(body=json.dumps(forged).encode())
        )
    finished = run(door, model, AGAIN)
    assert finished.decision.answer.startswith("north: 4;")
    assert count(door, RecordKind.INTENT) == 2


def test_what_was_erased_is_asked_again(door: GovernedMetrics) -> None:
    model = Flaky(steps, 2)
    with pytest.raises(AgentRunFailed):
        run(door, model)
    assert door.ledger.erase("north", by="owner", reason="asked").calls
    finished = run(door, model, AGAIN)
    assert finished.decision.answer.startswith("north: 4;")
    assert count(door, RecordKind.INTENT) == 2, "the same read"
