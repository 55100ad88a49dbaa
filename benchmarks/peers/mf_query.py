"""`mf query`, the command line of dbt-metricflow: a process per question, as a person or a tool would run it."""

import csv
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.data_sets.data_set import DataSet
from benchmarks.question import Question

NAME = "mf query"
COMMAND = Path(sys.executable).parent / "mf"
_NOWHERE = "http://127.0.0.1:9"
_CLOSED = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), _NOWHERE)


def run_mf_query(data_set: DataSet, question: Question, folder: Path) -> list[tuple[Any, ...]]:
    """The rows that the command writes. Its look for a newer version of itself fails at once, which is kind to its time."""
    written = folder / "mf_query.csv"
    command = [str(COMMAND), "query", "--quiet", "--csv", str(written)]
    command += ["--metrics", ",".join(question.query["metrics"])]
    if group_by := question.query.get("group_by"):
        command += ["--group-by", ",".join(group_by)]
    for condition in question.where:
        command += ["--where", condition]
    done = subprocess.run(
        command,
        cwd=data_set.built.folder,
        env={**os.environ, **_CLOSED, **data_set.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not written.is_file():
        raise RuntimeError(f"mf query: {(done.stderr or done.stdout)[-2000:]}")
    with written.open(newline="") as file:
        found = [tuple(map(_value, row)) for row in list(csv.reader(file))[1:]]
    written.unlink()
    return found


def _value(text: str) -> object:
    """A cell of the file as what it was before it was written."""
    for form in (int, float, datetime.fromisoformat):
        try:
            return form(text)
        except ValueError:
            continue
    return text or None
