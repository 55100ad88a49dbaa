"""dbt projects of the tests, each built once for all processes that ask for the same folder."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb


@dataclass(frozen=True, kw_only=True)
class BuiltProject:
    """The folder of a dbt project with its artifacts, and the warehouse that `dbt build` filled."""

    folder: Path
    warehouse: Path

    @property
    def target(self) -> Path:
        return self.folder / "target"

    @contextmanager
    def changed_warehouse(self, to: Path) -> Iterator[tuple[Path, duckdb.DuckDBPyConnection]]:
        """A copy of the warehouse in the folder `to`, and a connection that can change it until the block ends."""
        to.mkdir(parents=True, exist_ok=True)
        path = to / self.warehouse.name
        shutil.copy(self.warehouse, path)
        with duckdb.connect(str(path)) as connection:
            yield path, connection


def build_dbt_project(
    source: Path,
    folder: Path,
    *,
    warehouse: str,
    variable: str,
    fill: Callable[[BuiltProject], None] | None = None,
) -> BuiltProject:
    """A copy of a dbt project below `folder`, built by dbt without its own tests, which take longer than all of its tables. `fill` puts in
    its warehouse what dbt builds upon; `variable` is by what the profile of the project learns where that is.
    """
    project = folder / "project"
    built = BuiltProject(folder=project, warehouse=project / warehouse)

    def build(_: Path) -> None:
        copy_dbt_project(source, project)
        if fill is not None:
            fill(built)
        without_tests = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
        run_dbt("build", project, *without_tests, **{variable: str(built.warehouse)})

    build_once(folder, build)
    return built


def copy_dbt_project(source: Path, to: Path) -> None:
    """The project as it is written, without what dbt made of it."""
    shutil.copytree(source, to, ignore=shutil.ignore_patterns("target", "logs", "*.duckdb"))


def run_dbt(command: str, project: Path, *options: str, **environment: str) -> None:
    """A command of dbt on the project in a folder, as a person would run it."""
    where = ["--project-dir", project, "--profiles-dir", project]
    there = ["--target-path", project / "target", "--log-path", project / "logs"]
    done = subprocess.run(
        ["dbt", command, *options, *map(str, where + there)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """A folder that the first process which asks builds, and that all others wait for."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            build(folder)
            (folder / "built").touch()
    return folder
