"""`python -m benchmarks`: all of them. `python -m benchmarks governed_read --rounds 5`: one, with fewer rounds."""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.results import RESULTS, write_results
from benchmarks.setting import Setting

BENCHMARKS = (
    "governed_read",
    "narrowed_read",
    "planning",
    "publishing",
    "cold_start",
    "scale",
    "catalog_tokens",
    "concurrency",
    "recording",
    "looking_up",
    "remembering",
    "tracing",
    "ticking",
    "scheduling",
)


def main() -> None:
    asked = _asked()
    console = Console(width=None if sys.stdout.isatty() else 170)
    with tempfile.TemporaryDirectory() as scratch:
        data = asked.data or Path(scratch) / "data"
        data.mkdir(parents=True, exist_ok=True)
        setting = Setting(
            rounds=asked.rounds,
            cli_rounds=asked.cli_rounds,
            seconds=asked.seconds,
            threads_seconds=asked.threads_seconds,
            reads=tuple(asked.reads),
            data=data.resolve(),
            scratch=Path(scratch),
            console=console,
        )
        for name in asked.benchmarks or BENCHMARKS:
            started = time.monotonic()
            write_results(importlib.import_module(f"benchmarks.{name}").run(setting))
            console.print(f"{name} took {time.monotonic() - started:.0f} s")
    console.print(f"Written to {RESULTS.name}/")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("benchmarks", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=41, help="most rounds per question")
    parser.add_argument("--cli-rounds", type=int, default=3, help="rounds of `mf query`")
    parser.add_argument("--seconds", type=float, default=40, help="for the rounds of one question")
    parser.add_argument(
        "--threads-seconds", type=float, default=5, help="how long readers read at once"
    )
    parser.add_argument(
        "--reads",
        type=int,
        nargs="+",
        default=(500_000, 5_000_000),
        help="reads of the long histories: each is two records",
    )
    parser.add_argument("--data", type=Path, help="keeps the data sets here, and finds them again")
    asked = parser.parse_args()
    unknown = set(asked.benchmarks) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(BENCHMARKS)}")
    return asked


if __name__ == "__main__":
    main()
