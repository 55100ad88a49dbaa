"""A shop with 1,000,000 order items, made up by arithmetic: the same rows on every machine.

333,333 orders of 20,000 customers in 20 stores over two years, and 200,000 visits that some of the orders follow.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.data_sets.data_set import DataSet
from benchmarks.question import Question
from tests.dbt_build import BuiltProject, build_dbt_project

PROJECT = Path(__file__).parents[1] / "shop"
VARIABLE = "BIG_SHOP_WAREHOUSE"


@dataclass(frozen=True, kw_only=True)
class ShopSize:
    """How many rows the shop has."""

    items: int = 1_000_000
    orders: int = 333_333
    customers: int = 20_000
    stores: int = 20
    visits: int = 200_000


_ROLL = """
CREATE MACRO roll(row, salt, sides) AS
    ((((row + salt * 7919) * 1103515245 + 12345) % 2147483648) // 65536) % sides
"""
_TABLES = {
    "stores": """
        SELECT i AS store_id, ['north', 'east', 'south', 'west'][1 + i % 4] AS region, 'city ' || i % 12 AS city
        FROM range({stores}) AS rows (i)
    """,
    "customers": """
        SELECT i AS customer_id, ['DE', 'FR', 'IT', 'ES', 'PL'][1 + roll(i, 1, 5)] AS country,
            ['private', 'trade', 'public'][1 + roll(i, 2, 3)] AS segment,
            DATE '2022-12-01' + CAST(roll(i, 3, 700) AS INTEGER) AS signed_up_on
        FROM range({customers}) AS rows (i)
    """,
    "orders": """
        SELECT i AS order_id, roll(i, 4, {customers}) AS customer_id, roll(i, 5, {stores}) AS store_id,
            DATE '2023-01-01' + CAST(i * 731 // {orders} AS INTEGER) AS ordered_on,
            CASE WHEN roll(i, 6, 10) < 8 THEN 'completed' WHEN roll(i, 6, 10) = 8 THEN 'returned' ELSE 'cancelled' END
                AS status,
            ['web', 'app', 'till'][1 + roll(i, 7, 3)] AS channel
        FROM range({orders}) AS rows (i)
    """,
    "items": """
        SELECT i AS item_id, i % {orders} AS order_id, 'category ' || roll(i, 8, 12) AS category,
            1 + roll(i, 9, 4) AS quantity, CAST(5 + roll(i, 10, 20000) / 100.0 AS DECIMAL(9, 2)) AS price,
            CAST(2 + roll(i, 11, 10000) / 100.0 AS DECIMAL(9, 2)) AS cost
        FROM range({items}) AS rows (i)
    """,
    "visits": """
        SELECT i AS visit_id, roll(i, 12, {customers}) AS customer_id,
            DATE '2023-01-01' + CAST(i * 731 // {visits} AS INTEGER) AS visited_on
        FROM range({visits}) AS rows (i)
    """,
}


def land_shop(connection: duckdb.DuckDBPyConnection, size: ShopSize | None = None) -> None:
    """Makes the schema `till` with the rows that the dbt project reads."""
    counts = vars(size or ShopSize())
    connection.execute("CREATE SCHEMA till")
    connection.execute(_ROLL)
    for table, select in _TABLES.items():
        connection.execute(f"CREATE TABLE till.{table} AS {select.format(**counts)}")
    connection.execute("DROP MACRO roll")


def build_shop(folder: Path) -> DataSet:
    """The shop in `folder`, generated and built with dbt unless that was done before."""

    def fill(built: BuiltProject) -> None:
        with duckdb.connect(str(built.warehouse)) as connection:
            land_shop(connection)

    return DataSet(
        name="shop",
        built=build_dbt_project(
            PROJECT, folder / "shop", warehouse="big_shop.duckdb", variable=VARIABLE, fill=fill
        ),
        variable=VARIABLE,
        questions=QUESTIONS,
    )


_THREE_BY_TWO = {
    "metrics": ["orders", "revenue", "average_order"],
    "group_by": ["metric_time__month", "store__region"],
}
QUESTIONS = (
    Question(
        name="total",
        query={"metrics": ["item_revenue"]},
        sql="SELECT sum(amount) FROM order_items",
    ),
    Question(
        name="by local dimension",
        query={"metrics": ["item_revenue"], "group_by": ["order_item__category"]},
        sql="SELECT category, sum(amount) FROM order_items GROUP BY category",
    ),
    Question(
        name="by joined dimension",
        query={"metrics": ["item_revenue"], "group_by": ["order__channel"]},
        sql="""
            SELECT channel, sum(order_items.amount)
            FROM order_items LEFT JOIN orders USING (order_id)
            GROUP BY channel
        """,
    ),
    Question(
        name="three metrics by two",
        query=_THREE_BY_TWO,
        sql="""
            SELECT date_trunc('month', ordered_on), region, count(*), sum(amount), avg(amount)
            FROM orders LEFT JOIN stores USING (store_id)
            GROUP BY ALL
        """,
    ),
    Question(
        name="the same, filtered, half a year",
        query={
            **_THREE_BY_TWO,
            "filters": [
                {"dimension": "customer__country", "operator": "in", "values": ["DE", "FR"]},
                {"dimension": "order__status", "operator": "=", "values": "completed"},
            ],
            "time_range": ["2024-03-01", "2024-08-31"],
        },
        where=(
            "{{ Dimension('customer__country') }} IN ('DE', 'FR')",
            "{{ Dimension('order__status') }} = 'completed'",
            "{{ TimeDimension('metric_time', 'day') }} BETWEEN DATE '2024-03-01' AND DATE '2024-08-31'",
        ),
        sql="""
            SELECT date_trunc('month', ordered_on), region, count(*), sum(amount), avg(amount)
            FROM orders JOIN customers USING (customer_id) LEFT JOIN stores USING (store_id)
            WHERE country IN ('DE', 'FR') AND status = 'completed'
                AND ordered_on BETWEEN DATE '2024-03-01' AND DATE '2024-08-31'
            GROUP BY ALL
        """,
    ),
    Question(
        name="derived",
        query={"metrics": ["item_margin"], "group_by": ["metric_time__month"]},
        sql="SELECT date_trunc('month', sold_on), sum(amount) - sum(cost) FROM order_items GROUP BY ALL",
    ),
    Question(
        name="cumulative",
        query={
            "metrics": ["revenue_trailing_30_days"],
            "group_by": ["metric_time__day"],
            "time_range": ["2024-06-01", "2024-06-30"],
        },
        where=(
            "{{ TimeDimension('metric_time', 'day') }} BETWEEN DATE '2024-06-01' AND DATE '2024-06-30'",
        ),
        sql="""
            WITH daily AS (
                SELECT ordered_on, sum(amount) AS amount
                FROM orders
                WHERE ordered_on BETWEEN DATE '2024-06-01' - 29 AND DATE '2024-06-30'
                GROUP BY ordered_on
            ), windowed AS (
                SELECT ordered_on,
                    sum(amount) OVER (ORDER BY ordered_on RANGE INTERVAL 29 DAYS PRECEDING) AS amount
                FROM daily
            )
            SELECT * FROM windowed WHERE ordered_on >= DATE '2024-06-01'
        """,
    ),
    Question(
        name="conversion",
        query={"metrics": ["orders_per_visit"], "group_by": ["metric_time__month"]},
        sql="""
            WITH followed AS (
                SELECT date_trunc('month', visited_on) AS month, count(*) AS orders
                FROM orders ASOF JOIN visits
                    ON orders.customer_id = visits.customer_id AND visited_on <= ordered_on
                WHERE visited_on > ordered_on - 7
                GROUP BY month
            ), visited AS (
                SELECT date_trunc('month', visited_on) AS month, count(*) AS visits FROM visits GROUP BY month
            )
            SELECT month, orders / visits FROM visited LEFT JOIN followed USING (month)
        """,
    ),
)
LIGHT_QUERY = {"metrics": ["customers"]}
