"""Sixteen processes against one budget, some of them killed: it is never overspent, and refuses nothing that had room."""

import os
import subprocess
import sys
from math import inf
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantic.ledger import Ledger
from semantic.ledger.schema import spending as spending_table
from tests.faults.figures import figures
from tests.faults.spenders import BUDGET, read_history
from tests.faults.spending_history import Spending, possible_ends, violations
from tests.postgres import PostgresServer

ROOT = Path(__file__).parents[2]
PROCESSES = 16
SECONDS = 600


def race(place: Path | str, folder: Path, seed: int, operations: int) -> list[Spending]:
    folder.mkdir()
    Ledger.open(place, keys=folder).close()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.faults.spenders",
            *map(str, (place, folder, seed, PROCESSES, operations)),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=True,
        timeout=SECONDS,
    )
    return read_history(folder)


@pytest.mark.parametrize(
    ("races", "operations"),
    [
        pytest.param(1, 15, id="once"),
        pytest.param(4, 30, id="four times", marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_a_budget_is_not_overspent(
    store: str, races: int, operations: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with figures(f"{PROCESSES} processes at one budget, {store}") as counts:
        counts |= dict.fromkeys(("races", "reserved", "refused", "unheard", "violations"), 0)
        for seed in range(1, races + 1):
            place: Path | str = tmp_path / f"{seed}" / "ledger.db"
            if store == "postgres":
                server: PostgresServer = request.getfixturevalue("postgres")
                place = server.new_ledger()
            history = race(place, tmp_path / f"{seed}", seed, operations)
            counts["races"] += 1
            counts["reserved"] += sum(item.is_reserved is True for item in history)
            counts["refused"] += sum(item.is_reserved is False for item in history)
            counts["unheard"] += sum(item.is_reserved is None for item in history)
            counts["violations"] += len(list(violations(history, BUDGET.limit)))
            assert_it_ends_as_it_can(place, tmp_path / f"{seed}", history)
    assert counts["violations"] == 0
    assert counts["reserved"] > 20 * races
    assert counts["refused"], "the budget was reached"


def assert_it_ends_as_it_can(place: Path | str, keys: Path, history: list[Spending]) -> None:
    """What is left when everything open was swept is what the history allows, and the record is whole."""
    ledger = Ledger.open(place, keys=keys)
    with ledger.reading() as connection:
        lines = connection.execute(sa.select(spending_table.c.line)).scalars().all()
    assert BUDGET.line in lines
    assert len(lines) <= 1 + PROCESSES // 4, "old spending is left by those alone who were killed"
    ledger.sweep(older_than=-1)
    with ledger._writer.transaction() as transaction:
        transaction.connection.exec_driver_sql("UPDATE reservations SET until = ''")
    ledger.sweep(older_than=-1)
    least, most = possible_ends(history)
    assert least <= ledger.spent(BUDGET) <= most
    assert ledger.verify().is_whole
    ledger.close()


def spending(most: int, began: float, heard: float, **fields: object) -> Spending:
    return Spending(most=most, began=began, heard=heard, is_reserved=True, **fields)  # type: ignore[arg-type]


def refused(most: int, began: float, heard: float) -> Spending:
    return Spending(most=most, began=began, heard=heard, is_reserved=False)


@pytest.mark.parametrize(
    ("history", "is_possible"),
    [
        ([spending(6, 0, 1), spending(4, 0, 1)], True),
        ([spending(6, 0, 1), spending(5, 0, 1)], False),
        ([spending(6, 0, 1, actual=1, settling=2, settled=3), spending(9, 2.5, 4)], True),
        ([spending(6, 0, 1, actual=1, settling=2, settled=3), spending(9, 1.5, 1.8)], False),
        ([spending(6, 0, 1), Spending(most=9, began=0)], True),
        ([spending(6, 0, 1), refused(5, 2, 3)], True),
        ([spending(6, 0, 1), refused(4, 2, 3)], False),
        ([spending(6, 0, 1, actual=0, settling=2, settled=3), refused(5, 4, 5)], False),
        ([spending(6, 0, 1, actual=0, settling=2, settled=inf), refused(5, 4, 5)], True),
        ([Spending(most=6, began=0), refused(5, 4, 5)], True),
    ],
)
def test_the_check_tells_what_is_possible_from_what_is_not(
    history: list[Spending], is_possible: bool
) -> None:
    assert (not list(violations(history, 10))) is is_possible
