"""When agents run, with the real daemon, run queue and run workers."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration_assets.corner_shop import build_definitions, warehouse_of
from tests.orchestration_assets.daemon import Daemon
from tests.orchestration_assets.location import Location, fork
from tests.orchestration_assets.test_sensors import SOUTH_PAYS_LESS, SOUTH_PAYS_MORE

pytestmark = pytest.mark.soak

SIGN_UPS_MOVE = "UPDATE till_analytics.customers SET signed_up_on = signed_up_on + 1"


@pytest.fixture(scope="module")
def daemon(settled_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = fork(settled_shop, tmp_path_factory.mktemp("daemon") / "shop")
    with Location(folder, build_definitions(folder), warehouse_of(folder)) as shop:
        environment = {
            "CORNER_SHOP": str(folder),
            "CORNER_SHOP_MOOD": str(folder / "mood"),
        }
        daemon = Daemon(shop, "tests.orchestration_assets.shop_location", environment)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.end()


def test_a_change_runs_those_who_see_it_and_the_way_back_runs_them_again(daemon: Daemon) -> None:
    before = {agent: len(daemon.runs(agent)) for agent in ("boss", "north", "greeter")}
    stood = daemon.answer("boss")
    daemon.change(SOUTH_PAYS_MORE)
    daemon.wait_for_runs("boss", before["boss"] + 1)
    assert daemon.answer("boss") != stood
    daemon.change(SOUTH_PAYS_LESS)
    runs = daemon.wait_for_runs("boss", before["boss"] + 2)
    assert {run.status for run in runs[-2:]} == {dg.DagsterRunStatus.SUCCESS}
    assert daemon.answer("boss") == stood
    daemon.wait_for_ticks(2)
    for agent in ("north", "greeter"):
        assert len(daemon.runs(agent)) == before[agent]


def test_a_change_during_a_run_brings_one_more(daemon: Daemon) -> None:
    before = len(daemon.runs("greeter"))
    waits = daemon.mood / "greeter.waits"
    waits.touch()
    daemon.change(SIGN_UPS_MOVE)
    daemon.wait_until(
        lambda: any(
            daemon.shop.reads(run.run_id) and not run.is_finished for run in daemon.runs("greeter")
        ),
        "a read of the greeter",
    )
    daemon.change(SIGN_UPS_MOVE)
    waits.unlink()
    runs = daemon.wait_for_runs("greeter", before + 2)[-2:]
    daemon.wait_for_ticks(2)
    first, second = (versions_read(daemon, run) for run in runs)
    assert len({*first, *second}) == 3
    assert first[0] == first[1] == second[2]
    assert second[0] == second[1]


def test_an_agent_that_fails_does_not_loop_and_runs_on_the_next_change(daemon: Daemon) -> None:
    before = len(daemon.runs("boss"))
    fails = daemon.mood / "boss.fails"
    fails.touch()
    daemon.change(SOUTH_PAYS_MORE)
    runs = daemon.wait_for_runs("boss", before + 1)
    assert runs[-1].status is dg.DagsterRunStatus.FAILURE
    daemon.wait_for_ticks(4)
    fails.unlink()
    daemon.change(SOUTH_PAYS_MORE)
    runs = daemon.wait_for_runs("boss", before + 2)
    assert runs[-1].status is dg.DagsterRunStatus.SUCCESS


def test_a_change_while_the_daemon_was_killed_is_not_lost(daemon: Daemon) -> None:
    before = len(daemon.runs("greeter"))
    daemon.wait_for_ticks(1)
    daemon.kill()
    daemon.change(SIGN_UPS_MOVE)
    assert len(daemon.runs("greeter")) == before
    daemon.start()
    [*_, last] = daemon.wait_for_runs("greeter", before + 1)
    assert last.status is dg.DagsterRunStatus.SUCCESS


def versions_read(daemon: Daemon, run: dg.DagsterRun) -> tuple[str | None, str | None, str | None]:
    """At which versions a run read what it asked for, and was told of it since and before it changed."""
    asked, since, before = daemon.shop.reads(run.run_id)
    return asked.data_version, since.data_version, before.data_version
