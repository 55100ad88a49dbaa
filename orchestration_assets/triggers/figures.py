"""Figures that moved: those of the newest periods against what they were when an agent last ran, by any of four measures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from statistics import median

from agent_resources.trigger import Level, Unusual, ValueChanged
from semantic.change_log import Moved
from semantic.watch import NO_VALUE, Points, newest

_LEAST_HISTORY = 7
# For values that scatter like a bell curve this makes their standard deviation of the median distance.
_OF_A_BELL = Decimal("1.4826")
Cells = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MovedFigure:
    """A figure that moved far enough: its period and groups, its value before and now, each None where there is none, the period that it is held against
    where that is another, and how far is far enough.
    """

    cells: Cells
    before: str | None
    now: str | None
    against: str | None
    measure: str

    @property
    def told(self) -> str:
        """In words: `2013-02-08 DL: 0.31, 0.02 on 2013-02-07`."""
        where = " ".join("no value" if cell == NO_VALUE else cell for cell in self.cells if cell)
        on = f" on {self.against}" if self.against else ""
        was = "there was none" if self.before is None else f"before {self.before}{on}"
        measure = f" ({self.measure})" if self.measure else ""
        return f"{where + ': ' if where else ''}{self.now or 'none any more'}, {was}{measure}"


def walked(
    before: Points,
    steps: Sequence[Mapping[str, tuple[Moved, ...]]] | None,
    key: str,
    now: Points,
    *,
    periods: int,
) -> Iterator[Points]:
    """The figures of a watch, of so many periods, as they stood one after the other since `before`, the newest last. Only those of now where the steps between are not known."""
    standing = dict(before)
    for step in steps or ():
        moved = step.get(key, ())
        for item in moved:
            if item.since is None:
                standing.pop(item.cells, None)
            else:
                standing[item.cells] = item.since
        if moved:
            yield newest(standing, periods)
    if newest(standing, periods) != now:
        yield now


def moved_figures(when: ValueChanged, before: Points, now: Points) -> list[MovedFigure]:
    """The figures that moved as far as a trigger asks. Raises `ValueError` where one of them is no number and its measure is one of numbers."""
    then = _of_groups(when, before)
    compared = newest(_of_groups(when, now), when.newest)
    found = []
    for cells, value in sorted(compared.items()):
        against, was = _before(cells, then)
        measure = _far_enough(when, cells, was, value, then, now)
        if measure is not None:
            found.append(
                MovedFigure(cells=cells, before=was, now=value, against=against, measure=measure)
            )
    return found + _gone(when, then, _of_groups(when, now))


def _gone(when: ValueChanged, then: Points, now: Points) -> list[MovedFigure]:
    """The figures of groups that are not there any more."""
    if when.crosses is not None or when.unusual is not None:
        return []
    compared = newest(now, when.newest)
    periods = {cells[0] for cells in compared}
    groups = {cells[1:] for cells in compared}
    return [
        MovedFigure(cells=cells, before=value, now=None, against=None, measure="")
        for cells, value in sorted(newest(then, when.newest).items())
        if cells[1:] not in groups or (cells[0] in periods and cells not in compared)
    ]


def _of_groups(when: ValueChanged, points: Points) -> Points:
    """The points of the groups that are asked for."""
    if not when.only:
        return points
    return {
        cells: value
        for cells, value in points.items()
        if all(cells[1 + when.by.index(name)] in wanted for name, wanted in when.only.items())
    }


def _before(cells: Cells, then: Points) -> tuple[str | None, str | None]:
    """What a figure is held against: the same of then, or the newest of its groups, with its period."""
    if cells in then:
        return None, then[cells]
    alike = [old for old in then if old[1:] == cells[1:] and old[0] < cells[0]]
    if not alike:
        return None, None
    last = max(alike)
    return last[0], then[last]


def _far_enough(
    when: ValueChanged, cells: Cells, was: str | None, value: str, then: Points, now: Points
) -> str | None:
    """How far is far enough, in words, where a figure moved so far; None where it did not."""
    if when.at_least is not None:
        is_moved = was is None or abs(_number(value) - _number(was)) >= when.at_least
        return f"by {when.at_least} or more" if is_moved else None
    if when.at_least_percent is not None:
        is_moved = was is None or _percent(_number(was), _number(value)) >= when.at_least_percent
        return f"by {when.at_least_percent}% or more" if is_moved else None
    if when.crosses is not None:
        return _crossing(when.crosses, was, value)
    if when.unusual is not None:
        return None if then.get(cells) == value else _unusual(when.unusual, cells, value, now)
    return None if then.get(cells) == value else ""


def _percent(was: Decimal, value: Decimal) -> Decimal:
    """By how many percent a value moved; of nothing, any is beyond every measure."""
    if was == 0:
        return Decimal(0) if value == 0 else Decimal("Infinity")
    return abs(value - was) / abs(was) * 100


def _crossing(level: Level, was: str | None, value: str) -> str | None:
    is_above = _number(value) >= level.level
    was_above = None if was is None else _number(was) >= level.level
    # Of one that is new only that counts as crossed which it would have come from below to.
    if was_above is None:
        was_above = False if is_above and level.direction != "down" else is_above
    if is_above == was_above:
        return None
    direction = "up" if is_above else "down"
    return f"{direction} over {level.level}" if level.direction in (direction, "either") else None


def _unusual(rule: Unusual, cells: Cells, value: str, now: Points) -> str | None:
    """What is unusual about a figure, against the periods before it, in words."""
    history = [
        _number(old) for place, old in now.items() if place[1:] == cells[1:] and place[0] < cells[0]
    ]
    if len(history) < _LEAST_HISTORY:
        return None
    middle = median(history)
    usual = median(abs(old - middle) for old in history) * _OF_A_BELL
    distance = abs(_number(value) - middle)
    if distance <= Decimal(str(rule.deviations)) * usual:
        return None
    times = f"{distance / usual:.1f} times the usual distance" if usual else "all were equal"
    return f"unusual: the median of the {len(history)} before is {middle:f}, {times}"


def _number(value: str) -> Decimal:
    try:
        found = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{value[:40]!r} is no number") from error
    if not found.is_finite():
        raise ValueError(f"{value!r} is no number")
    return found
