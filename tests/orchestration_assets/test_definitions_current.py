"""An agent whose metric means something else than when it last read it: its check fails until it runs again, or somebody acknowledges that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration_assets.cli.app import main
from tests.dbt_build import run_dbt
from tests.orchestration_assets.corner_shop import build_definitions, project_of, warehouse_of
from tests.orchestration_assets.location import SNAPSHOT, Location, agent_key, fork

BOSS = agent_key("boss")
CHECK = "definitions_current"


@pytest.fixture
def redefined(settled_shop: Path, tmp_path: Path) -> Iterator[Location]:
    """The settled shop after amounts began to be rounded to whole units in a dbt model, and were built and published anew."""
    folder = fork(settled_shop, tmp_path / "shop")
    model = project_of(folder) / "models" / "orders.sql"
    before = model.read_text()
    assert "amount_cents / 100 as decimal(18, 2)" in before
    model.write_text(before.replace("amount_cents / 100 as", "round(amount_cents / 100) as"))
    run_dbt("parse", project_of(folder))
    with Location(folder, build_definitions(folder), warehouse_of(folder)) as location:
        ran = location.run([*location.dbt_keys, SNAPSHOT, *location.metric_keys])
        assert ran.success, ran.failures
        yield location


def failed(location: Location) -> str | None:
    """The metrics for which the check of the boss fails, None where it passes."""
    evaluation = location.evaluation(BOSS, CHECK)
    return None if evaluation.passed else str(evaluation.metadata["metrics"].value)


def test_it_fails_for_the_metrics_that_mean_something_else(redefined: Location) -> None:
    assert failed(redefined) is None
    redefined.tick()
    assert failed(redefined) == "revenue", "orders are counted as before, whatever they amount to"


def test_it_is_told_once_for_each_snapshot(redefined: Location) -> None:
    redefined.tick()
    first = redefined.evaluation(BOSS, CHECK)
    redefined.tick()
    check = redefined.instance.event_log_storage.get_asset_check_execution_history
    from dagster import AssetCheckKey

    told = [it for it in check(AssetCheckKey(BOSS, CHECK), limit=10) if it.status.value == "FAILED"]
    assert len(told) == 1
    assert first == redefined.evaluation(BOSS, CHECK)


def test_a_new_run_passes_it(redefined: Location) -> None:
    tick = redefined.tick()
    assert failed(redefined) == "revenue"
    redefined.run_all(tick)
    assert failed(redefined) is None
    redefined.tick()
    assert failed(redefined) is None


def test_who_acknowledges_it_lets_it_pass(
    redefined: Location, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    redefined.tick()
    monkeypatch.setenv("DAGSTER_HOME", str(redefined.home))

    def command(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["governed-agents", *arguments])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    assert command("acknowledge", "bos", "--reason", "known") == 1
    assert "did you mean 'boss'" in capsys.readouterr().err
    assert command("acknowledge", "boss", "--reason", " ") == 2
    assert command("acknowledge", "boss", "--reason", "whole units will do") == 0
    assert failed(redefined) is None
    redefined.tick()
    assert failed(redefined) is None
