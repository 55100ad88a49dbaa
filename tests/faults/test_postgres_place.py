"""A database that may not be written, whose lock is held, or whose tables are gone lets nothing out, and an old copy is found."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from semantic.answer import MetricAnswer
from semantic.ledger import Harm, Ledger, ReadQuestion, find_reads, open_note
from semantic.ledger.postgres_schema import SCHEMA
from tests.conftest import OpenDoor
from tests.faults.asking import ask, assert_unavailable
from tests.faults.watched_sqlite import KEY
from tests.postgres import PostgresServer

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_ledger()


@pytest.fixture
def in_postgres(url: str, tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(url, keys=tmp_path / "keys")
    yield ledger
    ledger.close()


@contextmanager
def lock_held(ledger: Ledger) -> Iterator[sa.Connection]:
    """Somebody else holds the lock under which records are written."""
    engine = sa.create_engine(ledger._store._url)  # type: ignore[attr-defined]
    key = ledger._store._key("")  # type: ignore[attr-defined]
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        yield connection
    engine.dispose()


def end_connections(server: PostgresServer, database: str) -> None:
    server.run(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )


def test_a_database_that_may_only_be_read_refuses_and_goes_on_when_it_may_be_written(
    postgres: PostgresServer, url: str, in_postgres: Ledger, open_door: OpenDoor
) -> None:
    door, database = open_door(ledger=in_postgres), sa.make_url(url).database
    assert isinstance(ask(door), MetricAnswer)
    postgres.run(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    end_connections(postgres, str(database))
    refused = ask(door)
    assert_unavailable(refused)
    assert "read-only transaction" in str(refused)
    postgres.run(f"ALTER DATABASE {database} SET default_transaction_read_only = off")
    end_connections(postgres, str(database))
    assert isinstance(ask(door), MetricAnswer)
    assert len(list(find_reads(in_postgres, ReadQuestion()))) == 2


def test_a_read_waits_for_a_lock_and_goes_on_when_its_holder_is_ended(
    postgres: PostgresServer, in_postgres: Ledger, open_door: OpenDoor
) -> None:
    door = open_door(ledger=in_postgres)
    with lock_held(in_postgres) as holder, ThreadPoolExecutor(1) as pool:
        number = holder.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        asked = pool.submit(ask, door)
        while not holder.execute(sa.text(WAITING)).scalar_one():
            assert not asked.done()
        postgres.run(f"SELECT pg_terminate_backend({number})")
        assert isinstance(asked.result(), MetricAnswer)
        holder.invalidate()


@pytest.mark.soak
def test_a_read_is_refused_where_the_lock_is_not_let_go(
    in_postgres: Ledger, open_door: OpenDoor
) -> None:
    door = open_door(ledger=in_postgres)
    with lock_held(in_postgres):
        assert_unavailable(ask(door))
    assert list(find_reads(in_postgres, ReadQuestion())) == []
    assert isinstance(ask(door), MetricAnswer)


def test_tables_that_are_gone_let_nothing_out(in_postgres: Ledger, open_door: OpenDoor) -> None:
    door = open_door(ledger=in_postgres)
    assert isinstance(ask(door), MetricAnswer)
    with in_postgres._store.writing() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {SCHEMA} CASCADE")
    assert_unavailable(ask(door))


def test_an_old_copy_that_was_put_in_its_place_is_found(
    postgres: PostgresServer, url: str, open_door: OpenDoor
) -> None:
    """The copy is whole in itself. Only what is kept elsewhere tells that it is not the newest."""
    database = str(sa.make_url(url).database)
    ledger = Ledger.open(url, key=KEY)
    assert isinstance(ask(open_door(ledger=ledger)), MetricAnswer)
    ledger.close()
    postgres.run(f"CREATE DATABASE old_copy TEMPLATE {database}")

    ledger = Ledger.open(url, key=KEY)
    assert isinstance(ask(open_door(ledger=ledger)), MetricAnswer)
    kept_elsewhere = open_note(str(ledger.seal()), [KEY.public_key()])
    ledger.close()
    postgres.run(f"DROP DATABASE {database}")
    postgres.run(f"ALTER DATABASE old_copy RENAME TO {database}")

    ledger = Ledger.open(url, key=KEY)
    assert ledger.verify().is_whole
    found = ledger.verify(against=kept_elsewhere).findings
    assert [item.harm for item in found] == [Harm.ROLLED_BACK]
    for _ in range(5):
        ask(open_door(ledger=ledger))
    assert not ledger.verify(against=kept_elsewhere).is_whole, "and it does not grow over it"
    ledger.close()
