"""What a run may take of chat models: tokens, money, time and patience; and what becomes of it at a limit."""

import asyncio
import signal
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from pydantic_ai import models
from pydantic_ai.messages import FinishReason, ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from agent_resources.agent import AgentDefinition, Limits
from agent_resources.agent_run import AgentRun, LimitedRun
from agent_resources.decision import Decision
from agent_resources.errors import AgentRunFailed, ModelUnavailable, NoValidDecision
from agent_resources.models import ScriptedModel, Told, ToolStep, query_metrics, resolve_model
from agent_resources.patience import Patience
from agent_resources.priced_models import access_to
from agent_resources.prices import OwnPrice
from agent_resources.recorded_model import PricedModel
from agent_resources.runner import run_agent
from semantic.answer import MetricAnswer
from semantic.cancellation import Cancellation, Cancelled
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Budget, ReadQuestion, RecordKind, Unit, find_reads
from semantic.ledger.schema import breakers, reservations
from semantic.open_snapshot import Fetched, OpenSnapshot
from tests.agent_resources.openai_server import (
    CutShort,
    Failure,
    Garbage,
    Late,
    Replied,
    Reset,
    openai_server,
    tool_call,
)
from tests.agent_resources.test_runner import ANALYST, CONTEXT, decided, written
from tests.conftest import OpenDoor
from tests.semantic.door import POLICY

A_DOLLAR_A_THOUSAND = OwnPrice(input=Decimal(1_000), output=Decimal(1_000))
HURRIED = Patience(tries=3, first_wait=0.01)
OF_ALL = "\nbudgets: [{budget: chat, readers: ['*'], per: all, within: 1d, %s}]\n"

FOR_HOURS = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
Steps = Generator[ToolStep, Told, Decision]


def every_region() -> Steps:
    """A new question at each turn, for as long as it may."""
    for limit in range(1, 1_000):
        yield query_metrics("orders", group_by="customer__region", limit=limit)
    return Decision(answer="All regions.", confidence=1)


def nothing() -> Steps:
    """Decides without a read."""
    yield from ()
    return Decision(answer="All is well.", confidence=1)


class Counting(FunctionModel):
    """Follows a script; each request takes a hundred tokens and gives ten."""

    def __init__(self, script: Any) -> None:
        self._scripted = ScriptedModel(script)
        self.asked = 0
        super().__init__(self._answer, model_name="counting")

    def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.asked += 1
        response = self._scripted._respond(messages, info)
        return replace(response, usage=RequestUsage(input_tokens=100, output_tokens=10))


def limited(**limits: Any) -> AgentDefinition:
    return ANALYST.model_copy(update={"limits": Limits(answer_tokens=50, turns=100, **limits)})


def spent(door: GovernedMetrics, unit: Unit, limit: int) -> int:
    budget = Budget(name="limit of a run of analyst_mo: run-1", unit=unit, limit=limit)
    return door.ledger.spent(budget)


def test_a_run_ends_before_its_tokens_are_overspent(door: GovernedMetrics) -> None:
    model = Counting(every_region)
    run = run_agent(limited(tokens=20_000), model, door, CONTEXT)
    assert isinstance(run, LimitedRun)
    assert "20,000 tokens" in run.limit
    assert model.asked == run.usage.requests > 0
    assert run.usage.input_tokens + run.usage.output_tokens == 110 * model.asked
    assert spent(door, Unit.TOKENS, 20_000) == 110 * model.asked <= 20_000
    assert len(run.reads) == model.asked, "its work is kept"
    [ended] = written(door, RecordKind.DECISION)
    assert ended["id"] == run.limit_id
    assert ended["reason"] == "limited"
    assert ended["details"]["reads"] == [read.result.read_id for read in run.reads]


def test_a_run_that_is_tried_again_has_what_is_left(door: GovernedMetrics) -> None:
    first = Counting(every_region)
    run_agent(limited(tokens=20_000), first, door, CONTEXT)
    again = Counting(every_region)
    run = run_agent(limited(tokens=20_000), again, door, replace(CONTEXT, run_id="run-2"))
    assert isinstance(run, LimitedRun)
    assert again.asked == 0
    assert spent(door, Unit.TOKENS, 20_000) == 110 * first.asked


def test_money_is_counted_in_millionths(door: GovernedMetrics) -> None:
    priced = [PricedModel(model=Counting(every_region), price=A_DOLLAR_A_THOUSAND)]
    run = run_agent(limited(dollars=Decimal(20)), priced, door, CONTEXT)
    assert isinstance(run, LimitedRun)
    assert "20 dollars" in run.limit
    assert run.usage.requests > 0
    assert run.usage.cost_micros == 110_000 * run.usage.requests
    assert run.usage.cost_micros <= 20_000_000
    costs = [item["details"].get("cost_micros") for item in written(door, RecordKind.OUTCOME)]
    assert costs.count(110_000) == run.usage.requests


def test_a_budget_of_the_policy_holds_over_runs_and_agents(open_door: OpenDoor) -> None:
    door = open_door(policy=POLICY + OF_ALL % "tokens: 30000")
    first = run_agent(limited(), Counting(every_region), door, CONTEXT)
    assert isinstance(first, LimitedRun)
    assert "The budget 'chat' is 30,000 tokens within 1d" in first.limit
    other = Counting(every_region)
    second = run_agent(limited(), other, door, replace(CONTEXT, root_run_id="another"))
    assert isinstance(second, LimitedRun)
    of_both = first.usage.requests + second.usage.requests
    chat = Budget(name="chat", unit=Unit.TOKENS, limit=30_000, seconds=86_400)
    assert 0 < other.asked < of_both
    assert door.ledger.spent(chat) == 110 * of_both


def test_a_budget_in_money_refuses_a_model_whose_price_nobody_knows(open_door: OpenDoor) -> None:
    model = Counting(every_region)
    with pytest.raises(ModelUnavailable, match="price of the chat model is not known"):
        run_agent(limited(), model, open_door(policy=POLICY + OF_ALL % "dollars: 5"), CONTEXT)
    assert model.asked == 0


def test_what_was_reserved_is_given_back(door: GovernedMetrics) -> None:
    run_agent(limited(tokens=20_000), Counting(every_region), door, CONTEXT)
    with door.ledger.reading() as connection:
        assert connection.execute(sa.select(reservations)).all() == []


def test_a_circle_is_left(door: GovernedMetrics) -> None:
    def endless() -> Steps:
        while True:
            yield query_metrics("orders")

    run = run_agent(limited(), ScriptedModel(endless), door, CONTEXT)
    assert isinstance(run, LimitedRun)
    assert "going in a circle" in run.limit
    assert len(run.reads) == 3


def test_turns_are_limited(door: GovernedMetrics) -> None:
    short = ANALYST.model_copy(update={"limits": Limits(turns=3)})
    run = run_agent(short, ScriptedModel(every_region), door, CONTEXT)
    assert isinstance(run, LimitedRun)
    assert "request_limit of 3" in run.limit
    assert len(run.reads) == run.usage.requests == 3


def test_a_run_ends_when_its_time_is_over(door: GovernedMetrics) -> None:
    async def slow(*_: object) -> ModelResponse:
        await asyncio.sleep(60)
        raise AssertionError

    run = run_agent(limited(seconds=1, tokens=20_000), FunctionModel(slow), door, CONTEXT)
    assert isinstance(run, LimitedRun)
    assert "within 1 s" in run.limit
    assert run.seconds < 60
    [call] = written(door, RecordKind.MODEL_CALL)
    [ended] = written(door, RecordKind.OUTCOME)
    assert (ended["id"], ended["reason"]) == (call["id"], "stopped")
    assert spent(door, Unit.TOKENS, 20_000) > 0, "nobody knows what it took"


def test_what_is_read_when_the_time_is_over_is_stopped(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The query runs in a thread, which nothing but its cancellation ends."""
    execute = OpenSnapshot.execute

    def for_hours(snapshot: OpenSnapshot, *_: object) -> Fetched:
        return execute(snapshot, FOR_HOURS, {}, 1)

    monkeypatch.setattr(OpenSnapshot, "execute", for_hours)
    short = limited(seconds=5)
    run = run_agent(short, ScriptedModel(every_region), door, CONTEXT)
    assert isinstance(run, LimitedRun)
    [read] = find_reads(door.ledger, ReadQuestion())
    assert (read.outcome, read.reason) == ("refused", "cancelled")
    with door.ledger.reading() as connection:
        assert connection.execute(sa.select(breakers)).all() == [], "no metric failed"

    monkeypatch.undo()
    again = run_agent(short, ScriptedModel(every_region), door, replace(CONTEXT, run_id="run-2"))
    assert again.resumed_from == "run-1"
    assert isinstance(again.reads[0].result, MetricAnswer), "it was not answered, so it is asked"


def test_who_interrupts_a_run_interrupts_what_it_waits_for(door: GovernedMetrics) -> None:
    """As Dagster does, which raises in the thread that runs the step."""
    begun = threading.Event()
    stopped: list[bool] = []

    async def slow(*_: object) -> ModelResponse:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(True)
            raise
        raise AssertionError

    def interrupt() -> None:
        begun.wait(60)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    # A worker of the tests ignores this signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_agent(limited(), FunctionModel(slow), door, CONTEXT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped == [True]
    [ended] = written(door, RecordKind.OUTCOME)
    assert ended["reason"] == "stopped"


def test_a_server_that_tells_of_no_tokens_is_charged_what_was_reserved(
    door: GovernedMetrics,
) -> None:
    def decides(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        made = ScriptedModel(nothing)._respond(messages, info)
        return replace(made, usage=RequestUsage())

    class Silent(FunctionModel):
        async def request(self, *asked: Any) -> ModelResponse:
            return replace(await super().request(*asked), usage=RequestUsage())

    assert isinstance(run_agent(limited(tokens=50_000), Silent(decides), door, CONTEXT), AgentRun)
    assert spent(door, Unit.TOKENS, 50_000) > 1_000


def test_a_provider_is_asked_again_when_it_says_so(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    replies = [Failure(429, {"Retry-After": "0.2"}), Failure(503)]
    started = time.monotonic()
    with openai_server(lambda asked: replies.pop(0) if replies else decided(asked)) as (url, had):
        model = resolve_model("small-model", base_url=url)
        run = run_agent(ANALYST, model, door, CONTEXT, patience=HURRIED)
    assert isinstance(run, AgentRun)
    assert len(had) == 3, "no library below asks again by itself"
    assert time.monotonic() - started >= 0.2
    reasons = [call["reason"] for call in written(door, RecordKind.OUTCOME)]
    assert reasons == ["failed", "failed", None]


def test_who_is_to_wait_too_long_does_not(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    with openai_server(lambda asked: Failure(429, {"Retry-After": "3600"})) as (url, had):
        model = resolve_model("small-model", base_url=url)
        with pytest.raises(AgentRunFailed, match="429"):
            run_agent(ANALYST, model, door, CONTEXT, patience=HURRIED)
    assert len(had) == 1


@pytest.mark.parametrize("status", [503, 401, 404])
def test_where_a_model_does_not_answer_the_next_one_is_asked(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    with openai_server(lambda asked: status) as (broken, _), openai_server(decided) as (url, had):
        asked = [
            PricedModel(model=resolve_model(name, base_url=address), price=None)
            for name, address in (("first", broken), ("second", url))
        ]
        run = run_agent(ANALYST, asked, door, CONTEXT, patience=replace(HURRIED, tries=1))
    assert isinstance(run, AgentRun)
    assert run.model == "second"
    assert len(had) == 1
    names = [item["details"]["model"] for item in written(door, RecordKind.MODEL_CALL)]
    assert names == ["first", "second"]


@pytest.mark.parametrize(
    "fault",
    [
        Reset(),
        CutShort(decided({})),
        Garbage(b"<html>busy</html>"),
        Garbage(b'{"choices": []}'),
        Garbage(
            b'{"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": []}'
        ),
    ],
    ids=["reset", "cut short", "a page", "no choice", "a completion of no choice"],
)
def test_what_is_no_response_is_asked_again(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch, fault: Replied
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    replies = [fault]
    with openai_server(lambda asked: replies.pop(0) if replies else decided(asked)) as (url, had):
        model = resolve_model("small-model", base_url=url)
        run = run_agent(ANALYST, model, door, CONTEXT, patience=HURRIED)
    assert isinstance(run, AgentRun)
    assert len(had) == 2
    reasons = [call["reason"] for call in written(door, RecordKind.OUTCOME)]
    assert reasons == ["failed", None]


@pytest.mark.parametrize("body", [b'{"object": "chat.completion", "choices": []}', b"[]"])
def test_where_a_server_never_responds_the_next_model_is_asked_and_the_first_one_is_paid(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """What it cost nobody knows, so it is what was reserved: a run cannot spend more by failing."""
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    with (
        openai_server(lambda asked: Garbage(body)) as (broken, had),
        openai_server(decided) as (
            url,
            _,
        ),
    ):
        asked = [
            PricedModel(model=resolve_model(name, base_url=address), price=None)
            for name, address in (("first", broken), ("second", url))
        ]
        run = run_agent(limited(tokens=100_000), asked, door, CONTEXT, patience=HURRIED)
    assert isinstance(run, AgentRun)
    assert run.model == "second"
    assert len(had) == HURRIED.tries
    assert spent(door, Unit.TOKENS, 100_000) > HURRIED.tries * 1_000


def test_a_server_that_is_not_there_costs_nothing(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    with openai_server(decided) as (url, _):
        pass
    model = resolve_model("small-model", base_url=url)
    with pytest.raises(AgentRunFailed):
        run_agent(limited(tokens=100_000), model, door, CONTEXT, patience=replace(HURRIED, tries=1))
    assert spent(door, Unit.TOKENS, 100_000) == 0


def test_an_address_that_is_none_is_told_in_a_sentence(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    with pytest.raises(ModelUnavailable, match="There is no server at"):
        resolve_model("small-model", base_url="http://[::1")
    model = resolve_model("small-model", base_url="http://127.0.0.1:99999/v1")
    with pytest.raises(AgentRunFailed):
        run_agent(ANALYST, model, door, CONTEXT, patience=replace(HURRIED, tries=1))


def test_more_tokens_than_there_are_count_as_none_told(
    door: GovernedMetrics,
) -> None:
    class Boasting(FunctionModel):
        async def request(self, *asked: Any) -> ModelResponse:
            usage = RequestUsage(input_tokens=10**30, output_tokens=1)
            return replace(await super().request(*asked), usage=usage)

    model = Boasting(ScriptedModel(nothing)._respond)
    assert isinstance(run_agent(limited(tokens=50_000), model, door, CONTEXT), AgentRun)
    assert 1_000 < spent(door, Unit.TOKENS, 50_000) < 50_000


@pytest.mark.parametrize("reason", ["length", "content_filter"])
@pytest.mark.parametrize("text", ["", "I will not"])
def test_what_is_cut_off_or_refused_goes_back_to_the_model_a_few_times(
    door: GovernedMetrics, reason: FinishReason, text: str
) -> None:
    def model_that(decides_after: int) -> tuple[FunctionModel, list[int]]:
        asked: list[int] = []

        def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
            asked.append(len(messages))
            if len(asked) <= decides_after:
                return ModelResponse(parts=[TextPart(text)], finish_reason=reason)
            return ScriptedModel(nothing)._respond([], info)

        return FunctionModel(answer, model_name="unwilling"), asked

    willing, asked = model_that(decides_after=2)
    assert isinstance(run_agent(ANALYST, willing, door, CONTEXT), AgentRun)
    assert len(asked) == 3
    never, asked = model_that(decides_after=1_000)
    with pytest.raises(NoValidDecision):
        run_agent(ANALYST, never, door, replace(CONTEXT, root_run_id="another"))
    assert len(asked) == 4


def test_a_response_that_comes_too_late_ends_the_run(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    with openai_server(lambda asked: Late(decided(asked), 20)) as (url, had):
        model = resolve_model("small-model", base_url=url)
        run = run_agent(limited(seconds=2), model, door, CONTEXT)
        assert isinstance(run, LimitedRun)
        assert run.seconds < 20
    assert len(had) == 1


def test_what_a_model_writes_wrongly_goes_back_to_it_a_few_times(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    cut = tool_call("final_result", '{"answer": "All is', "call-1")
    replies = [cut, cut]
    with openai_server(lambda asked: replies.pop(0) if replies else decided(asked)) as (url, had):
        model = resolve_model("small-model", base_url=url)
        run = run_agent(ANALYST, model, door, CONTEXT)
    assert isinstance(run, AgentRun)
    assert len(had) == 3
    with openai_server(lambda asked: cut) as (url, had):
        model = resolve_model("small-model", base_url=url)
        with pytest.raises(AgentRunFailed, match="no valid decision"):
            run_agent(ANALYST, model, door, replace(CONTEXT, root_run_id="another"))
    assert len(had) == 4
    assert len(written(door, RecordKind.MODEL_CALL)) == 7


def test_a_request_that_is_wrong_is_asked_of_nobody_else(
    door: GovernedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "ALLOW_MODEL_REQUESTS", True)
    with openai_server(lambda asked: 400) as (broken, _), openai_server(decided) as (url, had):
        asked = [
            PricedModel(model=resolve_model("small-model", base_url=address), price=None)
            for address in (broken, url)
        ]
        with pytest.raises(AgentRunFailed, match="400"):
            run_agent(ANALYST, asked, door, CONTEXT, patience=HURRIED)
    assert had == []


def test_a_query_that_nobody_waits_for_is_stopped() -> None:
    connection = duckdb.connect()
    cancellation = Cancellation()
    ended: list[str] = []

    def ask() -> None:
        try:
            with cancellation.running(connection):
                connection.execute(FOR_HOURS)
        except Cancelled:
            ended.append("cancelled")

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    cancellation.cancel()
    thread.join(30)
    assert ended == ["cancelled"]
    with pytest.raises(Cancelled), cancellation.running(connection):
        raise AssertionError


def test_a_key_is_given_to_no_other_provider() -> None:
    def given(name: str, first: str) -> dict[str, str | None]:
        return access_to(name, first, "key-of-anthropic", "http://127.0.0.1:1/v1")

    whole = {"api_key": "key-of-anthropic", "base_url": "http://127.0.0.1:1/v1"}
    assert given("anthropic:claude-sonnet-4-5", "anthropic:claude-opus-4-1") == whole
    assert given("larger-model", "small-model") == whole
    assert given("openai:gpt-5-mini", "anthropic:claude-opus-4-1") == {}
    assert given("openai:gpt-5-mini", "small-model") == {}
