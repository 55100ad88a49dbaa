"""The SQL of a dbt model taken apart: what gives a column its values, and what makes up the rows."""

import duckdb
import pytest

from semantic.lineage.model_sql import ROWS, ModelSql

PARENTS = {"orders": "model.shop.orders", "raw.visits": "source.shop.raw.visits"}
PLAIN = (
    "select amount * 2 as twice, upper(status) as status from {{ ref('orders') }} where not is_test"
)


def text(code: str, column: str = "twice") -> str | None:
    found = ModelSql(code, PARENTS).column(column)
    return found.text if found else None


def rows(code: str) -> str:
    return ModelSql(code, PARENTS).rows().text


def test_a_column_is_its_expression_over_columns_of_other_models() -> None:
    model = ModelSql(PLAIN, PARENTS)
    found = model.column("twice")
    assert found is not None
    assert found.text == "orders.amount * 2"
    assert found.inputs == {("model.shop.orders", "amount")}
    assert model.column("nothing") is None
    assert model.rows().text == "orders WHERE NOT orders.is_test"
    assert model.rows().inputs == {("model.shop.orders", ROWS), ("model.shop.orders", "is_test")}


@pytest.mark.parametrize(
    "same",
    [
        "-- a comment\nSELECT o.amount*2 AS twice FROM {{ ref('shop', 'orders') }} AS o WHERE NOT o.is_test",
        "{{ config(materialized='table') }} with o as (select * from {{ref(\"orders\")}}) select amount * 2 as twice from o where not is_test",
        "with first as (select amount as a, is_test from {{ ref('orders') }}), then_ as (select a * 2 as twice, is_test from first) "
        "select twice from then_ where not is_test",
        "select amount * 2 as twice, 1 as other from {{ ref('orders') }} /* x */ where not is_test {# y #}",
        "select * from (select amount * 2 as twice, is_test from {{ ref('orders') }}) where not is_test",
        "select * exclude (is_test) from (select amount * 2 as twice, is_test from {{ ref('orders') }}) as s where not s.is_test",
    ],
)
def test_another_way_to_write_the_same_is_the_same(same: str) -> None:
    assert text(same) == text(PLAIN)
    assert rows(same) == rows(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("* 2", "* 3"),
        PLAIN.replace("amount", "amount_net"),
        "select coalesce(amount, 0) * 2 as twice from {{ ref('orders') }} where not is_test",
        "select * replace (1 as twice) from (select amount * 2 as twice, is_test from {{ ref('orders') }}) where not is_test",
    ],
)
def test_another_expression_is_another(other: str) -> None:
    assert text(other) != text(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("where not is_test", ""),
        PLAIN.replace("not is_test", "is_test"),
        PLAIN + " limit 10",
        PLAIN.replace("select", "select distinct"),
        PLAIN.replace("where", "join {{ source('raw', 'visits') }} as v using (id) where"),
        PLAIN + " union all " + PLAIN,
        "with o as (select * from {{ ref('orders') }} where amount > 0) select amount * 2 as twice from o where not is_test",
    ],
)
def test_other_rows_are_others(other: str) -> None:
    assert rows(other) != rows(PLAIN)


def test_what_is_joined_to_every_row_changes_only_what_comes_of_it() -> None:
    joined = (
        "with v as (select id, count(*) as visits from {{ source('raw', 'visits') }} where %s group by id) "
        "select orders.amount, v.visits from {{ ref('orders') }} as orders left join v on orders.id = v.id"
    )
    before, after = (ModelSql(joined % kept, PARENTS) for kept in ("true", "is_human"))
    assert before.rows() == after.rows()
    assert before.column("amount") == after.column("amount")
    assert before.column("visits") != after.column("visits")


def test_a_name_of_this_very_select_is_followed() -> None:
    model = ModelSql(
        "with o as (select amount as a from {{ ref('orders') }}) select a + 1 as b, b * 2 as c from o",
        PARENTS,
    )
    found = model.column("c")
    assert found is not None
    assert "orders.amount" in found.text
    assert found.inputs == {("model.shop.orders", "amount")}


@pytest.mark.parametrize(
    "code",
    [
        "{% for x in [1] %} select {{ x }} as twice {% endfor %}",
        "select nonsense from from",
        "def model(dbt, session):\n    return dbt.ref('orders')",
        "select * from {{ ref('nobody') }}",
        "pivot {{ ref('orders') }} on status using sum(amount)",
    ],
)
def test_what_is_not_understood_is_its_whole_text(code: str) -> None:
    model = ModelSql(code, PARENTS)
    assert not model.is_understood
    assert model.rows().text == " ".join(code.split()) == model.whole.text
    assert ModelSql(code + "\n\n", PARENTS).rows() == model.rows()


def test_what_is_told_of_a_column_can_be_run() -> None:
    """DuckDB gives the same values for a column as it is told, and as the model makes it."""
    code = (
        "with paid as (select *, amount - coalesce(discount, 0) as net from {{ ref('orders') }}), "
        "kept as (select id, net, case when net > 10 then 'large' else 'small' end as size from paid) "
        "select id, net * 2 as twice, size from kept"
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table orders as select range as id, range * 3 as amount, "
            "case when range % 2 = 0 then range end as discount from range(20)"
        )
        model = code.replace("{{ ref('orders') }}", "orders")
        for column in ("twice", "size", "id"):
            told = connection.execute(
                f"select {text(code, column)} from orders order by id"
            ).fetchall()
            assert (
                told == connection.execute(f"select {column} from ({model}) order by id").fetchall()
            )
