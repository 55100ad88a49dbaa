"""What is told of groups gives away no small one, not by subtraction either."""

from collections import defaultdict
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from semantic.suppression import suppressed

Table = dict[tuple[str, ...], tuple[int, ...]]


def tables_of(width: int, metrics: int) -> st.SearchStrategy[Table]:
    groups = st.tuples(*[st.sampled_from(("a", "b", "c", None))] * width)
    return st.dictionaries(groups, st.tuples(*[st.integers(0, 12)] * metrics), max_size=30)


tables = st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(lambda size: tables_of(*size))


def hidden_in(table: Table, smallest: int) -> set[int]:
    return suppressed(list(table), list(zip(*table.values(), strict=True)), smallest)


def test_a_group_may_be_called_by_a_list() -> None:
    assert suppressed([(["a"], 1), (["b"], 1), (["c"], 1)], [[1, 20, 30]], 5) == {0, 1}


@given(tables, st.integers(2, 10))
def test_no_group_that_is_told_is_small(table: Table, smallest: int) -> None:
    hidden = hidden_in(table, smallest)
    told = [sizes for position, sizes in enumerate(table.values()) if position not in hidden]
    assert all(size == 0 or size >= smallest for sizes in told for size in sizes)


@given(tables, st.integers(2, 10))
def test_no_line_without_what_is_told_of_it_is_small(table: Table, smallest: int) -> None:
    """The total of a line can be asked for as well, of each metric; without the groups that are told it must not be that of few."""
    groups, hidden = list(table), hidden_in(table, smallest)
    for dimension, counts in product(
        range(len(groups[0]) if groups else 0), zip(*table.values(), strict=True)
    ):
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
def test_what_is_large_enough_is_told(table: Table) -> None:
    large = {group: tuple(size + 10 for size in sizes) for group, sizes in table.items()}
    assert hidden_in(large, 10) == set()


def test_what_one_metric_hides_is_not_given_away_by_another() -> None:
    """The first of these two hides `a` and `b`; without `b`, the second has only `b` left out, and one more has to go."""
    groups = [("a",), ("b",), ("c",), ("d",)]
    assert suppressed(groups, [[2, 9, 50, 50]], 5) == {0, 1}
    assert suppressed(groups, [[2, 9, 50, 50], [0, 4, 40, 30]], 5) == {0, 1, 3}


def test_the_smallest_of_the_others_goes_with_the_one_that_must() -> None:
    groups = list(product(("x",), ("a", "b", "c")))
    assert suppressed(groups, [[2, 50, 7]], 5) == {0, 2}
    assert suppressed([("a",), ("b",), ("c",)], [[2, 2, 50]], 5) == {0, 1, 2}
    assert suppressed([()], [[3]], 5) == {0}
    assert suppressed([], [[]], 5) == set()
