"""The SQL of a dbt model taken apart: what gives a column its values, and what makes up the rows."""

from collections.abc import Callable

import duckdb
import pytest

from semantic.lineage.model_sql import ModelSql
from semantic.lineage.sql_query import ROWS, NotUnderstoodError

PARENTS = {
    "orders": "model.shop.orders",
    "shop.orders": "model.shop.orders",
    "raw.visits": "source.shop.raw.visits",
}
PLAIN = (
    "select amount * 2 as twice, upper(status) as status from {{ ref('orders') }} where not is_test"
)


def short(text: str) -> str:
    return text.replace("model.shop.", "")


def text(code: str, column: str = "twice") -> str | None:
    found = ModelSql(code, PARENTS).column(column)
    return short(found.text) if found else None


def is_told_whole(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except NotUnderstoodError:
        return True
    return False


def rows(code: str) -> str:
    """What makes up the rows, or all that the code says where it is not understood."""
    model = ModelSql(code, PARENTS)
    try:
        return short(model.rows().text)
    except NotUnderstoodError:
        return model.whole.text


def test_a_column_is_its_expression_over_columns_of_other_models() -> None:
    model = ModelSql(PLAIN, PARENTS)
    found = model.column("twice")
    assert found is not None
    assert short(found.text) == "orders.amount * 2"
    assert found.inputs == {("model.shop.orders", "amount")}
    assert model.column("nothing") is None
    assert rows(PLAIN) == "orders WHERE NOT orders.is_test"
    told = model.rows()
    assert told is not None
    assert told.inputs == {("model.shop.orders", ROWS), ("model.shop.orders", "is_test")}


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
        "select * from {{ ref(name) }}",
        "pivot {{ ref('orders') }} on status using sum(amount)",
        PLAIN + " limit 10",
        PLAIN + " offset 3",
        f"({PLAIN}) limit 10",
        f"{PLAIN} union all {PLAIN} limit 10",
        "select amount as twice from {{ ref('orders') }} using sample 10%",
        "select sum(amount) over w as twice from {{ ref('orders') }} window w as (order by amount)",
        "select amount as twice from {{ ref('orders') }} where id in (select id from {{ source('raw', 'visits') }})",
        "select unnest([1, 2]) as twice from {{ ref('orders') }}",
        "select * rename (amount as twice) from {{ ref('orders') }}",
        "select columns(*) from {{ ref('orders') }}",
        "with t(twice) as (select amount from {{ ref('orders') }}) select twice from t",
        "select o.twice from {{ ref('orders') }} as o(twice)",
        "select o.amount as twice from {{ ref('orders') }} as o asof left join {{ source('raw', 'visits') }} as v on o.at >= v.at",
        "select o.amount as twice from {{ ref('orders') }} as o natural join {{ source('raw', 'visits') }} as v",
        "select distinct on (id) amount as twice from {{ ref('orders') }}",
        "with recursive t as (select 1 as twice union all select twice + 1 from t) select twice from t",
        "select i as twice from range(10) as r(i)",
    ],
)
def test_what_is_not_taken_apart_is_its_whole_text(code: str) -> None:
    model = ModelSql(code, PARENTS)
    for _ in range(2):  # and stays so, in whatever order it is asked
        assert is_told_whole(model.rows) or is_told_whole(lambda: model.column("twice"))
    assert model.whole.text == code.strip()


def test_one_column_that_is_not_taken_apart_leaves_the_others_as_they_are() -> None:
    code = "select amount * 2 as twice, (select max(id) from {{ ref('orders') }}) as most from {{ ref('orders') }}"
    first, second = ModelSql(code, PARENTS), ModelSql(code, PARENTS)
    assert is_told_whole(lambda: first.column("most"))
    assert first.column("twice") == second.column("twice") is not None


def test_a_field_of_a_column_is_not_taken_for_a_table() -> None:
    assert is_told_whole(
        lambda: ModelSql("select payload.amount as twice from {{ ref('orders') }}", PARENTS).column(
            "twice"
        )
    )


def test_a_name_that_a_table_may_have_is_looked_for_there_as_well() -> None:
    model = ModelSql("select 1 as status, status = 'x' as twice from {{ ref('orders') }}", PARENTS)
    found = model.column("twice")
    assert found is not None
    assert ("model.shop.orders", "status") in found.inputs


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("distinct amount as twice", "distinct amount as twice, status"),
        ("amount as twice, count(*) as n", "amount as twice"),
        ("1 as twice", "1 as twice, count(*) as n"),
    ],
)
def test_what_makes_rows_one_is_part_of_them(before: str, after: str) -> None:
    of = "select {} from {{{{ ref('orders') }}}}"
    assert rows(of.format(before)) != rows(of.format(after))


def test_what_rows_are_grouped_by_is_part_of_them_however_it_is_named() -> None:
    for by in ("1", "day", "all", "upper(status)"):
        model = ModelSql(
            f"select upper(status) as day, sum(amount) as twice from {{{{ ref('orders') }}}} group by {by}",
            PARENTS,
        )
        told = model.rows()
        assert told is not None
        assert ("model.shop.orders", "status") in told.inputs


def test_columns_of_a_union_belong_together_by_their_places() -> None:
    union = "select amount as twice, id from {{ ref('orders') }} union all select %s from {{ source('raw', 'visits') }}"
    assert text(union % "value * 1, id") != text(union % "value * 2, id")
    assert text(union % "value, id") != text(union % "id, value")
    assert not ModelSql(
        union.replace("union all", "union all by name") % "id, value", PARENTS
    ).is_understood


def test_the_keys_by_which_something_is_joined_are_part_of_what_comes_of_it() -> None:
    model = ModelSql(
        "select v.visits from {{ ref('orders') }} as o left join {{ source('raw', 'visits') }} as v on o.id = v.order_id",
        PARENTS,
    )
    found = model.column("visits")
    assert found is not None
    assert {("model.shop.orders", "id"), ("source.shop.raw.visits", "order_id")} <= found.inputs


def test_a_long_expression_is_told_apart_to_its_end() -> None:
    long = (
        "select "
        + " + ".join(f"amount * {number}" for number in range(3_000))
        + " + {} as twice from {{{{ ref('orders') }}}}"
    )
    assert text(long.format(14)) != text(long.format(15))


@pytest.mark.parametrize(
    "step",
    [
        "select a.x + b.x as x from {0} as a join {0} as b using (x)",
        "select a.x from {0} as a left join {0} as b on a.x = b.x",
        "select x from {0} union all select x + 1 from {0}",
        "select * from {0}",
    ],
)
def test_many_ctes_take_no_time(step: str) -> None:
    """Each is looked at once, however often it is named."""
    ctes = ["c0 as (select amount as x from {{ ref('orders') }})"]
    ctes += [f"c{number} as ({step.format(f'c{number - 1}')})" for number in range(1, 60)]
    model = ModelSql(f"with {', '.join(ctes)} select x as twice from c59", PARENTS)
    assert model.rows() is not None
    assert model.column("twice") is not None


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
