"""What a query may look like, what is understood kindly, and what is refused with its reason."""

import json
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from semantic.canonical import canonical_json, canonical_value
from semantic.query import MetricQuery


def query(**fields: Any) -> MetricQuery:
    return MetricQuery.model_validate({"metrics": ["orders"], **fields})


def reason(**fields: Any) -> str:
    """The first reason why a query is refused."""
    with pytest.raises(ValidationError) as caught:
        query(**fields)
    first = caught.value.errors()[0]
    return f"{first['loc'][0] if first['loc'] else 'query'}: {first['msg']}"


def test_one_text_stands_for_a_list_of_one() -> None:
    kind = query(
        metrics="orders",
        group_by="order__status",
        filters={"dimension": "order__status", "values": "paid"},
        order_by="-orders",
    )
    strict = query(
        metrics=["orders"],
        group_by=["order__status"],
        filters=[{"dimension": "order__status", "operator": "=", "values": ["paid"]}],
        order_by=[{"by": "orders", "descending": True}],
    )
    assert kind == strict


def test_an_order_is_ascending_unless_it_starts_with_a_minus() -> None:
    orders = query(group_by="order__status", order_by=["-orders", "order__status"]).order_by
    assert [(order.by, order.descending) for order in orders] == [
        ("orders", True),
        ("order__status", False),
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"metrics": []}, "query: Value error, metrics names nothing; name at least one metric"),
        ({"metrics": [f"m{i}" for i in range(21)]}, "metrics: Value should have at most 20 items"),
        ({"metrics": ["orders", "orders"]}, "query: Value error, metrics names something twice"),
        ({"metrics": [7]}, "metrics: Input should be a valid string"),
        ({"metrics": None}, "metrics: Input should be a valid string"),
        ({"metrics": [""]}, "metrics: String should have at least 1 character"),
        ({"metrics": ["m" * 301]}, "metrics: String should have at most 300 characters"),
        ({"metrics": ["or\x00ders"]}, "metrics: Value error, holds the control character U+0000"),
        ({"metrics": ["or\x7fders"]}, "metrics: Value error, holds the control character U+007F"),
        ({"metrics": ["or\x9bders"]}, "metrics: Value error, holds the control character U+009B"),
        ({"group_by": [f"d{i}" for i in range(9)]}, "group_by: Value should have at most 8 items"),
        ({"group_by": ["a", "a"]}, "query: Value error, group_by names something twice"),
        ({"where": "1 = 1"}, "where: Extra inputs are not permitted"),
        ({"sql": "select 1"}, "sql: Extra inputs are not permitted"),
        ({"limit": 0}, "limit: Input should be greater than or equal to 1"),
        ({"limit": 100_001}, "limit: Input should be less than or equal to 100000"),
        ({"limit": "5"}, "limit: Input should be a valid integer"),
        ({"limit": True}, "limit: Input should be a valid integer"),
        ({"order_by": ["revenue"]}, "query: Value error, order_by 'revenue' is neither a metric"),
        ({"time_range": {"start": "2024-03-02"}}, "time_range: Value error, start and end go"),
        (
            {"time_range": {"start": "2024-03-02", "end": "2024-03-01"}},
            "time_range: Value error, start 2024-03-02 is after end 2024-03-01",
        ),
        (
            {"time_range": {"start": "1066-10-14", "end": "2024-03-01"}},
            "time_range: Value error, lies outside the years 1900 to 2200",
        ),
        ({"time_range": {"start": "soon", "end": "later"}}, "time_range: Input should be a valid"),
        ({"time_range": {"start": 0, "end": "2024-03-01"}}, "time_range: Value error, 0 is not a"),
        (
            {"time_range": {"start": "0", "end": "2024-03-01"}},
            "time_range: Value error, '0' is not",
        ),
        (
            {"time_range": {"start": "2024-03-01", "end": 1e9}},
            "time_range: Value error, 1000000000.",
        ),
    ],
)
def test_a_query_out_of_bounds_is_refused_with_its_place(fields: dict[str, Any], told: str) -> None:
    assert reason(**fields).startswith(told)


@pytest.mark.parametrize(
    ("filter_", "told"),
    [
        ({"operator": "between", "values": ["a"]}, "takes a lower and an upper value, 1 given"),
        ({"operator": "=", "values": []}, "operator '=' takes one value, 0 given"),
        ({"operator": "=", "values": ["a", "b"]}, "operator '=' takes one value, 2 given"),
        ({"operator": "is_null", "values": ["a"]}, "operator 'is_null' takes no value, 1 given"),
        ({"operator": "in", "values": []}, "operator 'in' takes at least one value"),
        ({"operator": "not_in", "values": []}, "operator 'not_in' takes at least one value"),
        ({"operator": "contains", "values": [1]}, "operator 'contains' takes a text"),
        ({"operator": "starts_with", "values": [True]}, "operator 'starts_with' takes a text"),
        ({"operator": "in", "values": [0] * 501}, "at most 500 items"),
        ({"values": ["x" * 1001]}, "has 1,001 characters, and 1,000 are allowed"),
        ({"values": ["a\x1bb"]}, "holds the control character U+001B"),
        ({"values": [float("nan")]}, "is not a finite number"),
        ({"values": [float("-inf")]}, "is not a finite number"),
        ({"values": [2**63]}, "is a number beyond 64 bits"),
        ({"values": [-(2**63) - 1]}, "is a number beyond 64 bits"),
        ({"values": [None]}, "is null; use the operator 'is_null'"),
        ({"values": [["a"]]}, "is neither a text, a number, a truth value nor a date"),
        ({"values": {"$sql": "1 = 1"}}, "is neither a text, a number"),
        ({"operator": "like", "values": ["%"]}, "Input should be '=', '!='"),
        ({"operator": "= 1 or 1 =", "values": ["x"]}, "Input should be '=', '!='"),
        ({"values": ["x"], "sql": "1 = 1"}, "Extra inputs are not permitted"),
    ],
)
def test_a_filter_out_of_bounds_is_refused(filter_: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        query(filters=[{"dimension": "order__status", **filter_}])
    assert told in str(caught.value)


def test_there_are_at_most_twenty_filters() -> None:
    one = {"dimension": "order__status", "values": "paid"}
    assert len(query(filters=[one] * 20).filters) == 20
    assert "at most 20 items" in reason(filters=[one] * 21)


@pytest.mark.parametrize("text", ["", "é", "日本", "\N{GRINNING FACE}", "' OR 1=1 --", "{{ 7 }}"])
def test_any_printable_text_is_a_value(text: str) -> None:
    assert query(filters={"dimension": "d", "values": text}).filters[0].values == (text,)


def test_a_lone_surrogate_is_no_text() -> None:
    with pytest.raises(ValidationError):
        query(filters={"dimension": "d", "values": "\ud800"})


def test_values_keep_their_type() -> None:
    values = [True, 1, 1.5, "1", date(2024, 3, 1), datetime(2024, 3, 1, 12)]  # noqa: DTZ001
    kept = query(filters={"dimension": "d", "operator": "in", "values": values}).filters[0].values
    assert [(type(value), value) for value in kept] == [(type(value), value) for value in values]


def test_the_canonical_form_is_the_question_as_plain_json() -> None:
    asked = query(
        metrics=["orders", "revenue"],
        group_by="customer__region",
        filters=[
            {"dimension": "order__status", "operator": "in", "values": ["paid", "open"]},
            {"dimension": "metric_time__day", "operator": ">=", "values": [date(2024, 3, 2)]},
        ],
        time_range={"start": "2024-03-01", "end": "2024-03-31"},
        order_by="-revenue",
        limit=5,
    )
    assert asked.canonical() == {
        "metrics": ["orders", "revenue"],
        "group_by": ["customer__region"],
        "filters": [
            {"dimension": "order__status", "operator": "in", "values": ["paid", "open"]},
            {"dimension": "metric_time__day", "operator": ">=", "values": ["2024-03-02"]},
        ],
        "time_range": ["2024-03-01", "2024-03-31"],
        "order_by": ["-revenue"],
        "limit": 5,
    }


def test_the_digest_of_a_question_does_not_change_with_versions_of_this_package() -> None:
    """Digests stand in ledgers. A change here makes old records look like other questions."""
    asked = query(filters={"dimension": "order__status", "values": "paid"}, limit=5)
    assert asked.digest() == "a13fcec8c7ec64b6f3182c0f19e46848bbc0f306ec7b6d0b325e4a4e12249688"


values = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.dates()
    | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=50)
)


@given(st.lists(values, min_size=1, max_size=5))
def test_no_float_gets_into_the_canonical_form(found: list[Any]) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is a float")

    asked = query(filters={"dimension": "d", "operator": "in", "values": found})
    plain = json.loads(canonical_json(asked.canonical()), parse_float=refuse, parse_constant=refuse)
    assert plain == asked.canonical()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_canonical_form_keeps_a_filter_value_to_the_last_digit(value: float) -> None:
    """The recorded question can be asked again, and is the same question."""
    asked = query(filters={"dimension": "d", "operator": ">", "values": value})
    [kept] = asked.canonical()["filters"][0]["values"]  # type: ignore[index]
    assert float(kept) == value


@given(st.lists(values, min_size=1, max_size=5))
def test_the_same_question_in_another_form_has_the_same_digest(found: list[Any]) -> None:
    one = query(filters={"dimension": "d", "operator": "in", "values": found})
    other = MetricQuery.model_validate(
        {
            "filters": [{"values": tuple(found), "operator": "in", "dimension": "d"}],
            "metrics": "orders",
        }
    )
    assert one.digest() == other.digest()


def test_another_question_has_another_digest() -> None:
    digests = {
        query(**fields).digest()
        for fields in (
            {},
            {"group_by": "order__status"},
            {"limit": 1},
            {"order_by": "orders"},
            {"order_by": "-orders"},
            {"filters": {"dimension": "d", "values": "1"}},
            {"filters": {"dimension": "d", "values": 1}},
            {"filters": {"dimension": "d", "values": True}},
            {"filters": {"dimension": "d", "operator": "!=", "values": "1"}},
        )
    }
    assert len(digests) == 9


@pytest.mark.parametrize(
    ("cell", "plain"),
    [
        (0.1 + 0.2, "0.3"),
        (-0.0, "0"),
        (719999943.0000001, "719999943"),
        (datetime(2024, 3, 1), "2024-03-01"),  # noqa: DTZ001
        (datetime(2024, 3, 1, 12), "2024-03-01T12:00:00"),  # noqa: DTZ001
        (True, True),
        (None, None),
    ],
)
def test_a_cell_is_compared_without_the_noise_of_floats(cell: object, plain: object) -> None:
    assert canonical_value(cell) == plain
