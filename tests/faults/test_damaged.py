"""A file of SQLite whose pages or indexes are not what was written: it is found, and told in a sentence."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from semantic.errors import LedgerUnavailable
from semantic.ledger import Ledger, open_note
from semantic.ledger.finding import Harm
from semantic.ledger.schema import OF_THE_RECORD
from semantic.ledger.verify import Verified
from tests.faults.figures import figures
from tests.faults.test_forged import record

INDEXES = [
    (table.name, str(index.name))
    for table in OF_THE_RECORD
    for index in sorted(table.indexes, key=str)
]
OF = {table.name: {str(index.name) for index in table.indexes} for table in OF_THE_RECORD}
RECORDS = 40


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A ledger that is closed, and a checkpoint that was kept elsewhere."""
    path = tmp_path_factory.mktemp("sealed") / "ledger.db"
    ledger = Ledger.open(path)
    for number in range(RECORDS):
        ledger.append(record(number))
    note = ledger.seal()
    ledger.close()
    assert note is not None
    return path, note


@pytest.fixture
def copied(sealed: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    folder = tmp_path / "copy"
    shutil.copytree(sealed[0].parent, folder)
    return folder / sealed[0].name, sealed[1]


def verified(path: Path, note: str) -> Verified:
    ledger = Ledger.open(path)
    try:
        return ledger.verify(against=open_note(note, ledger.public_keys))
    finally:
        ledger.close()


def test_what_nobody_damaged_is_whole(copied: tuple[Path, str]) -> None:
    assert verified(*copied).is_whole


def forge(path: Path, index: str, where: str) -> None:
    """Makes an index anew that leaves rows out, and has the schema say that it does not."""
    connection = sqlite3.connect(path, isolation_level=None)
    [(sql,)] = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (index,))
    connection.execute(f"DROP INDEX {index}")
    joined = "AND" if " WHERE " in sql else "WHERE"
    connection.execute(f"{sql} {joined} {where}".replace("UNIQUE ", ""))
    connection.execute("PRAGMA writable_schema=ON")
    connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, index))
    [(version,)] = connection.execute("PRAGMA schema_version")
    connection.execute(f"PRAGMA schema_version={version + 1}")
    connection.close()


@pytest.mark.parametrize(("table", "index"), INDEXES)
def test_an_index_that_leaves_rows_out_is_found(
    copied: tuple[Path, str], table: str, index: str
) -> None:
    with sqlite3.connect(copied[0]) as connection:
        [(rows,)] = connection.execute(f"SELECT count(*) FROM {table}")
    if not rows:
        pytest.skip(f"{table} is empty")
    forge(copied[0], index, "rowid < 0")
    found = verified(*copied)
    assert not found.is_whole
    assert any(finding.harm is Harm.DAMAGED and index in finding.text for finding in found.findings)


def test_a_forged_index_tells_nothing_of_another_policy(tmp_path: Path) -> None:
    """The policy in force is looked up by an index: one that leaves the newest out would bring the one before it back."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path)
    for policy in ("wide", "narrow"):
        ledger.publish_policy(policy, "{}", by="owner", run_id=None)
    note = ledger.seal()
    ledger.close()
    assert note is not None
    forge(path, "records_by_kind", "reason IS NOT 'narrow'")
    assert not verified(path, note).is_whole


# Where a flipped bit changes nothing that the product reads: the journal, free pages and what is kept of erasable values are no part of the record.
FLIPS = 40


@pytest.mark.parametrize(
    "flips",
    [pytest.param(FLIPS, id="some"), pytest.param(10 * FLIPS, id="many", marks=pytest.mark.soak)],
)
def test_a_flipped_bit_is_found_or_told_in_a_sentence(
    sealed: tuple[Path, str], tmp_path: Path, flips: int
) -> None:
    chance = random.Random(2026)
    original = sealed[0].read_bytes()
    with figures("single bits flipped, SQLite") as counts:
        counts |= dict.fromkeys(("flips", "found", "refused", "of no matter"), 0)
        for number in range(flips):
            path = tmp_path / str(number) / sealed[0].name
            shutil.copytree(sealed[0].parent, path.parent)
            place = chance.randrange(100, len(original))
            damaged = bytearray(original)
            damaged[place] ^= 1 << chance.randrange(8)
            path.write_bytes(damaged)
            came_to = what_is_told(path, sealed[1])
            counts["flips"] += 1
            counts[came_to] += 1
            if came_to == "of no matter":
                assert is_same_record(sealed[0], path), f"byte {place}"


def what_is_told(path: Path, note: str) -> str:
    try:
        return "of no matter" if verified(path, note).is_whole else "found"
    except LedgerUnavailable:
        return "refused"


def is_same_record(one: Path, other: Path) -> bool:
    """Whether two files hold the same rows of the record, by their tables and by each index over all of their rows that both have."""
    shared = _whole_indexes(one) & _whole_indexes(other)
    return _rows(one, shared) == _rows(other, shared)


def _whole_indexes(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        return {name for name, sql in found if sql and " WHERE " not in sql}


def _rows(path: Path, indexes: set[str]) -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        return [
            sorted(map(repr, connection.execute(f"SELECT * FROM {table.name} {by}").fetchall()))
            for table in OF_THE_RECORD
            if table.name != "erasable_values"
            for by in (
                "NOT INDEXED",
                *(f"INDEXED BY {name}" for name in sorted(indexes & OF[table.name])),
            )
        ]
