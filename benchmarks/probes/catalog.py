"""Loads a catalogue and compiles the first query, in a process of its own: `python -m benchmarks.probes.catalog TARGET`.

Prints seconds and the peak of resident memory, in MB, after each step.
"""

import json
import resource
import sys
import time
from pathlib import Path


def main(target: Path) -> None:
    steps = {}
    started = time.perf_counter()

    def reached(step: str) -> None:
        nonlocal started
        steps[step] = {"seconds": time.perf_counter() - started, "mb": _peak_mb()}
        started = time.perf_counter()

    from semantic.dbt_manifest import load_catalog  # its import is a step that is measured

    reached("import the package")
    catalog = load_catalog(target)
    reached("load the catalogue")
    from semantic.engine import CompileRequest
    from semantic.engines.embedded import embedded_engine

    engine = embedded_engine(catalog)
    metric = next(iter(catalog.metrics))
    engine.compile(CompileRequest(metrics=(metric,), group_by=()))
    reached("make the engine and compile the first query")
    engine.dimensions([metric])
    reached("the dimensions of one metric")
    engine.compile(CompileRequest(metrics=(metric,), group_by=()))
    reached("compile it again")
    print(json.dumps({"metrics": len(catalog.metrics), "steps": steps}))


def _peak_mb() -> float:
    """On Linux from /proc, because `getrusage` there begins with the peak of the process that started this one."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main(Path(sys.argv[1]))
