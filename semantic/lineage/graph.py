"""A graph of what data comes from and where it went: things, and how one leads to another. Frozen once it is made."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

Fact = str | int | float | None


class Kind(StrEnum):
    """What a thing is, from where data comes from to what was decided on it."""

    FILE = "file"
    SOURCE = "source"
    MODEL = "dbt model"
    METRIC = "metric"
    AGENT = "agent"
    RUN = "run"
    READ = "read"
    DECISION = "decision"


class How(StrEnum):
    """How one thing leads to another."""

    LOADED = "is loaded into"
    BUILDS = "builds"
    MEASURED = "is measured by"
    JOINED = "was joined to"
    PART_OF = "is part of"
    GRANTED = "may be read by"
    READ = "was read by"
    REFUSED = "was refused to"
    RAN = "ran as"
    DECIDED = "decided"
    GROUND = "is a ground of"
    TOLD = "was told to"


class Place(NamedTuple):
    """A thing by its kind and its name, which is unique among its kind."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A thing, how people call it, and what else is known of it: names for people, in the order in which they are told."""

    place: Place
    label: str
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """That one thing leads to another, and what else is known of that."""

    start: Place
    end: Place
    how: How
    facts: Mapping[str, Fact] = field(default_factory=dict)


class LineageGraph:
    """Things and what leads from one to another. An edge whose ends are not both there is none."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        self.nodes: Mapping[Place, Node] = {node.place: node for node in nodes}
        found = {
            (edge.start, edge.end, edge.how): edge
            for edge in edges
            if edge.start in self.nodes and edge.end in self.nodes
        }
        self.edges: Sequence[Edge] = tuple(found.values())

    def __or__(self, other: "LineageGraph") -> "LineageGraph":
        """Both together. What both have is called as the other one calls it, and has the facts of both."""
        nodes = dict(self.nodes)
        for place, node in other.nodes.items():
            before = nodes[place].facts if place in nodes else {}
            nodes[place] = Node(place=place, label=node.label, facts={**before, **node.facts})
        return LineageGraph(nodes.values(), [*self.edges, *other.edges])

    def before(self, place: Place) -> Sequence[Edge]:
        """What leads to a thing."""
        return self._before.get(place, ())

    def after(self, place: Place) -> Sequence[Edge]:
        """What a thing leads to."""
        return self._after.get(place, ())

    def around(self, places: Iterable[Place]) -> "LineageGraph":
        """What leads to some things and what they lead to, however far, and nothing else."""
        asked = [place for place in places if place in self.nodes]
        behind, ahead = self.upstream_of(asked), self.downstream_of(asked)
        either = behind | ahead
        return LineageGraph(
            (node for place, node in self.nodes.items() if place in either),
            (
                edge
                for edge in self.edges
                if (edge.start in behind and edge.end in behind)
                or (edge.start in ahead and edge.end in ahead)
            ),
        )

    def upstream_of(self, places: Iterable[Place]) -> frozenset[Place]:
        """These and everything that leads to them."""
        return self._reached(list(places), upstream=True)

    def downstream_of(self, places: Iterable[Place]) -> frozenset[Place]:
        """These and everything that they lead to."""
        return self._reached(list(places), upstream=False)

    def _reached(self, places: Sequence[Place], *, upstream: bool) -> frozenset[Place]:
        found: set[Place] = set()
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                edges = self.before(place) if upstream else self.after(place)
                waiting.extend(edge.start if upstream else edge.end for edge in edges)
        return frozenset(found)

    @cached_property
    def _before(self) -> dict[Place, list[Edge]]:
        return _grouped(self.edges, lambda edge: edge.end)

    @cached_property
    def _after(self) -> dict[Place, list[Edge]]:
        return _grouped(self.edges, lambda edge: edge.start)


def _grouped(edges: Iterable[Edge], by: Callable[[Edge], Place]) -> dict[Place, list[Edge]]:
    found: dict[Place, list[Edge]] = defaultdict(list)
    for edge in edges:
        found[by(edge)].append(edge)
    return dict(found)
