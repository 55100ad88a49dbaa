"""Small groups are not told, nor what would give them away by subtraction.

A group with fewer rows than the smallest that may be told is left out. Where only one group of a line (all groups that differ in one
dimension alone) is left out, or all that are left out of it hold too few rows together, its value is the line's total without the
others; so the smallest of the others is left out too, until no line gives anything away. Two queries that differ in a filter can still
be subtracted: smallest groups alone do not stop that.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

Row = tuple[Any, ...]


def suppressed(groups: Sequence[Row], counts: Sequence[Sequence[int]], smallest: int) -> set[int]:
    """The positions of the groups that may not be told. `groups` are their dimensions; each of `counts` has the rows that make up
    every group, for one of the metrics that are told: what one of them hides is hidden for all.
    """
    hidden = {
        position for sizes in counts for position, size in enumerate(sizes) if 0 < size < smallest
    }
    if not hidden or not groups[0]:
        return hidden
    lines = [_lines(groups, dimension) for dimension in range(len(groups[0]))]
    waiting = set(hidden)
    while waiting:
        position = waiting.pop()
        for dimension, of_dimension in enumerate(lines):
            line = of_dimension[_without(groups[position], dimension)]
            for sizes in counts:
                added = _one_more(line, hidden, sizes, smallest)
                if added is not None:
                    hidden.add(added)
                    waiting |= {position, added}
    return hidden


def _lines(groups: Sequence[Row], dimension: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for position, group in enumerate(groups):
        found[_without(group, dimension)].append(position)
    return found


def _without(group: Row, dimension: int) -> str:
    """The rest of a group as text, since a list is a value that cannot be looked up."""
    return repr(group[:dimension] + group[dimension + 1 :])


def _one_more(
    line: Sequence[int], hidden: set[int], sizes: Sequence[int], smallest: int
) -> int | None:
    """The group of a line that must be hidden as well, or None where nothing can be subtracted."""
    away = [position for position in line if position in hidden]
    left = [position for position in line if position not in hidden and sizes[position] > 0]
    if not away or not left:
        return None
    if len(away) > 1 and sum(sizes[position] for position in away) >= smallest:
        return None
    return min(left, key=lambda position: (sizes[position], position))
