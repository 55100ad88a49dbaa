"""A metric that was wrong for a period: what rests on it is taken back, on record and in Dagster."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from orchestration_assets.runs_again import asked_again
from semantic.ledger.run_decisions import standing_decisions
from semantic.snapshot_record import SnapshotRecord
from tests.orchestration_assets.commands import Command, Said, typed_in
from tests.orchestration_assets.corner_shop import build_definitions, warehouse_of
from tests.orchestration_assets.location import Location, agent_key, fork, metric_key
from tests.orchestration_assets.test_sensors import ORDERS

BOSS, NORTH = agent_key("boss"), agent_key("north")
SUMMARY, SLIDES = dg.AssetKey("summary"), dg.AssetKey("slides")


@pytest.fixture
def built_on(settled_shop: Path, tmp_path: Path) -> Iterator[Location]:
    """The settled shop with assets of somebody's own below the boss: a summary of its decision, and slides of the summary."""

    @dg.asset(deps=[BOSS])
    def summary() -> None: ...

    @dg.asset(deps=[summary])
    def slides() -> None: ...

    folder = fork(settled_shop, tmp_path / "shop")
    definitions = dg.Definitions.merge(
        build_definitions(folder), dg.Definitions(assets=[summary, slides])
    )
    with Location(folder, definitions, warehouse_of(folder)) as location:
        ran = location.run([SUMMARY, SLIDES])
        assert ran.success, ran.failures
        yield location


@pytest.fixture
def command(
    built_on: Location, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return typed_in(built_on.home, monkeypatch, capsys)


def recall(command: Command, metric: str = "orders", **options: str) -> Said:
    given = {"from": "2000-01-01", "to": "2030-01-01"} | options
    given["to"] = min(given["to"], "2030-01-01")
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    return command("recall", metric, *words, "--reason", "the feed was late", "--json")


def state(location: Location, key: dg.AssetKey) -> tuple[bool, str] | None:
    """How the check stands on an asset's newest materialization, and why; None where it was never told."""
    check = dg.AssetCheckKey(key, "not_recalled")
    found = location.instance.event_log_storage.get_latest_asset_check_execution_by_key([check])
    if check not in found:
        return None
    evaluation = location.evaluation(key, "not_recalled")
    return evaluation.passed, evaluation.description or ""


def test_decisions_and_what_was_built_on_them_are_taken_back(
    built_on: Location, command: Command
) -> None:
    assert state(built_on, BOSS) == (True, "")
    said = recall(command)
    assert said.code == 0, said.err
    assert set(said.told["assets"]) >= {"agents/boss", "summary", "slides"}
    for key in (BOSS, SUMMARY, SLIDES):
        told = state(built_on, key)
        assert told is not None
        assert told[0] is False
        assert told[1] == "orders was wrong for 2000-01-01 to 2030-01-01: the feed was late"
    decided = built_on.metadata(BOSS)["decision_id"]
    assert decided in {item["decision_id"] for item in said.told["decisions"]}
    assert state(built_on, metric_key("orders")) is None, "the metric itself is for who mends it"


def test_a_new_run_is_not_recalled_once_the_data_is_another(
    built_on: Location, command: Command
) -> None:
    recall(command)
    assert built_on.run([BOSS]).success
    told = state(built_on, BOSS)
    assert told is not None
    assert told[0] is False, "it read just what was wrong again"
    built_on.change(f"DELETE FROM {ORDERS} WHERE order_id = 5")
    built_on.publish()
    assert built_on.run([BOSS]).success
    told = state(built_on, BOSS)
    assert told is not None
    assert told[0] is True


def test_who_did_not_read_it_is_left_alone(built_on: Location, command: Command) -> None:
    readers = {
        read.agent for read in built_on.all_reads() if read.metric == "orders" and read.agent
    }
    said = recall(command)
    assert set(said.told["to_be_told"]["agents"]) == readers - {"refresh"}
    others = {"boss", "north", "greeter"} - readers
    assert others
    for name in others:
        assert state(built_on, agent_key(name)) == (True, "")


def test_days_and_versions_that_were_not_read_take_nothing_back(
    built_on: Location, command: Command
) -> None:
    said = recall(command, **{"from": "1999-01-01", "to": "1999-12-31"})
    assert (said.told["decisions"], said.told["assets"]) == ([], [])
    [version] = {
        read.data_version
        for read in built_on.all_reads()
        if read.metric == "orders" and read.agent == "boss"
    }
    assert version
    assert recall(command, version=version[:8]).told["decisions"]
    assert recall(command, version="ffffffff").code == 1


def test_agents_run_again_once_when_the_data_is_repaired(
    built_on: Location, command: Command
) -> None:
    """Also one of which the trigger would not ask for a run: it has none here."""
    said = command(
        "recall",
        "orders",
        "--from",
        "2000-01-01",
        "--to",
        "2026-01-01",
        "--reason",
        "late",
        "--again",
        "--json",
    )
    assert said.code == 0, said.err
    recall_id = said.told["recall_id"]
    keys = {f"{item['agent']}-again-{recall_id}" for item in said.told["decisions"]}
    assert "boss-again-" + recall_id in keys
    asked = {request.run_key for request in built_on.tick().requests}
    assert not keys & asked, "the data is the same as before"
    built_on.change(f"DELETE FROM {ORDERS} WHERE order_id = 5")
    built_on.publish()
    tick = built_on.tick()
    assert {request.run_key for request in tick.requests} >= keys
    built_on.run_all(tick)
    told = state(built_on, BOSS)
    assert told is not None
    assert told[0] is True
    again = {request.run_key for request in built_on.tick().requests}
    assert not keys & again


def test_nobody_runs_again_while_anything_else_is_still_wrong(
    built_on: Location, command: Command
) -> None:
    """Two recalls of one decision, of which one asks for no run: both must be repaired."""
    days = ("--from", "2000-01-01", "--to", "2026-01-01", "--reason", "late", "--json")
    assert command("recall", "orders", *days, "--again").code == 0
    wrong = next(
        it.metric for it in built_on.all_reads() if it.agent == "boss" and it.metric != "orders"
    )
    assert command("recall", wrong, *days).code == 0
    record, ledger = built_on.current, built_on.ledger
    with ledger() as opened:
        standing = {it.agent for it in standing_decisions(opened)}
        assert "boss" in standing
        assert "boss" not in asked_again(opened, record)
        repaired = with_versions(record, {"orders": "another"})
        assert "boss" not in asked_again(opened, repaired)
        both = with_versions(record, dict.fromkeys(record.metrics, "another"))
        assert "boss" in asked_again(opened, both)
        gone = replace(both, metrics={})
        assert "boss" not in asked_again(opened, gone)


def with_versions(record: SnapshotRecord, versions: dict[str, str]) -> SnapshotRecord:
    return replace(
        record,
        metrics={
            name: replace(state, data_version=versions.get(name, state.data_version))
            for name, state in record.metrics.items()
        },
    )


def test_a_dry_run_takes_nothing_back(built_on: Location, command: Command) -> None:
    said = command(
        "recall",
        "orders",
        "--from",
        "2000-01-01",
        "--to",
        "2026-01-01",
        "--reason",
        "x",
        "--dry-run",
    )
    assert said.code == 0
    assert "this was a dry run" in said.err
    assert state(built_on, BOSS) == (True, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("recall", "ordres", "--from", "2000-01-01", "--to", "2000-01-02", "--reason", "x"),
            "did you mean 'orders'",
        ),
        (
            ("recall", "orders", "--from", "2000-01-03", "--to", "2000-01-02", "--reason", "x"),
            "No day is from",
        ),
        (
            ("recall", "orders", "--from", "2999-01-01", "--to", "2999-01-02", "--reason", "x"),
            "still to come",
        ),
        (
            ("recall", "orders", "--from", "someday", "--to", "2999-01-02", "--reason", "x"),
            "is not a day",
        ),
        (
            ("recall", "orders", "--from", "2000-01-01", "--to", "2000-01-02", "--reason", " "),
            "say why",
        ),
    ],
)
def test_what_cannot_be_meant_is_said(
    command: Command, arguments: tuple[str, ...], told: str
) -> None:
    said = command(*arguments)
    assert said.code in (1, 2)
    assert told in said.err
