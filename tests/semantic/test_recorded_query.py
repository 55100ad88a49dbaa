"""Whatever a model writes in place of a name can be erased, and the names of the catalogue stay."""

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest

from semantic.answer import Refusal
from semantic.catalog import Catalog
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import (
    ERASED,
    Ledger,
    ReadContext,
    ReadQuestion,
    RecordKind,
    asked_queries,
    find_reads,
)
from tests.conftest import OpenDoor
from tests.semantic.door import BOSS, answer

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
JANE = "jane.doe@example.com"
ORDERS_BY_STATUS = {"metrics": ["orders"], "group_by": ["order__status"]}


@pytest.fixture
def door(open_door: OpenDoor) -> GovernedMetrics:
    return open_door()


def everything_in(ledger: Ledger) -> str:
    """What every table holds of it, but for the values that can be erased, read by somebody else's code."""
    with sqlite3.connect(str(ledger.path)) as reader:
        names = [
            row[0] for row in reader.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        found = [
            reader.execute(f"SELECT * FROM {name}").fetchall()
            for name in names
            if name != "erasable_values"
        ]
    reader.close()
    return repr(found)


def refused(door: GovernedMetrics, query: Any) -> dict[str, Any]:
    """What is on record of a query that is refused."""
    told = door.query(query, reader=BOSS)
    assert isinstance(told, Refusal), told
    body = door.ledger.body(str(told.read_id), RecordKind.REFUSAL)
    assert body is not None
    return body


@pytest.mark.parametrize(
    "query",
    [
        {"metrics": JANE},
        {"metrics": ["orders", JANE, f"{JANE}.uk"]},
        {"metrics": "orders", "group_by": [JANE]},
        {"metrics": "orders", "group_by": [f"order__{JANE}"]},
        {"metrics": "orders", "group_by": [f"metric_time__{JANE}"], "order_by": f"-metric_time__{JANE}"},
        {"metrics": "orders", "filters": {"dimension": JANE, "values": 1}},
        {"metrics": "orders", "filters": {"dimension": f"order__{JANE}", "values": JANE}},
        {"metrics": "orders", "filters": {"any_of": [{"all_of": [{"dimension": JANE, "values": 1}]}]}},
        {"metrics": "orders", "filters": {"metric": JANE, "by": "customer", "values": 1}},
        {"metrics": "orders", "filters": {"metric": "orders", "by": JANE, "values": 1}},
        {"saved_query": JANE},
        {"saved_query": "none", "order_by": [f"-{JANE}"]},
        {"metrics": "orders", "order_by": JANE},
        {"metrics": "orders", "time_range": JANE},
        {"metrics": "orders", "compare_to": JANE},
        {"metrics": "orders", JANE: JANE},
        [JANE],
    ],
    ids=str,
)  # fmt: skip
def test_what_is_written_as_a_name_can_be_erased(door: GovernedMetrics, query: Any) -> None:
    body = refused(door, query)
    assert JANE in body["details"]["request"]
    assert JANE not in everything_in(door.ledger)
    assert (door.ledger.erase(JANE, by="owner", reason="asked"))[1] == 1
    assert door.ledger.verify().is_whole
    [read] = {read.read_id: read for read in find_reads(door.ledger, ReadQuestion())}.values()
    assert JANE not in repr(read)
    assert asked_queries(door.ledger, since=LONG_AGO, without_reader="refresh") == []


def test_why_an_unknown_name_was_refused_is_told_until_it_is_erased(door: GovernedMetrics) -> None:
    body = refused(door, {"metrics": ["orders", "ordres", "ordrs"], "group_by": "order__status"})
    assert body["details"]["query"]["metrics"] == ["orders", "ordres", "ordrs"]
    reads = list(find_reads(door.ledger, ReadQuestion(metric="?")))
    assert [read.metric for read in reads] == ["?"]
    assert "Metric 'ordres' is not available" in str(reads[0].why)
    assert [read.metric for read in find_reads(door.ledger, ReadQuestion(metric="orders"))]

    door.ledger.erase("ordres", by="owner", reason="asked")
    [read] = find_reads(door.ledger, ReadQuestion(metric="?"))
    assert (read.why, read.group_by) == (
        f"{ERASED}; no such metric; rules: none",
        ("order__status",),
    )


def test_of_the_dimensions_that_are_asked_for_those_of_the_catalogue_are_found(
    door: GovernedMetrics,
) -> None:
    asked = ["order__status", "metric_time__extract_dow", "no_such", "order__no_such"]
    body = refused(door, {"metrics": "orders", "group_by": asked})
    assert body["touches"] == {"dimension": ["metric_time__extract_dow", "order__status"]}
    assert body["details"]["query"]["group_by"] == asked


def test_a_query_of_names_that_are_known_is_on_record_as_it_is(door: GovernedMetrics) -> None:
    asked = {
        **ORDERS_BY_STATUS,
        "filters": [
            {"dimension": "order__status", "values": "paid"},
            {"metric": "orders", "by": "customer", "operator": ">", "values": 1},
        ],
        "order_by": ["-orders", "order__status"],
    }
    answer(door, **asked)
    answer(door, metrics="orders", group_by="metric_time__week", order_by="metric_time__week")
    with sqlite3.connect(str(door.ledger.path)) as reader:
        [count] = reader.execute("SELECT count(*) FROM erasable_values").fetchone()
    reader.close()
    assert count == 0


def test_the_id_of_a_read_that_can_be_tried_again_confirms_no_guess_at_what_was_asked(
    door: GovernedMetrics,
) -> None:
    context = ReadContext(run_id="run", root_run_id="run", call_id="1")

    def asked_again() -> str | None:
        return door.query({"metrics": JANE}, reader=BOSS, context=context).read_id

    first = asked_again()
    assert asked_again() == first
    door.mask_key = "the key of another place"
    assert asked_again() != first


def test_the_catalogue_has_every_name_that_the_engine_knows(
    door: GovernedMetrics, shop_catalog: Catalog
) -> None:
    for metric in shop_catalog.metrics:
        for dimension in door.engine.dimensions([metric]).values():
            for name in (dimension.name, *dimension.written):
                assert shop_catalog.has_dimension(name), name
    unknown = [
        "",
        "__",
        "day",
        "order__",
        "order__status__ day",
        "status__jane",
        json.dumps([JANE]),
    ]
    assert [name for name in unknown if shop_catalog.has_dimension(name)] == []
