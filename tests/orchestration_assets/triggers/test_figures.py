"""Which figures moved far enough: each measure, at its bounds."""

from typing import Any

import pytest

from agent_resources.trigger import ValueChanged
from orchestration_assets.triggers.figures import moved_figures, walked
from semantic.change_log import Moved
from semantic.watch import Points

FIRST, SECOND = "2013-02-07", "2013-02-08"


def when(**measure: Any) -> ValueChanged:
    return ValueChanged.model_validate({"metrics": "delay", "grain": "day"} | measure)


def of_day(day: str, *values: str) -> Points:
    """One value, or one for each of some carriers."""
    if len(values) == 1:
        return {(day,): values[0]}
    return {
        (day, carrier): value for carrier, value in zip(("AA", "DL", "UA"), values, strict=False)
    }


@pytest.mark.parametrize(
    ("measure", "before", "now", "is_moved"),
    [
        ({"at_least": "0.5"}, "1", "1.5", True),
        ({"at_least": "0.5"}, "1", "1.4999", False),
        ({"at_least": "0.5"}, "1", "0.5", True),
        ({"at_least_percent": 10}, "50", "55", True),
        ({"at_least_percent": 10}, "50", "54.9", False),
        ({"at_least_percent": 10}, "-50", "-55", True),
        ({"at_least_percent": 500}, "0", "0.001", True),
        ({"at_least_percent": 10}, "0", "0", False),
        ({"crosses": "0.05"}, "0.04", "0.05", True),
        ({"crosses": "0.05"}, "0.05", "0.06", False),
        ({"crosses": "0.05"}, "0.05", "0.04", True),
        ({"crosses": {"level": "0.05", "direction": "up"}}, "0.06", "0.04", False),
        ({"crosses": {"level": "0.05", "direction": "up"}}, "0.04", "0.06", True),
        ({"crosses": {"level": "0.05", "direction": "down"}}, "0.06", "0.04", True),
        ({"crosses": {"level": "0.05", "direction": "down"}}, "0.04", "0.06", False),
        ({}, "1", "1", False),
        ({}, "1", "1.1", True),
    ],
)
def test_a_figure_of_the_same_day(
    measure: dict[str, Any], before: str, now: str, is_moved: bool
) -> None:
    found = moved_figures(when(**measure), of_day(FIRST, before), of_day(FIRST, now))
    assert bool(found) is is_moved
    # A new day is held against the newest one of then.
    after = moved_figures(when(**measure), of_day(FIRST, before), of_day(SECOND, now))
    assert bool(after) is (is_moved or not measure)
    if after and measure:
        assert after[0].against == FIRST


def test_what_is_new_or_gone_counts_as_moved_but_crosses_nothing_from_above() -> None:
    two, three = of_day(FIRST, "1", "9"), of_day(FIRST, "1", "9", "3")
    grouped = {"by": "carrier"}
    [new] = moved_figures(when(at_least=100, **grouped), two, three)
    assert (new.cells, new.before, new.now) == ((FIRST, "UA"), None, "3")
    [gone] = moved_figures(when(at_least=100, **grouped), three, two)
    assert (gone.cells, gone.before, gone.now) == ((FIRST, "UA"), "3", None)
    [missing] = moved_figures(when(at_least=100, **grouped), three, of_day(SECOND, "1", "9"))
    assert missing.cells == (FIRST, "UA")
    assert moved_figures(when(crosses=2, **grouped), two, three)
    assert not moved_figures(when(crosses=5, **grouped), two, three)
    down = {"level": 2, "direction": "down"}
    assert not moved_figures(when(crosses=down, **grouped), two, three)


def test_only_some_groups_count() -> None:
    before, now = of_day(FIRST, "1", "1"), of_day(FIRST, "2", "1")
    assert moved_figures(when(by="carrier", only={"carrier": "AA"}), before, now)
    assert not moved_figures(when(by="carrier", only={"carrier": ["DL", "UA"]}), before, now)


def test_unusual_is_against_the_median_of_the_days_before_in_usual_distances() -> None:
    calm = {(f"2013-01-{day:02}",): str(100 + day % 3) for day in range(1, 29)}
    asked = when(unusual={"deviations": 3})
    usual = calm | of_day("2013-01-29", "104")
    odd = calm | of_day("2013-01-29", "106")
    assert not moved_figures(asked, calm, usual)
    [found] = moved_figures(asked, calm, odd)
    assert found.measure == (
        "unusual: the median of the 28 before is 101, 3.4 times the usual distance"
    )
    assert not moved_figures(asked, odd, odd), "it was unusual already when the agent last ran"
    few = {cells: value for cells, value in odd.items() if cells[0] > "2013-01-22"}
    assert not moved_figures(asked, {}, few), "six days say nothing of what is usual"
    even = dict.fromkeys(calm, "100") | of_day("2013-01-29", "100.1")
    assert "all were equal" in moved_figures(asked, calm, even)[0].measure


def test_the_figures_between_two_runs_are_walked_and_not_only_their_ends() -> None:
    before, now = of_day(FIRST, "0.01"), of_day(FIRST, "0.02")
    steps = [
        {"key": (Moved(cells=(FIRST,), before="0.01", since="0.9"),)},
        {"other": (Moved(cells=(FIRST,), before="1", since="2"),)},
        {"key": (Moved(cells=(FIRST,), before="0.9", since="0.02"),)},
    ]
    seen = list(walked(before, steps, "key", now, periods=1))
    assert seen == [of_day(FIRST, "0.9"), of_day(FIRST, "0.02")]
    crossing = when(crosses="0.5")
    assert [bool(moved_figures(crossing, before, points)) for points in seen] == [True, False]
    assert list(walked(before, None, "key", now, periods=1)) == [now]


def test_what_is_no_number_is_told_and_not_compared() -> None:
    with pytest.raises(ValueError, match="'yesterday' is no number"):
        moved_figures(when(at_least=1), of_day(FIRST, "1"), of_day(FIRST, "yesterday"))
