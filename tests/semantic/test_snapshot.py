"""Snapshots: what is in them, that nobody sees one half-made, and that dbt can write while agents read."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from semantic.catalog import Catalog
from semantic.errors import SnapshotUnavailable, WarehouseUnavailable
from semantic.open_snapshot import OpenSnapshot, QueryLimits
from semantic.snapshot import SnapshotStore
from semantic.snapshot_record import MetricState, SnapshotRecord, State, VersionAsRead
from tests.dbt_build import BuiltProject
from tests.semantic.door import all_passing, publish_unmeasured, snapshot_file
from tests.semantic.shop import CUSTOMERS, DAYS, ORDERS

COUNT_ORDERS = f"SELECT count(*) FROM {ORDERS}"


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots", keep=2)


@pytest.fixture
def first(store: SnapshotStore, shop_catalog: Catalog, shop: BuiltProject) -> SnapshotRecord:
    return publish_unmeasured(store, shop_catalog, shop.warehouse)


@pytest.fixture
def data(store: SnapshotStore, first: SnapshotRecord) -> Iterator[OpenSnapshot]:
    opened = store.open(first)
    yield opened
    opened.close()


def publish_failing(store: SnapshotStore, catalog: Catalog, warehouse: Path) -> SnapshotRecord:
    with store.stage(catalog, warehouse) as staged:
        failing = MetricState(definition_hash="", state=State.FAILING, reason="a check failed")
        record = staged.unmeasured({}, {"orders": failing}, None)
        staged.publish(record)
    return record


def rows(data: OpenSnapshot, sql: str) -> list[tuple[object, ...]]:
    return data.execute(sql, {}, 1_000).rows


@contextmanager
def process(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has said that it is ready, and ends when the block does."""
    child = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
        yield child
        assert child.stdin is not None
        child.stdin.close()
        child.wait(timeout=300)


def test_the_governed_relations_are_in_it_with_all_their_rows_and_no_other(
    data: OpenSnapshot, first: SnapshotRecord, shop: BuiltProject
) -> None:
    inside = rows(data, "SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL")
    with duckdb.connect(str(shop.warehouse), read_only=True) as warehouse:
        expected = {
            name: warehouse.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
            for name in (ORDERS, CUSTOMERS, DAYS)
        }

    assert inside == [("till_analytics", name) for name in ("customers", "days", "orders")]
    assert rows(data, "SELECT view_name FROM duckdb_views() WHERE NOT internal") == []
    assert first.relations == {name: len(found) for name, found in expected.items()}
    for name, found in expected.items():
        assert rows(data, f"SELECT * FROM {name} ORDER BY ALL") == found
    with pytest.raises(duckdb.CatalogException):
        rows(data, 'SELECT * FROM "shop"."till_landing"."raw_orders"')


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_blob('/etc/hostname')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT getenv('HOME')",
        "SELECT * FROM query('ATTACH ''other.duckdb''')",
        "COPY (SELECT 1) TO 'out.csv'",
        f"COPY {ORDERS} TO 'out.csv'",
        "EXPORT DATABASE 'out'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET threads = 1",
        "RESET lock_configuration",
        "PRAGMA enable_profiling",
        "CALL pragma_version()",
        "BEGIN",
        "CREATE TEMP TABLE kept AS SELECT 1",
        f"DELETE FROM {ORDERS}",
        f"UPDATE {ORDERS} SET amount = 0",
        f"{COUNT_ORDERS}; DROP TABLE {ORDERS}",
        "",
    ],
)
def test_nothing_but_a_select_over_its_own_tables_runs(
    data: OpenSnapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))

    with pytest.raises((duckdb.Error, SnapshotUnavailable)):
        rows(data, sql)

    assert rows(data, COUNT_ORDERS) == [(9,)]
    assert set(tmp_path.rglob("*")) == before


def test_the_connection_itself_is_locked(data: OpenSnapshot) -> None:
    """Were the check for one SELECT ever passed by, DuckDB would still refuse."""
    settings = dict(
        rows(  # type: ignore[arg-type]
            data,
            "SELECT name, value FROM duckdb_settings() WHERE name IN ('lock_configuration', "
            "'enable_external_access', 'allow_community_extensions', "
            "'autoload_known_extensions', 'autoinstall_known_extensions')",
        )
    )
    assert settings == {
        "lock_configuration": "true",
        "enable_external_access": "false",
        "allow_community_extensions": "false",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
    }


def test_a_query_that_takes_too_long_is_interrupted_and_the_next_is_answered(
    store: SnapshotStore, first: SnapshotRecord
) -> None:
    data = OpenSnapshot(snapshot_file(store, first), limits=QueryLimits(seconds=1))
    with pytest.raises(duckdb.InterruptException):
        rows(data, "SELECT count(*) FROM range(1_000_000) a, range(1_000_000) b WHERE a <> b")
    assert rows(data, COUNT_ORDERS) == [(9,)]
    data.close()


def test_a_process_opens_a_version_with_one_set_of_limits(
    store: SnapshotStore, first: SnapshotRecord
) -> None:
    data = OpenSnapshot(snapshot_file(store, first), limits=QueryLimits(seconds=1))
    with pytest.raises(SnapshotUnavailable, match="is open in this process with other limits"):
        OpenSnapshot(snapshot_file(store, first), limits=QueryLimits(seconds=2))
    data.close()


def test_at_most_the_limit_is_fetched(data: OpenSnapshot) -> None:
    assert len(data.execute(f"SELECT * FROM {ORDERS}", {}, 4).rows) == 4


WRITES_TO_THE_WAREHOUSE = """
import sys, duckdb
with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("CREATE OR REPLACE TABLE till_analytics.orders AS FROM till_analytics.orders WHERE order_id < 4")
print("ready", flush=True)
sys.stdin.read()
"""


def test_dbt_can_write_to_the_warehouse_while_a_snapshot_is_read(
    store: SnapshotStore, shop_catalog: Catalog, shop: BuiltProject, tmp_path: Path
) -> None:
    with shop.changed_warehouse(tmp_path) as (warehouse, _):
        pass
    first = publish_unmeasured(store, shop_catalog, warehouse)
    data = store.open(first)
    assert rows(data, COUNT_ORDERS) == [(9,)]

    with process(WRITES_TO_THE_WAREHOUSE, warehouse):
        assert rows(data, COUNT_ORDERS) == [(9,)]

    second = publish_unmeasured(store, shop_catalog, warehouse)
    newer = store.open(second)
    assert rows(data, COUNT_ORDERS) == [(9,)]
    assert rows(newer, COUNT_ORDERS) == [(3,)]
    data.close()
    newer.close()


HOLDS_THE_WAREHOUSE = """
import sys, duckdb
with duckdb.connect(sys.argv[1]) as connection:
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_locked_warehouse_is_named_and_the_last_version_stays(
    store: SnapshotStore,
    first: SnapshotRecord,
    shop_catalog: Catalog,
    shop: BuiltProject,
    tmp_path: Path,
) -> None:
    with shop.changed_warehouse(tmp_path) as (warehouse, _):
        pass
    with (
        process(HOLDS_THE_WAREHOUSE, warehouse),
        pytest.raises(WarehouseUnavailable, match="is locked by another process") as caught,
        store.stage(shop_catalog, warehouse),
    ):
        pass

    assert "wait until dbt is done" in str(caught.value.hint)
    assert store.current() == first
    assert staging_folders(store) == []


def test_a_missing_warehouse_is_named(
    store: SnapshotStore, shop_catalog: Catalog, tmp_path: Path
) -> None:
    with (
        pytest.raises(WarehouseUnavailable, match=r"no DuckDB warehouse at .*nowhere\.duckdb"),
        store.stage(shop_catalog, tmp_path / "nowhere.duckdb"),
    ):
        pass
    assert staging_folders(store) == []


@pytest.mark.parametrize("content", [b"", b"not a database", b"x" * 100_000])
def test_a_file_that_is_no_duckdb_file_is_named(
    store: SnapshotStore, shop_catalog: Catalog, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "shop.duckdb"
    path.write_bytes(content)
    with (
        pytest.raises(WarehouseUnavailable, match=rf"{path}|has no") as caught,
        store.stage(shop_catalog, path),
    ):
        pass
    assert "build the dbt project" in str(caught.value.hint)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "change",
    ["DROP TABLE till_analytics.customers", "DROP SCHEMA till_analytics CASCADE"],
)
def test_a_missing_relation_is_named(
    store: SnapshotStore, shop_catalog: Catalog, shop: BuiltProject, tmp_path: Path, change: str
) -> None:
    with shop.changed_warehouse(tmp_path) as (warehouse, connection):
        connection.execute(change)
    with (
        pytest.raises(WarehouseUnavailable, match=f"has no {CUSTOMERS}"),
        store.stage(shop_catalog, warehouse),
    ):
        pass
    assert staging_folders(store) == []


def test_a_view_is_copied_as_the_rows_it_shows(
    store: SnapshotStore, shop_catalog: Catalog, shop: BuiltProject, tmp_path: Path
) -> None:
    with shop.changed_warehouse(tmp_path) as (warehouse, connection):
        connection.execute("ALTER TABLE till_analytics.orders RENAME TO all_orders")
        connection.execute(
            "CREATE VIEW till_analytics.orders AS FROM till_analytics.all_orders WHERE amount > 10"
        )
    record = publish_unmeasured(store, shop_catalog, warehouse)
    data = store.open(record)
    assert rows(data, f"SELECT order_id FROM {ORDERS} ORDER BY 1") == [(1,), (3,), (5,)]
    data.close()


def test_a_view_that_is_broken_is_named(
    store: SnapshotStore, shop_catalog: Catalog, shop: BuiltProject, tmp_path: Path
) -> None:
    with shop.changed_warehouse(tmp_path) as (warehouse, connection):
        connection.execute("ALTER TABLE till_analytics.orders RENAME TO all_orders")
        connection.execute(
            "CREATE VIEW till_analytics.orders AS SELECT amount FROM till_analytics.all_orders"
        )
        connection.execute("ALTER TABLE till_analytics.all_orders DROP amount")
    with (
        pytest.raises(WarehouseUnavailable, match=f"{ORDERS} cannot be copied: Binder Error"),
        store.stage(shop_catalog, warehouse),
    ):
        pass


WRITES_AND_IS_KILLED = """
import os, signal, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("DELETE FROM till_analytics.orders WHERE order_id > 5")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_the_warehouse_holds_in_its_write_ahead_log_is_copied_too(
    store: SnapshotStore, shop_catalog: Catalog, shop: BuiltProject, tmp_path: Path
) -> None:
    with shop.changed_warehouse(tmp_path) as (warehouse, _):
        pass
    subprocess.run([sys.executable, "-c", WRITES_AND_IS_KILLED, warehouse], check=False)
    assert (tmp_path / "shop.duckdb.wal").exists()

    record = publish_unmeasured(store, shop_catalog, warehouse)
    data = store.open(record)
    assert rows(data, COUNT_ORDERS) == [(5,)]
    data.close()


def test_before_anything_is_published_there_is_nothing_to_read(store: SnapshotStore) -> None:
    assert store.current_version() is None
    assert store.versions() == ()
    with pytest.raises(SnapshotUnavailable, match="No data has been published yet"):
        store.current()


def test_a_version_is_seen_only_when_it_is_published(
    store: SnapshotStore, first: SnapshotRecord, shop_catalog: Catalog, shop: BuiltProject
) -> None:
    with store.stage(shop_catalog, shop.warehouse) as staged:
        assert store.current_version() == first.version
        assert store.versions() == (first.version,)
        second = staged.unmeasured({}, {}, None)
        staged.publish(second)
        assert store.current() == second
    assert store.current() == second
    assert staging_folders(store) == []


def test_an_error_while_measuring_leaves_the_last_version_current(
    store: SnapshotStore, first: SnapshotRecord, shop_catalog: Catalog, shop: BuiltProject
) -> None:
    with pytest.raises(ZeroDivisionError), store.stage(shop_catalog, shop.warehouse):
        raise ZeroDivisionError
    assert store.current() == first
    assert store.versions() == (first.version,)
    assert staging_folders(store) == []


KILLED_WHILE_STAGING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from semantic.dbt_manifest import load_catalog
from semantic.snapshot import SnapshotStore
with SnapshotStore(Path(sys.argv[1])).stage(load_catalog(Path(sys.argv[2])), Path(sys.argv[3])):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_staged_is_cleared_away_by_the_next(
    store: SnapshotStore, first: SnapshotRecord, shop_catalog: Catalog, shop: BuiltProject
) -> None:
    root = Path(__file__).parents[2]
    with process(KILLED_WHILE_STAGING, store.root, shop.target, shop.warehouse, root) as child:
        child.kill()
        child.wait()
    assert len(staging_folders(store)) == 1
    assert store.current() == first

    second = publish_unmeasured(store, shop_catalog, shop.warehouse)
    assert store.current() == second
    assert staging_folders(store) == []


def test_a_version_name_is_never_used_again(
    store: SnapshotStore, shop_catalog: Catalog, shop: BuiltProject
) -> None:
    published = [publish_unmeasured(store, shop_catalog, shop.warehouse).version for _ in range(4)]
    assert published == ["v000001", "v000002", "v000003", "v000004"]
    assert store.versions() == ("v000003", "v000004")


def test_a_crash_between_the_rename_and_the_pointer_does_not_take_its_name_twice(
    store: SnapshotStore, first: SnapshotRecord, shop_catalog: Catalog, shop: BuiltProject
) -> None:
    second = publish_unmeasured(store, shop_catalog, shop.warehouse)
    (store.root / "CURRENT").write_text(first.version)

    assert store.current() == first
    third = publish_unmeasured(store, shop_catalog, shop.warehouse)
    assert third.version not in {first.version, second.version}


def test_retirement_keeps_the_newest_and_the_last_that_was_all_passing(
    store: SnapshotStore, shop_catalog: Catalog, shop: BuiltProject
) -> None:
    publish_unmeasured(store, shop_catalog, shop.warehouse)
    good = publish_unmeasured(store, shop_catalog, shop.warehouse)
    failing = [publish_failing(store, shop_catalog, shop.warehouse).version for _ in range(3)]

    assert store.current_version() == failing[-1]
    assert store.versions() == (good.version, *failing[-2:])


def test_a_retired_version_can_be_read_to_the_end(
    store: SnapshotStore,
    first: SnapshotRecord,
    data: OpenSnapshot,
    shop_catalog: Catalog,
    shop: BuiltProject,
) -> None:
    for _ in range(3):
        publish_unmeasured(store, shop_catalog, shop.warehouse)
    assert first.version not in store.versions()
    assert rows(data, COUNT_ORDERS) == [(9,)]
    with pytest.raises(SnapshotUnavailable, match=f"snapshot {first.version} cannot be read"):
        store.record(first.version)


def test_the_record_is_read_back_as_it_was_published(
    store: SnapshotStore, shop_catalog: Catalog, shop: BuiltProject
) -> None:
    metric = MetricState(
        definition_hash="d",
        state=State.UNKNOWN,
        reason="no check ran",
        data_version="v",
        since="v000001",
        value="1.5",
        value_last_day=None,
        series=(("2024-03-01", "1"), ("2024-03-02", None)),
        first_day=date(2024, 3, 1),
    )
    as_read = {"key": {"orders": VersionAsRead(data_version="w", since="v000001")}}
    with store.stage(shop_catalog, shop.warehouse) as staged:
        unmeasured = staged.unmeasured(all_passing(shop_catalog), {"orders": metric}, "run-1")
        record = replace(unmeasured, as_read=as_read)
        staged.publish(record)

    assert SnapshotStore(store.root).current() == record
    assert store.catalog(record.version) == shop_catalog


@pytest.mark.parametrize("content", ["", "{", "{}", '{"version": 1}'])
def test_a_damaged_record_is_named(
    store: SnapshotStore, first: SnapshotRecord, content: str
) -> None:
    (store.root / first.version / "snapshot.json").write_text(content)
    with pytest.raises(SnapshotUnavailable, match=f"snapshot {first.version} cannot be read"):
        SnapshotStore(store.root).current()


def test_a_lost_file_is_named(store: SnapshotStore, first: SnapshotRecord) -> None:
    snapshot_file(store, first).unlink()
    with pytest.raises(SnapshotUnavailable, match=f"Cannot open the snapshot {first.version}"):
        store.open(first)


def test_publishing_goes_on_beside_a_damaged_old_version(
    store: SnapshotStore, first: SnapshotRecord, shop_catalog: Catalog, shop: BuiltProject
) -> None:
    (store.root / first.version / "snapshot.json").write_text("{")
    again = SnapshotStore(store.root)
    failing = publish_failing(again, shop_catalog, shop.warehouse)
    assert again.current() == failing


def test_a_quote_in_the_path_is_only_a_quote(
    shop_catalog: Catalog, shop: BuiltProject, tmp_path: Path
) -> None:
    warehouse = tmp_path / "o'neil" / "shop.duckdb"
    warehouse.parent.mkdir()
    shutil.copy(shop.warehouse, warehouse)
    store = SnapshotStore(tmp_path / "it's here")
    record = publish_unmeasured(store, shop_catalog, warehouse)
    data = store.open(record)
    assert rows(data, COUNT_ORDERS) == [(9,)]
    data.close()


def staging_folders(store: SnapshotStore) -> list[str]:
    return [path.name for path in store.root.glob("staging-*")]
