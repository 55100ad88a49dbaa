"""A ledger that an older version wrote is taken over with every record, and covered by the next checkpoint."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.errors import LedgerUnavailable
from semantic.ledger import (
    JournalEntry,
    JournalPlace,
    Ledger,
    ReadQuestion,
    Record,
    RecordKind,
    find_reads,
)
from semantic.ledger.postgres_schema import SCHEMA
from semantic.ledger.postgres_store import DRIVER, PostgresStore
from semantic.ledger.schema import SCHEMA_VERSION, metadata
from semantic.ledger.sqlite_schema import append_only_triggers
from tests.postgres import PostgresServer

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


# What brings a ledger in Postgres from a version back to the one before it.
BACK = {
    4: ("DROP TABLE journal",),
    5: ("DROP INDEX decisions_by_run, reads_by_metric, records_by_record_id_kind",),
}


def in_version(version: int, url: str) -> None:
    """Makes of a ledger in Postgres what an older version of this package made."""
    engine = sa.create_engine(sa.make_url(url).set(drivername=DRIVER))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET search_path TO {SCHEMA}")
        for newer in range(SCHEMA_VERSION, version, -1):
            for statement in BACK[newer]:
                connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"UPDATE schema_version SET version = {version}")
    engine.dispose()


def indexes(url: str) -> set[str]:
    """Those of a ledger in Postgres, without those of its partitions."""
    engine = sa.create_engine(sa.make_url(url).set(drivername=DRIVER))
    with engine.begin() as connection:
        found = connection.exec_driver_sql(
            f"SELECT indexname FROM pg_indexes WHERE schemaname = '{SCHEMA}' AND tablename !~ '_([0-9]|other)'"
        )
        names = {name for (name,) in found}
    engine.dispose()
    return names


def test_in_postgres_every_index_of_the_schema_is_made(postgres: PostgresServer) -> None:
    """What is unique over all on SQLite has an index here too."""
    url = postgres.new_ledger()
    Ledger.open(url, key=KEY).close()
    wanted = {str(index.name) for table in metadata.sorted_tables for index in table.indexes}
    assert wanted | {"records_by_record_id_kind"} <= indexes(url)
    in_version(3, url)
    assert "decisions_by_run" not in indexes(url)
    Ledger.open(url, key=KEY).close()
    assert wanted | {"records_by_record_id_kind"} <= indexes(url)


def make_for(role: str, url: str) -> None:
    """What `governed-agents ledger create URL --for ROLE` does."""
    store = PostgresStore(url)
    store.let(role)
    store.close()


def test_in_postgres_its_owner_takes_it_over(postgres: PostgresServer) -> None:
    role, url = "adds_to_an_old_ledger", postgres.new_ledger()
    postgres.run(f"CREATE ROLE {role} LOGIN")
    make_for(role, url)
    as_role = sa.make_url(url).set(username=role).render_as_string(hide_password=False)
    ledger = Ledger.open(as_role, key=KEY)
    ledger.append(Record(record_id="read-1", kind=RecordKind.REFUSAL))
    ledger.seal()
    ledger.close()

    in_version(3, url)
    with pytest.raises(LedgerUnavailable, match="has schema version 3") as refused:
        Ledger.open(as_role, key=KEY)
    assert "its owner takes it over" in str(refused.value.hint)

    make_for(role, url)
    ledger = Ledger.open(as_role, key=KEY)
    assert not ledger.append(Record(record_id="read-1", kind=RecordKind.REFUSAL))
    assert ledger.verify().is_whole
    place = JournalPlace(root_run_id="root", step="agents__ana")
    entry = JournalEntry(attempt=1, call="model 001", run_id="root", fingerprint="f", body=b"1")
    ledger.keep(place, entry)
    assert ledger.journal(place) == [entry]
    ledger.close()


def test_in_postgres_a_newer_version_is_refused(postgres: PostgresServer) -> None:
    url = postgres.new_ledger()
    in_version(SCHEMA_VERSION + 1, url)
    with pytest.raises(LedgerUnavailable, match="was written by a newer version"):
        Ledger.open(url, key=KEY)
