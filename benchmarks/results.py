"""`benchmarks/results/summary.json`: the figures of all benchmarks, each as it was measured last.

{"machine": {...}, "figures": [{"benchmark", "name", "value", "unit", "peer", "ratio", "target", "reached", ...}]}
"""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure

RESULTS = Path(__file__).parent / "results"
SUMMARY = RESULTS / "summary.json"
_PACKAGES = (
    "duckdb",
    "metricflow",
    "sqlalchemy",
    "dagster",
    "boring-semantic-layer",
    "sidemantic",
    "dbt-metricflow",
)


def write_results(figures: Sequence[Figure], path: Path = SUMMARY) -> None:
    """Puts figures in the place of all earlier ones of the same benchmarks, and leaves those of others."""
    replaced = {figure.benchmark for figure in figures}
    kept = [figure for figure in _earlier(path) if figure.get("benchmark") not in replaced]
    machine = machine_now()
    new = [{**figure.plain(), "taken_at": machine["taken_at"]} for figure in figures]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.next")
    fresh.write_text(json.dumps({"machine": machine, "figures": kept + new}, indent=1) + "\n")
    fresh.replace(path)


def machine_now() -> dict[str, Any]:
    """What the figures of this run depend on: processors, Python, versions."""
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        **{name: found for name in _PACKAGES if (found := _version(name))},
    }


def _earlier(path: Path) -> list[dict[str, Any]]:
    """The figures on file. Those that name no benchmark are from before there were several."""
    if not path.is_file():
        return []
    return [item for item in json.loads(path.read_text())["figures"] if "benchmark" in item]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
