"""When agents run, with the real daemon, run queue and run workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration_assets.corner_shop import build_definitions, warehouse_of
from tests.orchestration_assets.location import (
    AGENTS_SENSOR,
    Location,
    agent_key,
    fork,
    yaml_of,
)
from tests.orchestration_assets.test_sensors import SOUTH_PAYS_LESS, SOUTH_PAYS_MORE

pytestmark = pytest.mark.soak

SIGN_UPS_MOVE = "UPDATE till_analytics.customers SET signed_up_on = signed_up_on + 1"
ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 900
RUN_QUEUE = """\
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config: {dequeue_interval_seconds: 1}
"""
WORKSPACE = f"""\
load_from:
  - python_module:
      module_name: tests.orchestration_assets.shop_location
      working_directory: {ROOT}
"""


class Daemon:
    """`dagster-daemon run` on the shop, as a process of its own."""

    def __init__(self, shop: Location) -> None:
        self.shop = shop
        self.mood = shop.folder / "mood"
        self.mood.mkdir()
        with yaml_of(shop.folder).open("a") as yaml:
            yaml.write(RUN_QUEUE)
        (shop.folder / "workspace.yaml").write_text(WORKSPACE)
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: list[int] = []

    def start(self) -> None:
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.shop.home),
            "CORNER_SHOP": str(self.shop.folder),
            "CORNER_SHOP_MOOD": str(self.mood),
            # A worker that starts on a slow machine is waited for, not given up.
            "DAGSTER_GRPC_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
        }
        with (self.shop.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    Path(sys.executable).parent / "dagster-daemon",
                    "run",
                    "--workspace",
                    self.shop.folder / "workspace.yaml",
                ],
                env=environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._groups.append(self._process.pid)

    def kill(self) -> None:
        """Ends the daemon without a chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=120)

    def end(self) -> None:
        """Ends the daemon and every process that it started."""
        for group in self._groups:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(group, number)
                except ProcessLookupError:
                    break
                time.sleep(1)
        if self._process is not None:
            self._process.wait(timeout=120)

    def runs(self, agent: str) -> list[dg.DagsterRun]:
        """The runs of an agent that the daemon launched, oldest first."""
        records = self.shop.instance.get_run_records(
            dg.RunsFilter(
                tags={
                    f"governed_agents.agent/{agent}": "started",
                    "dagster/sensor_name": AGENTS_SENSOR,
                }
            ),
            ascending=True,
        )
        return [record.dagster_run for record in records]

    def wait_for_runs(self, agent: str, number: int) -> list[dg.DagsterRun]:
        """The agent's runs, when there are that many and all have ended."""

        def ended() -> bool:
            runs = self.runs(agent)
            return len(runs) >= number and all(run.is_finished for run in runs)

        self.wait_until(ended, f"{number} runs of {agent}")
        runs = self.runs(agent)
        assert len(runs) == number
        return runs

    def wait_for_ticks(self, number: int) -> None:
        """Waits until the sensor has looked so many times more, and asked for nothing."""
        began = time.time()
        [state] = [
            item
            for item in self.shop.instance.all_instigator_state()
            if item.instigator_name == AGENTS_SENSOR
        ]

        def looked() -> bool:
            ticks = self.shop.instance.get_ticks(
                state.instigator_origin_id, state.selector_id, after=began
            )
            assert not [tick for tick in ticks if tick.run_ids], "the sensor asked for a run"
            return len([tick for tick in ticks if tick.is_completed]) >= number

        self.wait_until(looked, f"{number} ticks")

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > give_up:
                log = (self.shop.folder / "daemon.log").read_text(errors="replace")
                pytest.fail(f"waited in vain for {what}\n{log[-6000:]}")
            time.sleep(0.25)

    def change(self, statement: str) -> None:
        self.shop.change(statement)
        self.shop.publish()

    def answer(self, agent: str) -> str:
        return str(self.shop.metadata(agent_key(agent))["answer"])


@pytest.fixture(scope="module")
def daemon(settled_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = fork(settled_shop, tmp_path_factory.mktemp("daemon") / "shop")
    with Location(folder, build_definitions(folder), warehouse_of(folder)) as shop:
        daemon = Daemon(shop)
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
    versions = [read.data_version for run in runs for read in daemon.shop.reads(run.run_id)]
    assert len(versions) == len(set(versions)) == 2


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
