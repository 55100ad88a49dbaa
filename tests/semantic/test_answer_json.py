"""An answer that was written down is the same when it is read again, cell by cell."""

import json
import math
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic.answer import MetricAnswer, MetricVersion, Notice, Provenance, Reason, Refusal
from semantic.answer_json import answer_from_json, answer_to_json

PROVENANCE = Provenance(
    read_id="read-1",
    reader="ana",
    metrics=(
        MetricVersion(
            name="orders",
            definition_hash="d1",
            data_version="v1",
            version_as_read=None,
            unit="EUR",
            covers_from=date(2024, 3, 1),
            covers_to=None,
        ),
    ),
    snapshot="v000001",
    published_at=datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC),
    age=timedelta(days=3, seconds=4, microseconds=5),
    as_of=date(2024, 3, 5),
    relations=("orders",),
    dbt_models=("model.shop.orders",),
    policy_hash="p1",
    rules=("all",),
    plan_hash="plan",
    notices=(Notice(kind="cut", text="more rows"),),
)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.text(),
    st.dates(),
    st.datetimes(allow_imaginary=False).map(lambda value: value.replace(fold=0)),
    st.datetimes(timezones=st.just(UTC)),
)


def answer(*cells: object) -> MetricAnswer:
    names = tuple(f"c{place}" for place in range(len(cells)))
    return MetricAnswer(columns=names, types=names, rows=(cells, cells), provenance=PROVENANCE)


@given(cells=st.lists(CELLS, max_size=6))
def test_an_answer_comes_back_as_it_was(cells: list[object]) -> None:
    written = json.dumps(answer_to_json(answer(*cells)))
    found = answer_from_json(json.loads(written))
    assert found == answer(*cells)
    assert isinstance(found, MetricAnswer)
    assert [type(cell) for cell in found.rows[0]] == [type(cell) for cell in cells]
    assert found.rows[0] == tuple(cells)


def test_what_is_no_number_comes_back() -> None:
    found = answer_from_json(json.loads(json.dumps(answer_to_json(answer(math.nan, math.inf)))))
    assert isinstance(found, MetricAnswer)
    assert [str(cell) for cell in found.rows[0]] == ["nan", "inf"]


@pytest.mark.parametrize("hint", [None, "ask for less"])
def test_a_refusal_comes_back_as_it_was(hint: str | None) -> None:
    refusal = Refusal(
        reason=Reason.BUDGET_SPENT, message="nothing is left", hint=hint, read_id="read-1"
    )
    assert answer_from_json(json.loads(json.dumps(answer_to_json(refusal)))) == refusal


def test_a_cell_of_another_type_is_not_written() -> None:
    with pytest.raises(TypeError, match="a cell is no timedelta"):
        answer_to_json(answer(timedelta(days=1)))
