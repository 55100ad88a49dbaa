"""What counts as the same answer, whoever gave it."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from benchmarks.rows import OtherFigures, figures_of, refuse_other_figures


def test_the_same_figures_in_other_types_and_another_order_are_the_same() -> None:
    one = [("DE", date(2024, 1, 1), Decimal("0.50")), (None, date(2024, 2, 1), 3)]
    two = [(None, datetime(2024, 2, 1), 3.0), ("DE", datetime(2024, 1, 1), 0.5)]  # noqa: DTZ001
    assert figures_of(one) == figures_of(two)


def test_a_sum_that_differs_in_its_last_digits_is_the_same() -> None:
    assert figures_of([(719999943.1234,)]) == figures_of([(719999943.1231,)])


@pytest.mark.parametrize("other", [[(2,)], [(1,), (1,)], [], [(None,)]])
def test_other_figures_are_refused_by_name(other: list[tuple[object, ...]]) -> None:
    with pytest.raises(OtherFigures, match="a peer gives"):
        refuse_other_figures("a peer", other, figures_of([(1,)]))
