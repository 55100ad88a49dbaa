"""`governed-agents`, typed in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from orchestration_assets.cli.app import main


class Said(NamedTuple):
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """The one object that it printed as JSON."""
        [found] = json.loads(self.out)
        assert isinstance(found, dict)
        return found


Command = Callable[..., Said]


def typed_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs commands on the instance in a home."""
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("GOVERNED_AGENTS_TOKEN", raising=False)

    def run(*arguments: str, token: str | None = None) -> Said:
        monkeypatch.setattr("sys.argv", ["governed-agents", *arguments])
        if token is not None:
            monkeypatch.setenv("GOVERNED_AGENTS_TOKEN", token)
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run
