"""Medians with their intervals, and turns that are taken."""

from benchmarks.timing import is_at_most, median_interval, take_turns


def test_the_ways_take_turns() -> None:
    order: list[str] = []
    ways = {"one": lambda: order.append("one"), "two": lambda: order.append("two")}
    times = take_turns(ways, rounds=3, seconds=60)
    rounds = [order[start : start + 2] for start in range(0, 6, 2)]
    assert [sorted(names) for names in rounds] == [["one", "two"]] * 3
    assert [len(item.taken) for item in times.values()] == [3, 3]


def test_few_values_bound_their_median_by_the_first_and_the_last() -> None:
    assert median_interval([5.0, 1.0, 3.0]) == (1.0, 5.0)


def test_of_many_values_those_next_to_the_median_bound_it() -> None:
    """For 41 values the table of the sign test gives the 14th and the 28th."""
    assert median_interval([float(value) for value in range(1, 42)]) == (14.0, 28.0)


def test_a_wide_interval_tells_nothing() -> None:
    assert is_at_most((0.97, 1.02), 1.0)
    assert is_at_most((0.80, 0.90), 1.0)
    assert not is_at_most((1.01, 1.02), 1.0)
    assert not is_at_most((0.50, 1.90), 1.0)
