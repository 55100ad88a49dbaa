"""Agents played on the past: a day at a time, as the data was known, marked as such, and outside triggers, memory and approvals."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration_assets.history_assets import history_key
from semantic.ledger import ReadQuestion, RecordKind, find_reads
from semantic.ledger.run_decisions import decisions_with, standing_decisions
from semantic.ledger.verdicts import judged_decisions
from tests.orchestration_assets.location import agent_key, fork
from tests.orchestration_assets.triggers.playing import Played, write_agents

PAST = history_key("boss")


@pytest.fixture
def shop(built_shop: Path, tmp_path: Path) -> Iterator[Played]:
    agents = write_agents(
        tmp_path / "agents",
        {"boss": {}, "boss_second": {"on": {"decision": {"of": "boss"}}}},
        history={"start": "2024-03-01", "end": "2024-03-06"},
        memory={"past_runs": True},
    )
    with Played(fork(built_shop, tmp_path / "shop"), agents) as shop:
        shop.settle()
        yield shop


def play(shop: Played, day: str) -> dg.AssetMaterialization:
    ran = shop.run([PAST], tags={"dagster/partition": day})
    assert ran.success, ran.failures
    return shop.latest(PAST)


def test_each_day_is_decided_on_the_data_as_it_was_known(shop: Played) -> None:
    answers = {
        day: play(shop, day).metadata["answer"].value for day in ("2024-03-01", "2024-03-03")
    }
    assert answers == {
        "2024-03-01": "orders 1, revenue 12.5",
        "2024-03-03": "orders 4, revenue 25",
    }
    latest = shop.latest(PAST)
    assert latest.partition == "2024-03-03"
    assert latest.metadata["state"].value == "history"
    assert str(latest.metadata["as_known"].value).startswith("covering 2024-03-03, snapshot v")


def test_it_is_on_record_as_history_and_nobody_takes_it_for_a_decision(shop: Played) -> None:
    with shop.ledger() as ledger:
        before = {it.agent: it.decision_id for it in standing_decisions(ledger)}
        told = len(judged_decisions(ledger, agents=["boss"]))
    played = play(shop, "2024-03-02")
    decision_id = str(played.metadata["decision_id"].value)
    run_id = str(shop.last_run(PAST).dagster_run.run_id)
    with shop.ledger() as ledger:
        body = ledger.body(decision_id, RecordKind.DECISION)
        assert body is not None
        assert (body["reason"], body["purpose"]) == ("history", "history 2024-03-02")
        reads = list(find_reads(ledger, ReadQuestion(run=run_id)))
        assert {str(read.covers_to) for read in reads} == {"2024-03-02"}
        assert {it.agent: it.decision_id for it in standing_decisions(ledger)} == before
        assert len(judged_decisions(ledger, agents=["boss"])) == told
        [found] = decisions_with(ledger, [decision_id])
        assert found.is_one
    assert shop.look().agents == [], "no trigger looks at it"
    assert shop.metadata(agent_key("boss"))["state"] == "decided"


def test_a_day_that_is_tried_again_has_the_same_reads(shop: Played) -> None:
    first = play(shop, "2024-03-02").metadata["answer"].value
    assert play(shop, "2024-03-02").metadata["answer"].value == first


def test_a_snapshot_that_is_not_kept_is_said(built_shop: Path, tmp_path: Path) -> None:
    agents = write_agents(
        tmp_path / "agents",
        {"boss": {}},
        history={"start": "2024-03-01", "as_known": "snapshot"},
    )
    with Played(fork(built_shop, tmp_path / "shop"), agents) as shop:
        shop.settle()
        ran = shop.run([PAST], tags={"dagster/partition": "2024-03-02"})
        assert (
            "No snapshot that was published by 2024-03-02 is kept"
            in (ran.failures["history__boss"])
        )
