"""A ledger that an older version wrote is taken over with every record, and covered by the next checkpoint."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.ledger import Ledger, ReadQuestion, Record, RecordKind, find_reads
from semantic.ledger.schema import SCHEMA_VERSION
from semantic.ledger.sqlite_schema import append_only_triggers

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VERSIONS = sorted(
    (Path(__file__).parent / "versions").glob("*.sql"), key=lambda path: int(path.stem)
)


def test_there_is_a_ledger_of_every_version_before_this_one() -> None:
    assert [int(path.stem) for path in VERSIONS] == list(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize("dump", VERSIONS, ids=lambda path: path.stem)
def test_it_is_taken_over(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    before = sqlite3.connect(path)
    before.executescript(dump.read_text())
    bodies = before.execute("SELECT seq, body FROM records ORDER BY seq").fetchall()
    before.close()

    ledger = Ledger.open(path, key=KEY)
    outcomes = {read.read_id: read.outcome for read in find_reads(ledger, ReadQuestion())}
    assert outcomes == {"read-1": "allowed", "read-2": "refused", "read-3": "open"}
    assert ledger.current_policy_hash() == "hash-1"
    assert json.loads(str(ledger.current_policy_text())) == {"rules": []}
    assert ledger.registered_agents() == {"ana": {"name": "ana", "metrics": ["orders"]}}
    assert not ledger.append(Record(record_id="read-2", kind=RecordKind.REFUSAL))
    assert ledger.append(Record(record_id="read-4", kind=RecordKind.REFUSAL))
    assert ledger.seal() is not None
    assert ledger.verify().is_whole
    assert set(ledger.prove("read-1")) == {"intent", "outcome"}
    ledger.close()

    after = sqlite3.connect(path)
    assert (
        after.execute("SELECT seq, body FROM records ORDER BY seq").fetchall()[: len(bodies)]
        == bodies
    )
    triggers = after.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    assert sorted(sql for (sql,) in triggers) == sorted(append_only_triggers())
    tables = after.execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchall()
    assert not [sql for (sql,) in tables if sql and "REFERENCES" in sql], "records can be archived"
    after.close()


def test_what_was_edited_before_it_was_taken_over_stays_findable(tmp_path: Path) -> None:
    """From the first checkpoint on."""
    path = tmp_path / "ledger.db"
    before = sqlite3.connect(path)
    before.executescript(VERSIONS[0].read_text())
    before.close()
    ledger = Ledger.open(path)
    ledger.seal()
    ledger.close()

    forged = Path(shutil.copy(path, tmp_path / "forged.db"))
    with sqlite3.connect(forged) as connection:
        connection.execute("DROP TRIGGER records_no_update")
        connection.execute(
            "UPDATE records SET body = replace(CAST(body AS TEXT), 'latency_us\":10', 'latency_us\":99') "
            "WHERE kind = 'outcome'"
        )
    connection.close()
    ledger = Ledger.open(forged)
    found = ledger.verify()
    ledger.close()
    assert not found.is_whole
