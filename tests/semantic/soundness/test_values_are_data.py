"""Whatever text, number or date a filter holds, it is compared as data. It never becomes part of a statement."""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.catalog import Catalog
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.snapshot import SnapshotStore
from tests.dbt_build import BuiltProject
from tests.semantic.door import (
    BOSS,
    PATIENT,
    RememberingEngine,
    WatchedSnapshot,
    build_door,
    publish_unmeasured,
    snapshot_file,
)
from tests.semantic.shop import ORDERS

PAYLOADS = [
    "paid",
    "' OR 1=1 --",
    "'; DROP TABLE orders; --",
    '" OR ""="',
    "') OR ('1'='1",
    "paid' UNION ALL SELECT full_name, 1 FROM customers --",
    "/* */ paid",
    "$ga_f0_0",
    "$1",
    "?",
    ":name",
    "%",
    "_",
    "pa%",
    "\\",
    "\\'",
    "{{ 7 * 7 }}",
    "{{ cycler.__init__.__globals__.os.popen('id') }}",
    "{% for a in range(9) %}x{% endfor %}",
    "{# #}",
    "{name}",
    "{0}",
    "$$paid$$",
    "read_text('/etc/passwd')",
    "NULL",
    "true",
    "1",
    "1e3",
    "2024-03-01",
    "PAID",
    " paid",
    "paid ",
    "",
    "é",
    "e\N{COMBINING ACUTE ACCENT}",
    "ﬁ",
    "\N{FULLWIDTH LATIN SMALL LETTER P}aid",
    "\N{CYRILLIC SMALL LETTER ER}\N{CYRILLIC SMALL LETTER A}id",
    "\N{ZERO WIDTH SPACE}paid",
    "\N{RIGHT-TO-LEFT OVERRIDE}diap",
    "\N{GRINNING FACE}",
    "\U0010ffff",
    "x" * 1000,
]
FIRST_DAY = date(2024, 2, 1)


@dataclass(frozen=True)
class Row:
    """An order, as this file wrote it into the warehouse."""

    number: int
    day: date
    status: str


# Each payload is the status of two orders, some days apart, so that a filter by it finds what it should.
ROWS = [
    Row(number, FIRST_DAY + timedelta(days=number % 40), PAYLOADS[number % len(PAYLOADS)])
    for number in range(2 * len(PAYLOADS))
]


@pytest.fixture(scope="module")
def door(
    shop: BuiltProject,
    shop_catalog: Catalog,
    engine: RememberingEngine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GovernedMetrics]:
    folder = tmp_path_factory.mktemp("payloads")
    with shop.changed_warehouse(folder) as (warehouse, connection):
        connection.execute(f"DELETE FROM {ORDERS}")
        connection.executemany(
            f"INSERT INTO {ORDERS} VALUES (?, ?, ?, ?, 1)",
            [(row.number, row.number, row.day, row.status) for row in ROWS],
        )
    store = SnapshotStore(folder / "snapshots", limits=PATIENT)
    publish_unmeasured(store, shop_catalog, warehouse)
    ledger = Ledger.in_memory()
    yield build_door(shop_catalog, engine, store, ledger)
    ledger.close()


@pytest.fixture(scope="module")
def data(door: GovernedMetrics) -> Iterator[WatchedSnapshot]:
    opened = WatchedSnapshot(snapshot_file(door.snapshots, door.snapshots.current()))
    yield opened
    opened.close()


@pytest.fixture
def ask(
    door: GovernedMetrics, data: WatchedSnapshot
) -> Callable[..., tuple[MetricAnswer | Refusal, list[tuple[str, dict[str, Any]]]]]:
    """Asks, and gives what was answered and what was run for it."""

    def ask(query: Any) -> tuple[MetricAnswer | Refusal, list[tuple[str, dict[str, Any]]]]:
        data.executed.clear()
        with door.session(BOSS, data=data) as session:
            answered = session.query(query)
        return answered, list(data.executed)

    return ask


Ask = Callable[..., tuple[MetricAnswer | Refusal, list[tuple[str, dict[str, Any]]]]]
Comparison = Callable[[Any, Any], bool]

ONE_VALUE: dict[str, Comparison] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ONE_TEXT: dict[str, Comparison] = {
    **ONE_VALUE,
    "starts_with": str.startswith,
    "contains": operator.contains,
}
SOME_VALUES: dict[str, Comparison] = {
    "in": lambda cell, values: cell in values,
    "not_in": lambda cell, values: cell not in values,
}

texts = (
    st.sampled_from(PAYLOADS) | st.text(max_size=30) | st.text("'\"\\${}%;-()= \x00é", max_size=8)
)
acceptable = st.sampled_from(PAYLOADS) | st.text(
    st.characters(exclude_categories=["Cc", "Cs"]), max_size=30
)


def counted(rows: list[Row]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for row in rows:
        found[row.status] += 1
    return dict(found)


def assert_same_statement(
    ask: Ask, query: dict[str, Any], values: list[Any], harmless: list[Any]
) -> MetricAnswer:
    """Asks with `values` and with harmless ones, and looks that nothing but the parameters differs."""
    item = query["filters"]
    answered, executed = ask(query | {"filters": item | {"values": values}})
    other, expected = ask(query | {"filters": item | {"values": harmless}})
    assert isinstance(answered, MetricAnswer), (values, answered)
    assert isinstance(other, MetricAnswer)
    [(sql, parameters)], [(harmless_sql, harmless_parameters)] = executed, expected
    assert sql == harmless_sql
    assert parameters.keys() == harmless_parameters.keys()
    given = [value for name, value in parameters.items() if "_f0_" in name]
    assert given[: len(values)] == values
    assert set(given) == set(values)
    assert answered.provenance.relations == other.provenance.relations == (ORDERS,)
    assert answered.provenance.plan_hash == other.provenance.plan_hash
    return answered


BY_STATUS = {"metrics": "orders", "group_by": "order__status", "limit": 1000}


@pytest.mark.parametrize("name", ["=", ">=", "contains"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_known_payload_is_compared_as_the_text_it_is(ask: Ask, name: str, payload: str) -> None:
    query = BY_STATUS | {"filters": {"dimension": "order__status", "operator": name}}
    kept = [row for row in ROWS if ONE_TEXT[name](row.status, payload)]
    assert dict(assert_same_statement(ask, query, [payload], ["harmless"]).rows) == counted(kept)


@given(st.sampled_from([*ONE_TEXT]), acceptable)
def test_any_text_is_compared_as_the_text_it_is(ask: Ask, name: str, text: str) -> None:
    query = BY_STATUS | {"filters": {"dimension": "order__status", "operator": name}}
    kept = [row for row in ROWS if ONE_TEXT[name](row.status, text)]
    assert dict(assert_same_statement(ask, query, [text], ["harmless"]).rows) == counted(kept)


@given(st.sampled_from([*SOME_VALUES]), st.lists(acceptable, min_size=1, max_size=9))
def test_a_list_of_texts_is_compared_as_they_are(ask: Ask, name: str, found: list[str]) -> None:
    query = BY_STATUS | {"filters": {"dimension": "order__status", "operator": name}}
    kept = [row for row in ROWS if SOME_VALUES[name](row.status, found)]
    harmless = [f"harmless {number}" for number in range(len(found))]
    assert dict(assert_same_statement(ask, query, found, harmless).rows) == counted(kept)


numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 100)


@given(st.sampled_from([*ONE_VALUE]), numbers)
def test_any_number_is_compared_as_the_number_it_is(ask: Ask, name: str, number: int) -> None:
    query = BY_STATUS | {"filters": {"dimension": "customer", "operator": name}}
    kept = [row for row in ROWS if ONE_VALUE[name](row.number, number)]
    assert dict(assert_same_statement(ask, query, [number], [7]).rows) == counted(kept)


@given(st.sampled_from([*ONE_VALUE]), st.dates())
def test_any_day_is_compared_as_the_day_it_is(ask: Ask, name: str, day: date) -> None:
    query = BY_STATUS | {"filters": {"dimension": "metric_time__day", "operator": name}}
    kept = [row for row in ROWS if ONE_VALUE[name](row.day, day)]
    assert dict(assert_same_statement(ask, query, [day], [FIRST_DAY]).rows) == counted(kept)


@given(texts)
@example("\x00")
@example("\ud800")
@example("x" * 1001)
def test_a_text_that_is_not_compared_is_refused_before_anything_runs(ask: Ask, text: str) -> None:
    filters = {"dimension": "order__status", "values": text}
    answered, executed = ask(BY_STATUS | {"filters": filters})
    if isinstance(answered, Refusal):
        assert answered.reason is Reason.INVALID_QUERY
        assert executed == []
    else:
        assert dict(answered.rows) == counted([row for row in ROWS if row.status == text])


@given(texts)
@example("2024-03-01' OR 1=1 --")
@example("now()")
@example("-infinity")
def test_a_text_that_is_no_date_never_meets_a_time(ask: Ask, text: str) -> None:
    filters = {"dimension": "metric_time__day", "values": text}
    answered, executed = ask(BY_STATUS | {"filters": filters})
    if not is_day(text):
        assert isinstance(answered, Refusal), text
        assert executed == []


def is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


POSITIONS: list[Callable[[Any], dict[str, Any]]] = [
    lambda name: {"metrics": name},
    lambda name: {"metrics": ["orders", name]},
    lambda name: {"metrics": "orders", "group_by": name},
    lambda name: {"metrics": "orders", "group_by": ["order__status", name]},
    lambda name: {"metrics": "orders", "filters": {"dimension": name, "values": "x"}},
    lambda name: {"metrics": "orders", "order_by": name},
    lambda name: {"metrics": "orders", "order_by": {"by": name}},
    lambda name: {"metrics": "orders", "filters": {"dimension": "order__status", "operator": name}},
    lambda name: {"metrics": "orders", "time_range": {"start": name, "end": "2024-03-01"}},
    lambda name: {"metrics": "orders", name: "x"},
]


@pytest.mark.parametrize("position", range(len(POSITIONS)))
@given(text=texts)
def test_no_text_in_the_place_of_a_name_reaches_a_statement(
    ask: Ask, position: int, text: str
) -> None:
    query = POSITIONS[position](text)
    assume("time_range" not in query or not is_day(text))
    answered, executed = ask(query)
    assert isinstance(answered, Refusal)
    assert answered.reason in (Reason.INVALID_QUERY, Reason.NOT_AVAILABLE)
    assert executed == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=10,
    )
)
def test_a_request_of_any_shape_is_refused_and_never_raises(ask: Ask, request: Any) -> None:
    answered, executed = ask(request)
    assert isinstance(answered, Refusal)
    assert answered.read_id is not None
    assert executed == []
