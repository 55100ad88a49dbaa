"""Runs a probe in a fresh Python process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def run_fresh(module: str, *arguments: object) -> dict[str, Any]:
    """The JSON object that `python -m module arguments` prints. Raises `RuntimeError` with its errors."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))
