"""Processes that write at the same time get their turn at the lock of the file."""

from contextlib import ExitStack
from pathlib import Path

from semantic.ledger import Ledger
from tests.faults.processes import append_for, process

PROCESSES = 4
SECONDS = 2.0


def test_no_process_starves_at_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    with ExitStack() as running:
        pipes = [
            running.enter_context(process(append_for, path, str(number), SECONDS))
            for number in range(PROCESSES)
        ]
        for pipe in pipes:
            assert pipe.recv() == "opened"
        for pipe in pipes:
            pipe.send("begin")
        counts = [pipe.recv() for pipe in pipes]
    assert min(counts) >= sum(counts) / PROCESSES / 4, counts
