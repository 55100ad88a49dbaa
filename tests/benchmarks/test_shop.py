"""The generated shop is the same everywhere, so that figures of two machines are about the same rows."""

import duckdb
import pytest

from benchmarks.data_sets.shop import ShopSize, land_shop

TABLES = ("stores", "customers", "orders", "items", "visits")


def _landed(size: ShopSize) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    land_shop(connection, size)
    return connection


def _rows(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: connection.execute(f"SELECT * FROM till.{table} ORDER BY 1").fetchall()
        for table in TABLES
    }


def test_the_shop_is_made_up_by_arithmetic_alone() -> None:
    size = ShopSize(items=3_000, orders=1_000, customers=100, stores=20, visits=500)
    assert _rows(_landed(size)) == _rows(_landed(size))


def test_the_whole_shop_has_the_figures_that_are_written_here() -> None:
    with _landed(ShopSize()) as shop:
        counts = [shop.execute(f"SELECT count(*) FROM till.{name}").fetchone() for name in TABLES]
        figures = shop.execute(
            "SELECT sum(quantity * price), sum(quantity * cost), count(DISTINCT order_id) FROM till.items"
        ).fetchone()
    assert counts == [(20,), (20_000,), (333_333,), (1_000_000,), (200_000,)]
    assert [str(item) for item in figures or ()] == ["227278311.17", "122363482.06", "333333"]


@pytest.mark.parametrize(
    ("child", "parent", "key"),
    [
        ("items", "orders", "order_id"),
        ("orders", "customers", "customer_id"),
        ("orders", "stores", "store_id"),
        ("visits", "customers", "customer_id"),
    ],
)
def test_every_row_belongs_to_one_that_is_there(child: str, parent: str, key: str) -> None:
    size = ShopSize(items=3_000, orders=1_000, customers=100, stores=20, visits=500)
    with _landed(size) as shop:
        orphans = shop.execute(
            f"SELECT count(*) FROM till.{child} ANTI JOIN till.{parent} USING ({key})"
        ).fetchone()
    assert orphans == (0,)
