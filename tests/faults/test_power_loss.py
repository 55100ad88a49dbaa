"""When the power goes, nothing is lost that was acknowledged, and nothing that was half written is believed."""

import random
import shutil
from pathlib import Path

import pytest

from tests.conftest import OpenDoor
from tests.faults.figures import figures
from tests.faults.lives import DoorOver, Life, live, what_is_lost

CUTS_IN_A_LIFE = 5
LIVES_OF_A_LEDGER = 8
LIVES = [pytest.param(6, id="30 cuts"), pytest.param(80, id="400 cuts", marks=pytest.mark.soak)]


@pytest.fixture
def door_over(open_door: OpenDoor) -> DoorOver:
    return lambda ledger: open_door(ledger=ledger)


def broken_promises(
    life: Life, folder: Path, chance: random.Random
) -> list[tuple[Path, list[str]]]:
    """For some moments of a life, what the power leaves when it goes then, and what is lost."""
    found = []
    for number in range(CUTS_IN_A_LIFE):
        events = chance.randint(0, len(life.disk.events))
        left = folder / f"left-{number}"
        left.mkdir(parents=True)
        for name, data in life.disk.after_power_loss(events, chance).items():
            (left / name).write_bytes(data)
        looked_at = shutil.copytree(left, folder / f"looked-at-{number}")
        found.append((left, list(what_is_lost(life, looked_at / "ledger.db", events))))
    return found


def many_lives(folder: Path, door_over: DoorOver, lives: int, synchronous: str) -> list[str]:
    """What is lost over some lives of a ledger, each of which begins with what the power left of the one before."""
    lost: list[str] = []
    with figures(f"power loss, synchronous={synchronous}") as counts:
        counts |= {"cuts": 0, "records acknowledged": 0}
        for number in range(lives):
            chance = random.Random(number)
            if number % LIVES_OF_A_LEDGER == 0:
                current = folder / f"new-{number}"
                current.mkdir()
            life = live(current, door_over, chance, synchronous=synchronous)
            found = broken_promises(life, folder / str(number), chance)
            current = found[-1][0]
            lost += [f"life {number}: {item}" for _, items in found for item in items]
            counts["cuts"] += len(found)
            counts["records acknowledged"] += len(life.bodies) - life.promises[0].records
        counts["promises broken"] = len(lost)
    return lost


@pytest.mark.parametrize("lives", LIVES)
def test_nothing_that_was_acknowledged_is_lost(
    tmp_path: Path, door_over: DoorOver, lives: int
) -> None:
    assert many_lives(tmp_path, door_over, lives, "FULL") == []


@pytest.mark.parametrize(
    "lives", [LIVES[0], pytest.param(20, id="100 cuts", marks=pytest.mark.soak)]
)
def test_with_fewer_syncs_the_same_cuts_lose_records_that_were_acknowledged(
    tmp_path: Path, door_over: DoorOver, lives: int
) -> None:
    lost = many_lives(tmp_path, door_over, lives, "NORMAL")
    assert any("records that were acknowledged" in item for item in lost)
    assert any("the outcome of a read that was released" in item for item in lost)
