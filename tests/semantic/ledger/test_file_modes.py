"""Who may read the files of a record: its owner, unless that owner says otherwise."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from semantic.ledger import Ledger, Record, RecordKind

NAMES = ["ledger.db", "ledger.db-shm", "ledger.db-wal", "ledger.db.lock"]


@pytest.fixture(params=[0o000, 0o022, 0o277])
def _mask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(path: Path) -> dict[str, int]:
    """Of the files of a ledger while it is open."""
    ledger = Ledger.open(path)
    ledger.append(Record(record_id=os.urandom(8).hex(), kind=RecordKind.REFUSAL))
    found = {
        item.name: item.stat().st_mode & 0o777
        for item in sorted(path.parent.iterdir())
        if item.name.startswith(path.name)
    }
    ledger.close()
    return found


@pytest.mark.usefixtures("_mask")
def test_the_files_of_a_new_ledger_are_for_their_owner(tmp_path: Path) -> None:
    assert modes(tmp_path / "ledger.db") == dict.fromkeys(NAMES, 0o600)


@pytest.mark.usefixtures("_mask")
def test_a_file_that_is_there_keeps_its_mode_and_those_beside_it_get_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    path.chmod(0o660)
    assert modes(path) == dict.fromkeys(NAMES, 0o660) | {"ledger.db.lock": 0o600}
    (tmp_path / "ledger.db.lock").unlink()
    assert modes(path) == dict.fromkeys(NAMES, 0o660)
