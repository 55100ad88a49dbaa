"""The demonstration, told once per test session, and the command line on its instance."""

import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration_assets.cli.app import main
from tests.dbt_build import build_once

ROOT = Path(__file__).parents[2]
TELLS = """
import pytest, sys
from orchestration_assets.defs import story
from tests.orchestration_assets.location import quick
from tests.quick_dbt import load_no_adapter
load_no_adapter(pytest.MonkeyPatch())
sys.executable, folder, *numbers = sys.argv[1:]
story.DAGSTER_YAML += quick(folder + "/history")
sys.exit(story.main(folder, *numbers))
"""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the demonstration printed, and the folder that it worked in."""

    folder: Path
    text: str

    @property
    def home(self) -> Path:
        return self.folder / "dagster_home"

    def chapter(self, title: str) -> str:
        """The text from one chapter's heading to the next."""
        after = self.text.split(f"  {title}", 1)[1]
        return re.split(r"\n\d  ", after, maxsplit=1)[0]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command printed, and how it ended."""

    out: str
    err: str
    code: int

    @property
    def rows(self) -> list[dict[str, Any]]:
        parsed: list[dict[str, Any]] = json.loads(self.out)
        return parsed


@pytest.fixture(scope="session")
def told(shared_folder: Path) -> Told:
    """The story up to the blizzard, and who read what: each landing takes as long as a hundred tests."""
    return _told(shared_folder / "story", 1, 2, 5, 6)


@pytest.fixture(scope="session")
def told_whole(shared_folder: Path) -> Told:
    """The whole story."""
    return _told(shared_folder / "whole_story", 1, 2, 3, 4, 5, 6)


def _told(folder: Path, *chapters: int) -> Told:
    def tell(folder: Path) -> None:
        done = _run("-c", TELLS, str(_beside_dbt(folder)), str(folder), *map(str, chapters))
        assert done.code == 0, done.out + done.err
        (folder / "printed.txt").write_text(done.out)

    build_once(folder, tell)
    return Told(folder=folder, text=(folder / "printed.txt").read_text())


@pytest.fixture(scope="module")
def rows(told: Told) -> Iterator[sqlite3.Connection]:
    """The tables of the record, read without this package."""
    ledger = told.home / "governed_agents" / "ledger.db"
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def command(told: Told) -> Callable[..., Said]:
    """Runs `governed-agents` on the demonstration's instance, within this process. What a process of its own does differently has
    tests elsewhere.
    """

    def run(*arguments: str, home: Path | None = None) -> Said:
        out, err, code = io.StringIO(), io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["governed-agents", *arguments])
            patch.setenv("DAGSTER_HOME", str(home or told.home))
            patch.setenv("COLUMNS", "200")
            try:
                main()
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 0
        return Said(out=out.getvalue(), err=err.getvalue(), code=code)

    return run


def _beside_dbt(folder: Path) -> Path:
    """This interpreter in a folder with the dbt of the tests: the demonstration takes the one that lies beside its own."""
    interpreter, dbt = folder / "bin" / "python", shutil.which("dbt")
    assert dbt
    interpreter.parent.mkdir()
    interpreter.symlink_to(sys.executable)
    interpreter.with_name("dbt").symlink_to(dbt)
    return interpreter


def _run(*arguments: str, **environment: str) -> Said:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "DAGSTER_DISABLE_TELEMETRY": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(out=done.stdout, err=done.stderr, code=done.returncode)
