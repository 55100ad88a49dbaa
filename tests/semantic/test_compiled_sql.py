"""Compiled SQL is analysed alike by all threads."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADED = "import sys, semantic.compiled_sql; print('sqlglot.dialects.duckdb' in sys.modules)"


def test_the_dialect_is_whole_before_two_threads_can_ask_for_it() -> None:
    """sqlglot registers a dialect by its name before it has its parser. A second thread then reads `$name` as something else."""
    found = subprocess.run(
        [sys.executable, "-c", LOADED],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert found.stdout.strip() == "True"
