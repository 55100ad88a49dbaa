"""Circles among agents that follow each other."""

from collections.abc import Mapping, Sequence


def way_back(name: str, others: Mapping[str, Sequence[str]]) -> list[str]:
    """A way from an agent along those that it follows back to itself, nothing where there is none."""
    ways, seen = [[name]], {name}
    while ways:
        way = ways.pop(0)
        for other in others.get(way[-1], ()):
            if other == name:
                return [*way, name]
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []
