"""Rows that are all at hand come in pages, each one once, in the order that was asked for."""

import pytest

from orchestration_assets.cli.columns import Holds
from orchestration_assets.cli.pages import page_of
from semantic.errors import QuestionError

COLUMNS = {"reader": Holds.TEXT, "metric": Holds.TEXT, "last_read_at": Holds.MOMENT}
ROWS = [
    {"reader": reader, "metric": metric, "last_read_at": moment}
    for reader in ("ana", "bo")
    for metric, moment in (("orders", "2026-11-02"), ("revenue", None), ("stock", "2026-11-01"))
]
KEYS = ("reader", "metric")


def all_pages(sort: str | None, limit: int) -> list[dict[str, str | None]]:
    found, after = [], None
    while True:
        shown, after = page_of(ROWS, COLUMNS, KEYS, sort=sort, limit=limit, after=after)
        found += shown
        if after is None:
            return [dict(row) for row in found]


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7])
def test_pages_are_the_whole(limit: int) -> None:
    assert all_pages(None, limit) == ROWS
    by_metric = sorted(ROWS, key=lambda row: str(row["metric"]), reverse=True)
    assert all_pages("-metric", limit) == by_metric
    assert [row["last_read_at"] for row in all_pages("last_read_at", limit)] == [
        *["2026-11-01"] * 2,
        *["2026-11-02"] * 2,
        *[None] * 2,
    ]


def test_a_page_of_another_order_or_of_other_rows_is_none() -> None:
    _, after = page_of(ROWS, COLUMNS, KEYS, sort="-metric", limit=2, after=None)
    with pytest.raises(QuestionError, match="sorted by -metric"):
        page_of(ROWS, COLUMNS, KEYS, sort="metric", limit=2, after=after)
    with pytest.raises(QuestionError, match="not among these"):
        page_of(ROWS[2:3], COLUMNS, KEYS, sort="-metric", limit=2, after=after)
    with pytest.raises(QuestionError, match="cannot be sorted by 'last_read'") as error:
        page_of(ROWS, COLUMNS, KEYS, sort="last_read", limit=2, after=None)
    assert error.value.hint == "did you mean 'last_read_at'?"
