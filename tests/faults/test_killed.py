"""A reader that is killed has released nothing that is not on record, and one that takes its place reads on."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from semantic.ledger import Read, ReadQuestion, find_reads
from semantic.snapshot import SnapshotStore
from tests.dbt_build import BuiltProject
from tests.faults.figures import figures
from tests.faults.killing import Place, Reader, Reading, Released, Steps
from tests.postgres import PostgresServer

THREADS = 4


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.soak)])
def place(
    shop: BuiltProject, published: SnapshotStore, tmp_path: Path, request: pytest.FixtureRequest
) -> Place:
    ledger: Path | str = tmp_path / "state" / "ledger.db"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        ledger = server.new_ledger()
    return Place(
        target=shop.target,
        plans=tmp_path / "plans",
        snapshots=published.root,
        ledger=ledger,
        keys=tmp_path / "state",
    )


def read(place: Place, call: str, fatal_step: int | None = None) -> tuple[list[Released], bool]:
    """What a reader of one call released, and whether it lived to its end."""
    told = Reader(Reading(place=place, calls=[call], fatal_step=fatal_step)).told()
    released = [item for item in told if isinstance(item, Released)]
    return released, any(isinstance(item, Steps) for item in told)


def steps_of_a_read(place: Place) -> tuple[str, ...]:
    """All steps of a read that is not the first one of its ledger."""
    read(place, "first")
    told = Reader(Reading(place=place, calls=["second"])).told()
    [steps] = [item for item in told if isinstance(item, Steps)]
    return steps.names


def reads_on_record(place: Place) -> dict[str, Read]:
    ledger = place.open_ledger()
    try:
        assert ledger.verify().is_whole
        found = list(find_reads(ledger, ReadQuestion()))
    finally:
        ledger.close()
    assert Counter(item.read_id for item in found).most_common(1)[0][1] == 1
    return {item.read_id: item for item in found}


def state_after(steps: tuple[str, ...], fatal: int) -> str | None:
    """How a read stands on record that ended at a step: nothing before its first commit, open until its second."""
    commits = steps[: fatal + 1].count("after commit")
    return (None, "open", "allowed")[commits]


def kind(place: Place) -> str:
    return "Postgres" if isinstance(place.ledger, str) else "SQLite"


def lasts(name: str) -> bool:
    """Whether what has happened then cannot be taken back."""
    return any(word in name for word in ("commit", "query", "release"))


def unrecorded(released: list[Released], on_record: dict[str, Read]) -> int:
    """How many answers were released whose outcome is not on record, or is another one."""
    recorded = [(on_record.get(item.read_id), item.rows) for item in released]
    return sum(
        read is None or (read.outcome, read.rows) != ("allowed", rows) for read, rows in recorded
    )


@pytest.mark.parametrize(
    ("chosen", "tries"),
    [
        pytest.param(lasts, 1, id="steps that last"),
        pytest.param(bool, 2, id="every step, twice", marks=pytest.mark.soak),
    ],
)
def test_killed_at_a_step_it_has_released_nothing_that_is_not_on_record(
    place: Place, chosen: Callable[[str], bool], tries: int
) -> None:
    """And where it tries again, with the same call, that is the same read."""
    steps = steps_of_a_read(place)
    with figures(f"kill -9 at named steps, {kind(place)}") as counts:
        counts |= {"steps": len(steps), "kills": 0, "released": 0, "unrecorded": 0, "duplicates": 0}
        for fatal, name in enumerate(steps):
            if not chosen(name):
                continue
            before = reads_on_record(place)
            state = state_after(steps, fatal)
            released, lived = read(place, f"call {fatal}", fatal)
            on_record = reads_on_record(place)
            new = [item for key, item in on_record.items() if key not in before]
            assert not lived
            assert [item.outcome for item in new] == ([state] if state else []), name
            counts["unrecorded"] += unrecorded(released, on_record)
            for again in [fatal] * (tries - 1) + [None]:
                more, lived_on = read(place, f"call {fatal}", again)
                released += more
                counts["kills"] += not lived_on
            on_record = reads_on_record(place)
            counts["kills"] += 1
            counts["released"] += len(released)
            counts["unrecorded"] += unrecorded(released, on_record)
            counts["duplicates"] += len(on_record.keys() - before.keys()) - 1
            assert len(set(released)) == 1
    assert (counts["unrecorded"], counts["duplicates"]) == (0, 0)


def test_the_steps_are_those_of_the_read_path(place: Place) -> None:
    steps = steps_of_a_read(place)
    told = [name for name in steps if lasts(name) and name.startswith("after")]
    assert told == [
        "after commit",
        "after the query",
        "after commit",
        "after the release",
    ]


@pytest.mark.parametrize(
    "kills", [pytest.param(8), pytest.param(150, marks=pytest.mark.soak)], ids="{} kills".format
)
def test_killed_at_any_moment_it_has_released_nothing_that_is_not_on_record(
    place: Place, kills: int
) -> None:
    """Four threads read at once. Of each, at most one read was on its way when the process was killed."""
    released, _ = read(place, "first")
    with figures(f"kill -9 at any moment, {kind(place)}") as counts:
        counts["kills"] = kills
        for number in range(kills):
            released += killed_after(place, number, random.Random(number).uniform(0.02, 0.4))
            on_record = reads_on_record(place)
            assert unrecorded(released, on_record) == 0
            assert len(on_record) - len(released) <= THREADS * (number + 1)
            assert {item.outcome for item in on_record.values()} <= {"allowed", "open"}
        counts["released"] = len(released)
        counts["unrecorded"] = unrecorded(released, on_record)
        counts["duplicates"] = len(released) - len({item.read_id for item in released})
        counts["open"] = sum(item.outcome == "open" for item in on_record.values())
    assert counts["duplicates"] == 0
    assert counts["released"] > kills
    assert len(swept(place)) == counts["open"]
    ended = {item.outcome for item in reads_on_record(place).values()}
    assert ended <= {"allowed", "indeterminate"}


def swept(place: Place) -> tuple[str, ...]:
    """Closes every read that is open, and checks the whole record."""
    ledger = place.open_ledger()
    closed = ledger.sweep(older_than=-1)
    ledger.seal()
    assert ledger.verify().is_whole
    ledger.close()
    return closed


def killed_after(place: Place, number: int, seconds: float) -> list[Released]:
    calls = [f"{number} {call}" for call in range(400)]
    reader = Reader(Reading(place=place, calls=calls, threads=THREADS))
    reader.wait_until_ready()
    first = reader.wait_until_released()
    time.sleep(seconds)
    reader.kill()
    return [first, *(item for item in reader.told() if isinstance(item, Released))]
