"""A name stands for itself to the byte. What is not granted has no other spelling by which it can be had.

MetricFlow would take other spellings: it lower-cases names, and reads `Dimension('customer__email')` as a name.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from semantic.answer import MetricAnswer, Reason, Refusal
from semantic.catalog import Catalog
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Ledger
from semantic.snapshot import SnapshotStore
from tests.semantic.door import (
    ANALYST,
    BOSS,
    RememberingEngine,
    WatchedSnapshot,
    build_door,
    snapshot_file,
)

FORBIDDEN_DIMENSION = "customer__email"
FORBIDDEN_METRIC = "first_order_rate"
SPELLINGS = [
    "{upper}",
    "{title}",
    " {name}",
    "{name} ",
    "\N{NO-BREAK SPACE}{name}",
    "{name}\N{ZERO WIDTH SPACE}",
    "\N{ZERO WIDTH NO-BREAK SPACE}{name}",
    "\N{RIGHT-TO-LEFT MARK}{name}",
    "{fullwidth}",
    "{homoglyph}",
    "{name}\N{COMBINING CEDILLA}",
    '"{name}"',
    "`{name}`",
    "[{name}]",
    "'{name}'",
    "({name})",
    "{name};",
    "{name} --",
    "{name}/**/",
    "-{name}",
    "+{name}",
    "{name} as order__status",
    "lower({name})",
    "governed.{name}",
    "{name}.{name}",
    "order__{name}",
    "order__customer__email",
    "{name}__day",
    "{name}__",
    "__{name}",
    "{single}",
    "Dimension('{name}')",
    "Dimension('{name}').grain('day')",
    "TimeDimension('{name}', 'day')",
    "Entity('customer')",
    "Metric('{name}', ['customer'])",
    "{{{{ Dimension('{name}') }}}}",
    "{{{{ '{name}' }}}}",
    "customer__EMAIL",
    "customer.email",
    "email",
]


def spelt(spelling: str, name: str) -> str:
    return spelling.format(
        name=name,
        upper=name.upper(),
        title=name.title(),
        single=name.replace("__", "_"),
        fullwidth="".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in name),
        homoglyph=name.replace("e", "\N{CYRILLIC SMALL LETTER IE}"),
    )


@pytest.fixture(scope="module")
def data(published: SnapshotStore) -> Iterator[WatchedSnapshot]:
    opened = WatchedSnapshot(snapshot_file(published, published.current()))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def door(
    shop_catalog: Catalog, engine: RememberingEngine, published: SnapshotStore
) -> Iterator[GovernedMetrics]:
    ledger = Ledger.in_memory()
    yield build_door(shop_catalog, engine, published, ledger)
    ledger.close()


def by_dimension(name: str) -> list[dict[str, Any]]:
    return [
        {"metrics": "orders", "group_by": name},
        {"metrics": "orders", "group_by": ["order__status", name]},
        {"metrics": ["orders", "revenue"], "filters": {"dimension": name, "values": "x"}},
        {"metrics": "orders", "filters": {"dimension": name, "operator": "is_null"}},
        {"metrics": "orders", "group_by": name, "order_by": f"-{name}"},
    ]


def by_metric(name: str) -> list[dict[str, Any]]:
    return [{"metrics": name}, {"metrics": ["orders", name]}, {"metrics": name, "order_by": name}]


def assert_refused(door: GovernedMetrics, data: WatchedSnapshot, query: dict[str, Any]) -> None:
    data.executed.clear()
    with door.session(ANALYST, data=data) as session:
        refused = session.query(query)
    assert isinstance(refused, Refusal), query
    assert refused.reason in (Reason.NOT_AVAILABLE, Reason.INVALID_QUERY)
    assert data.executed == []


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_forbidden_dimension_has_no_other_spelling(
    door: GovernedMetrics, data: WatchedSnapshot, spelling: str
) -> None:
    for query in by_dimension(spelt(spelling, FORBIDDEN_DIMENSION)):
        assert_refused(door, data, query)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_forbidden_metric_has_no_other_spelling(
    door: GovernedMetrics, data: WatchedSnapshot, spelling: str
) -> None:
    for query in by_metric(spelt(spelling, FORBIDDEN_METRIC)):
        assert_refused(door, data, query)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_not_even_what_is_granted_has_another_spelling(
    door: GovernedMetrics, data: WatchedSnapshot, spelling: str
) -> None:
    for query in by_dimension(spelt(spelling, "order__status")):
        assert_refused(door, data, query)
    if spelt(spelling, "revenue") != "revenue":
        for query in by_metric(spelt(spelling, "revenue")):
            assert_refused(door, data, query)


@pytest.mark.parametrize(
    "name",
    [
        "metric_time__DAY",
        "metric_time__hour",
        "metric_time__day__day",
        "metric_time__",
        "__day",
        "metric_time__extract_week",
        "metric_time__extract_DOW",
        "metric_time__dow",
        "order__status__extract_dow",
        "TimeDimension('metric_time', date_part_name='dow')",
    ],
)
def test_a_grain_is_exact_too(door: GovernedMetrics, data: WatchedSnapshot, name: str) -> None:
    for query in by_dimension(name):
        assert_refused(door, data, query)


def test_the_exact_names_are_answered_to_those_who_may_have_them(door: GovernedMetrics) -> None:
    """Else all that is said above would be said of a door that is shut."""
    for query in (*by_dimension(FORBIDDEN_DIMENSION), *by_metric("first_order_rate")):
        assert isinstance(door.query(query, reader=BOSS), MetricAnswer), query


letters = st.sampled_from(
    "_eE\N{CYRILLIC SMALL LETTER IE}\N{ZERO WIDTH SPACE}\N{FULLWIDTH LATIN SMALL LETTER E} '\"();{}-"
)


@given(
    name=st.sampled_from([FORBIDDEN_DIMENSION, "customer__full_name"]),
    position=st.integers(0, 20),
    inserted=st.text(letters, max_size=3),
    removed=st.integers(0, 2),
    swapped=st.booleans(),
)
def test_no_name_near_a_forbidden_one_is_it(
    door: GovernedMetrics,
    data: WatchedSnapshot,
    name: str,
    position: int,
    inserted: str,
    removed: int,
    swapped: bool,
) -> None:
    near = name[:position] + inserted + name[position + removed :]
    near = near.swapcase() if swapped else near
    assume(near not in ("customer", ""))
    for query in by_dimension(near)[:3]:
        assert_refused(door, data, query)
