"""Processes that spend from one budget at the same time, some of which are killed. Run as a program: PLACE FOLDER SEED COUNT OPERATIONS.

Each writes what it does to a file of its own, one line at a time: the kernel keeps what a killed process has written.
"""

import os
import random
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

from semantic.errors import BudgetSpent, LedgerUnavailable
from semantic.ledger import (
    Admission,
    Budget,
    Charge,
    Ledger,
    Record,
    RecordKind,
    Settlement,
    Unit,
)
from tests.faults.skewed import SkewedStore
from tests.faults.spending_history import Spending

BUDGET = Budget(name="everybody", unit=Unit.ROWS, limit=200)
MOST = 40


def read_history(folder: Path) -> list[Spending]:
    """What all processes have written, also those that were killed."""
    return [item for file in sorted(folder.glob("*.log")) for item in _spendings(file)]


def _spendings(file: Path) -> list[Spending]:
    found: dict[str, dict[str, object]] = {}
    for line in file.read_text().splitlines():
        what, name, moment, amount = line.split()
        one = found.setdefault(name, {})
        match what:
            case "reserving":
                one |= {"most": int(amount), "began": float(moment)}
            case "reserved" | "refused":
                one |= {"heard": float(moment), "is_reserved": what == "reserved"}
            case "settling":
                one |= {"settling": float(moment), "actual": int(amount)}
            case "settled":
                one |= {"settled": float(moment)}
    return [Spending(**one) for one in found.values()]  # type: ignore[arg-type]


class Spender:
    """One process."""

    def __init__(self, place: Path | str, log: int, name: str, seed: int) -> None:
        self._store = SkewedStore(place)
        self._ledger = Ledger(self._store)
        self._log = log
        self._name = name
        self._random = random.Random(seed)

    def spend(self, number: int) -> None:
        """Reserves, waits a little, and settles; or leaves it open."""
        name = f"{self._name}-{number}"
        most = self._random.randint(1, MOST)
        charges = (Charge(budget=BUDGET, most=most),)
        self._note("reserving", name, most)
        try:
            self._ledger.append(
                Record(record_id=name, kind=RecordKind.INTENT), Admission(charges=charges)
            )
        except BudgetSpent:
            self._note("refused", name)
            return
        except LedgerUnavailable:
            return
        self._note("reserved", name)
        time.sleep(self._random.uniform(0, 0.004))
        if self._random.random() < 0.05:
            return
        actual = self._random.randint(0, min(most, 3))
        self._note("settling", name, actual)
        try:
            self._ledger.append(
                Record(record_id=name, kind=RecordKind.OUTCOME, details={"rows": actual}),
                Settlement(charges=charges, spent={Unit.ROWS: actual}),
            )
        except LedgerUnavailable:
            return
        self._note("settled", name)

    def sweep(self, number: int) -> None:
        """Spends as three days ago, and removes what was spent then."""
        long_ago = Budget(name=f"{self._name}-{number}", unit=Unit.ROWS, limit=9, seconds=3600)
        self._store.skew = timedelta(days=-3)
        try:
            self._ledger.append(
                Record(record_id=f"{self._name}-{number}-old", kind=RecordKind.INTENT),
                Admission(charges=(Charge(budget=long_ago, most=9),)),
            )
            self._store.skew = timedelta()
            self._ledger.sweep()
        except LedgerUnavailable:
            self._store.skew = timedelta()

    def _note(self, what: str, name: str, amount: int = 0) -> None:
        os.write(self._log, f"{what} {name} {time.monotonic():.9f} {amount}\n".encode())


def main(place: str, folder: Path, seed: int, count: int, operations: int) -> None:
    """Starts the processes, kills some of them, and waits for the others."""
    chosen = random.Random(seed)
    children = [_started(place, folder, seed, number, operations) for number in range(count)]
    for child in chosen.sample(children, count // 4):
        time.sleep(chosen.uniform(0.05, 0.3))
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)


def _started(place: str, folder: Path, seed: int, number: int, operations: int) -> int:
    child = os.fork()
    if child:
        return child
    log = os.open(folder / f"{number}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    spender = Spender(
        place if "://" in place else Path(place), log, f"p{number}", seed * 1_000 + number
    )
    for operation in range(operations):
        spender.spend(operation)
        if operation % 8 == number % 8:
            spender.sweep(operation)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
