"""The record in a Postgres database: chosen by URL or by the instance, written in real runs, asked on the command line."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from agent_resources.ledger_place import ledger_place
from agent_resources.metrics_resource import GovernedMetricsResource, instance_database
from orchestration_assets.cli.app import main
from orchestration_assets.cli.place import Place
from semantic.errors import LedgerUnavailable
from semantic.ledger import Ledger, Record, RecordKind
from tests.orchestration_assets.corner_shop import build_definitions, load_shop, warehouse_of
from tests.orchestration_assets.location import SNAPSHOT, Location, agent_key, fork
from tests.postgres import PostgresServer

BOSS = agent_key("boss")


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_ledger()


@pytest.fixture
def on_postgres(built_shop: Path, tmp_path: Path, url: str) -> Iterator[Location]:
    """The shop, with its record in Postgres."""
    folder = fork(built_shop, tmp_path / "shop")
    metrics = load_shop(folder)
    settings = metrics.resource.model_dump() | {"ledger": url}
    metrics = replace(metrics, resource=GovernedMetricsResource(**settings))
    definitions = build_definitions(folder, metrics)
    with Location(folder, definitions, warehouse_of(folder)) as location:
        yield location


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["governed-agents", *arguments])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_agents_read_and_the_command_line_tells_what(
    on_postgres: Location,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran = on_postgres.run([SNAPSHOT, *on_postgres.metric_keys, BOSS])
    assert ran.success, ran.failures
    assert "governed-agents/" in str(on_postgres.metadata(BOSS)["checkpoint"])

    monkeypatch.setenv("DAGSTER_HOME", str(on_postgres.home))
    assert run("reads", monkeypatch=monkeypatch) == 0
    assert "boss" not in capsys.readouterr().out, "the file of the built shop knows nothing of it"
    monkeypatch.setenv("GOVERNED_AGENTS_LEDGER", url)
    capsys.readouterr()
    assert run("reads", "--agent", "boss", monkeypatch=monkeypatch) == 0
    assert "allowed" in capsys.readouterr().out
    assert run("verify", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.startswith("whole: ")


def test_the_database_of_the_instance_is_taken_unless_there_is_a_file(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    database = postgres.new_database()
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_url: '{database}'}}}}\ntelemetry: {{enabled: false}}\n"
    )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance_database(instance) == database
    assert isinstance(ledger_place(home, database=database), str)
    ledger = Place(home).ledger
    assert ledger.append(Record(record_id="r", kind=RecordKind.REFUSAL))
    assert ledger.seal()
    ledger.close()
    assert (home / "governed_agents" / "signing.key").is_file()

    (home / "ledger.db").touch()
    with pytest.raises(
        LedgerUnavailable, match=r"There is a record in .* and the Dagster instance"
    ):
        ledger_place(home, database=database)
    assert ledger_place(home, url=database, database=database) == database


@pytest.mark.parametrize("url", ["mysql://x/y", "ledger.db", "sqlite:///x"])
def test_a_place_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(LedgerUnavailable, match="A ledger is a file or a Postgres database"):
        Ledger.open(url)


def test_the_owner_makes_it_for_a_role_that_can_only_add(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = postgres.new_database()
    postgres.run("CREATE ROLE application LOGIN")
    assert run("ledger", "create", database, "--for", "application", monkeypatch=monkeypatch) == 0
    assert "'application' can add to it, and cannot change it" in capsys.readouterr().err
    assert run("ledger", "create", database, "--for", "nobody", monkeypatch=monkeypatch) == 1
    assert 'role "nobody" does not exist' in capsys.readouterr().err

    url = sa.make_url(database).set(username="application")
    ledger = Ledger.open(url.render_as_string(hide_password=False))
    assert ledger.append(Record(record_id="r", kind=RecordKind.INTENT))
    assert ledger.append(Record(record_id="r", kind=RecordKind.OUTCOME))
    for change in (
        "UPDATE records SET reader = 'x'",
        "DELETE FROM records",
        "TRUNCATE records",
        "DELETE FROM tiles",
        "UPDATE reads SET reader = 'x'",
        "ALTER TABLE records DISABLE TRIGGER ALL",
        "DROP TABLE reads",
        "UPDATE schema_version SET version = 9",
        "SET synchronous_commit = off; SELECT setval('record_numbers', 1)",
    ):
        with (
            pytest.raises(LedgerUnavailable, match=r"permission denied|must be owner"),
            ledger._store.writing() as connection,
        ):
            connection.exec_driver_sql(change)
    ledger.close()


def test_a_database_that_would_lose_commits_or_is_not_there_is_refused(
    postgres: PostgresServer,
) -> None:
    url = sa.make_url(postgres.new_database())
    absent = url.set(database="absent", password="secret").render_as_string(hide_password=False)
    with pytest.raises(LedgerUnavailable, match='database "absent" does not exist') as refused:
        Ledger.open(absent)
    assert "secret" not in str(refused.value)

    postgres.set("full_page_writes", "off")
    try:
        with pytest.raises(LedgerUnavailable, match="has full_page_writes off, and would lose"):
            Ledger.open(url.render_as_string(hide_password=False))
    finally:
        postgres.set("full_page_writes", "on")
