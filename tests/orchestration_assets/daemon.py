"""`dagster-daemon run` on a shop, as a process of its own, with the real run queue and run workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration_assets.location import AGENTS_SENSOR, Location, agent_key, yaml_of

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 900
RUN_QUEUE = """\
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config: {dequeue_interval_seconds: 1}
"""
WORKSPACE = """\
load_from:
  - python_module:
      module_name: %s
      working_directory: %s
"""


class Daemon:
    """The daemon of a shop, whose definitions a module loads with what is in `environment`."""

    def __init__(self, shop: Location, module: str, environment: Mapping[str, str]) -> None:
        self.shop = shop
        self.environment = dict(environment)
        self.mood = shop.folder / "mood"
        self.mood.mkdir()
        with yaml_of(shop.folder).open("a") as yaml:
            yaml.write(RUN_QUEUE)
        (shop.folder / "workspace.yaml").write_text(WORKSPACE % (module, ROOT))
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: list[int] = []

    def start(self) -> None:
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.shop.home),
            **self.environment,
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
