"""The depot: a small project with all that MetricFlow joins, groups and adds up. Built once per test session."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "projects" / "depot"


@dataclass(frozen=True, kw_only=True)
class Depot:
    """The dbt project folder of the depot, with its artifacts and its warehouse."""

    project: Path

    @property
    def target(self) -> Path:
        return self.project / "target"

    @property
    def warehouse(self) -> Path:
        return self.project / "depot.duckdb"


def build_depot(folder: Path) -> Depot:
    """The depot, built by dbt in `folder`; by the first process that asks, where several share the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    depot = Depot(project=folder / "project")
    with (folder / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            shutil.copytree(SOURCE, depot.project)
            where = ["--project-dir", depot.project, "--profiles-dir", depot.project]
            there = ["--target-path", depot.target, "--log-path", depot.project / "logs"]
            done = subprocess.run(
                [sys.executable, "-m", "dbt.cli.main", "build", *map(str, where + there)],
                env=os.environ | {"DEPOT_WAREHOUSE": str(depot.warehouse)},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            (folder / "built").touch()
    return depot
