"""What is told of groups gives away no small one, not by subtraction either."""

from collections import defaultdict
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from semantic.suppression import suppressed

sizes = st.integers(0, 12)
tables = st.integers(1, 3).flatmap(
    lambda width: st.dictionaries(
        st.tuples(*[st.sampled_from(("a", "b", "c", None))] * width), sizes, max_size=30
    )
)


@given(tables, st.integers(2, 10))
def test_no_group_that_is_told_is_small(table: dict[tuple[str, ...], int], smallest: int) -> None:
    hidden = suppressed(list(table), list(table.values()), smallest)
    told = [size for position, size in enumerate(table.values()) if position not in hidden]
    assert all(size == 0 or size >= smallest for size in told)


@given(tables, st.integers(2, 10))
def test_no_line_without_what_is_told_of_it_is_small(
    table: dict[tuple[str, ...], int], smallest: int
) -> None:
    """The total of a line can be asked for as well; without the groups that are told it must not be that of few."""
    groups, counts = list(table), list(table.values())
    hidden = suppressed(groups, counts, smallest)
    for dimension in range(len(groups[0]) if groups else 0):
        lines: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for position, group in enumerate(groups):
            lines[group[:dimension] + group[dimension + 1 :]].append(position)
        for line in lines.values():
            away = [counts[position] for position in line if position in hidden]
            told = [counts[position] for position in line if position not in hidden]
            if away and any(told):
                assert len(away) > 1
                assert sum(away) >= smallest


@given(tables)
def test_what_is_large_enough_is_told(table: dict[tuple[str, ...], int]) -> None:
    large = {group: size + 10 for group, size in table.items()}
    assert suppressed(list(large), list(large.values()), 10) == set()


def test_the_smallest_of_the_others_goes_with_the_one_that_must() -> None:
    groups = list(product(("x",), ("a", "b", "c")))
    assert suppressed(groups, [2, 50, 7], 5) == {0, 2}
    assert suppressed([("a",), ("b",), ("c",)], [2, 2, 50], 5) == {0, 1, 2}
    assert suppressed([()], [3], 5) == {0}
    assert suppressed([], [], 5) == set()
