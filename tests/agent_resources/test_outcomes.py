"""How decisions turned out: told later, on record, and what that says of an agent."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agent_resources.agent import MemoryOf
from agent_resources.agent_file import load_agent
from agent_resources.agent_run import AgentRun
from agent_resources.decision import Decision
from agent_resources.errors import AgentDefinitionError
from agent_resources.models import ScriptedModel, Told, ToolStep, query_metrics
from agent_resources.prices import OwnPrice
from agent_resources.quality import quality_of
from agent_resources.recorded_model import PricedModel
from agent_resources.runner import run_agent
from semantic.errors import QuestionError
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import ReadContext, RecordKind
from semantic.ledger.verdicts import Source, Turned, Verdict, judged_decisions, tell_verdict
from tests.agent_resources.deciding import IMPATIENT, decide
from tests.agent_resources.test_agent import GOOD, _write
from tests.agent_resources.test_limits import Counting
from tests.agent_resources.test_runner import ANALYST, written

Steps = Generator[ToolStep, Told, Decision]
RIGHT, WRONG = Verdict(turned=Turned.RIGHT), Verdict(turned=Turned.WRONG)


def nth(number: int) -> ReadContext:
    run = f"run-{number}"
    return ReadContext(run_id=run, root_run_id=run, step_key="agents__analyst_mo")


def look() -> Steps:
    told = yield query_metrics("orders")
    return Decision(answer=f"There are {told.records()[0]['orders']} orders.", confidence=1)


def decided(door: GovernedMetrics, number: int) -> AgentRun:
    priced = [
        PricedModel(model=Counting(look), price=OwnPrice(input=Decimal(10), output=Decimal(0)))
    ]
    run = decide(ANALYST, priced, door, nth(number))
    assert run.usage.cost_micros == 2_000
    return run


def person(door: GovernedMetrics, run: AgentRun, verdict: Verdict) -> str:
    return tell_verdict(door.ledger, run.decision_id, verdict, by="ana", source=Source.PERSON)


def test_what_is_told_is_on_record_and_counts(door: GovernedMetrics) -> None:
    runs = [decided(door, number) for number in range(4)]
    person(
        door,
        runs[0],
        Verdict(
            turned=Turned.RIGHT,
            acted_on=True,
            value=Decimal("1200.50"),
            unit="USD",
            note="Jane did it",
        ),
    )
    person(door, runs[1], WRONG)
    person(door, runs[2], Verdict(acted_on=True))
    quality = quality_of(judged_decisions(door.ledger, agents=["analyst_mo"]))
    assert (quality.decisions, quality.told, quality.right, quality.wrong) == (4, 2, 1, 1)
    assert (quality.acted_on, quality.right_share) == (2, 0.5)
    assert quality.values == {"USD": Decimal("1200.50")}
    assert (quality.cost_micros, quality.cost_micros_per_right) == (8_000, 8_000)
    [first, *_] = written(door, RecordKind.VERDICT)
    assert (first["reader"], first["reason"]) == ("ana", "right")
    assert "Jane" not in str(first)
    assert door.ledger.verify().is_whole


def test_what_is_told_last_counts_and_a_person_before_a_check(door: GovernedMetrics) -> None:
    run = decided(door, 1)
    person(door, run, WRONG)
    person(door, run, RIGHT)
    [item] = judged_decisions(door.ledger)
    assert item.turned is Turned.RIGHT
    tell_verdict(door.ledger, run.decision_id, WRONG, by="judge", source=Source.CHECK)
    [item] = judged_decisions(door.ledger)
    assert item.turned is Turned.RIGHT
    assert len(item.verdicts) == 2


def test_what_is_told_later_takes_nothing_away(door: GovernedMetrics) -> None:
    run, other = decided(door, 1), decided(door, 2)
    worth = Verdict(turned=Turned.RIGHT, value=Decimal(1200), unit="USD")
    person(door, run, worth)
    person(door, run, Verdict(acted_on=True))
    person(door, other, Verdict(value=Decimal(30), unit="minutes"))
    quality = quality_of(judged_decisions(door.ledger))
    assert (quality.right, quality.acted_on) == (1, 1)
    assert quality.values == {"USD": Decimal(1200), "minutes": Decimal(30)}


def test_decisions_are_those_of_an_agent_and_a_time(door: GovernedMetrics) -> None:
    decided(door, 1)
    now = datetime.now(UTC).replace(tzinfo=None)
    assert judged_decisions(door.ledger, agents=["another"]) == []
    assert judged_decisions(door.ledger, since=now + timedelta(days=1)) == []
    assert len(judged_decisions(door.ledger, since=now - timedelta(days=1))) == 1


def test_an_unknown_price_is_no_cost_of_nothing(door: GovernedMetrics) -> None:
    decide(ANALYST, Counting(look), door, nth(1))
    quality = quality_of(judged_decisions(door.ledger))
    assert quality.cost_micros is None
    assert quality.right_share is None


def test_only_a_decision_turns_out(door: GovernedMetrics) -> None:
    def circle() -> Steps:
        while True:
            yield query_metrics("orders")

    limited = run_agent(ANALYST, ScriptedModel(circle), door, nth(1), patience=IMPATIENT)
    for decision_id, told in (
        ("nobody-decided-this", "is on record as no decision"),
        (limited.limit_id, "came to no decision"),  # type: ignore[union-attr]
    ):
        with pytest.raises(QuestionError, match=told):
            tell_verdict(door.ledger, decision_id, RIGHT, by="ana", source=Source.PERSON)


def test_an_agent_is_told_how_its_past_runs_turned_out(door: GovernedMetrics) -> None:
    person(door, decided(door, 1), WRONG)

    def recall() -> Steps:
        told = yield ToolStep(tool="recall_past_runs", arguments={})
        return Decision(answer=f"{told.content}", confidence=1)

    mindful = ANALYST.model_copy(update={"memory": MemoryOf(past_runs=True)})
    answer = decide(mindful, ScriptedModel(recall), door, nth(2)).decision.answer
    assert "'turned_out': 'wrong'" in answer


def test_a_judge_that_is_not_there_is_told_with_its_line(tmp_path: Path) -> None:
    for call, told in (
        ("tests.agent_resources.outputs:judge", "is not there"),
        ("tests.agent_resources.outputs:NUMBER", "cannot be called"),
        ("nobody.knows:it", "cannot be imported"),
        ("judge", "outcome.call"),
    ):
        text = GOOD + f"outcome: {{call: '{call}', reader: judge}}\n"
        with pytest.raises(AgentDefinitionError) as refused:
            load_agent(_write(tmp_path, text))
        assert told in str(refused.value)
        assert "watch.yaml:7" in str(refused.value)
