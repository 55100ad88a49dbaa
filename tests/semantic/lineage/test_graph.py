"""A graph of lineage: what leads to a thing, what it leads to, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from semantic.lineage.graph import Edge, How, Kind, LineageGraph, Node, Place

PLACES = st.integers(0, 12).map(lambda number: Place(Kind.MODEL, f"m{number:02}"))


def graph_of(pairs: list[tuple[Place, Place]]) -> LineageGraph:
    """Edges from smaller to larger names, so that there is no circle."""
    ordered = [tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1]]
    nodes = {place for pair in ordered for place in pair}
    return LineageGraph(
        (Node(place=place, label=place.name) for place in nodes),
        (Edge(start=start, end=end, how=How.BUILDS) for start, end in ordered),
    )


@given(st.lists(st.tuples(PLACES, PLACES), max_size=30), PLACES)
def test_around_a_thing_is_all_that_leads_to_it_and_all_that_it_leads_to(
    pairs: list[tuple[Place, Place]], start: Place
) -> None:
    graph = graph_of(pairs)
    around = graph.around([start])
    links = {(edge.start, edge.end) for edge in graph.edges}

    def leads(one: Place, other: Place) -> bool:
        return one == other or any(leads(end, other) for begin, end in links if begin == one)

    expected = {place for place in graph.nodes if leads(place, start) or leads(start, place)}
    assert set(around.nodes) == (expected if start in graph.nodes else set())
    assert {(edge.start, edge.end) for edge in around.edges} == {
        (one, other)
        for one, other in links
        if start in graph.nodes and (leads(other, start) or leads(start, one))
    }


def test_an_edge_to_nothing_is_none_and_what_both_have_is_as_the_second_knows_it() -> None:
    one, other = Place(Kind.METRIC, "orders"), Place(Kind.AGENT, "watch")
    lone = LineageGraph(
        [Node(place=one, label="orders")], [Edge(start=one, end=other, how=How.READ)]
    )
    assert not lone.edges
    both = lone | LineageGraph(
        [Node(place=one, label="Orders"), Node(place=other, label="watch")],
        [Edge(start=one, end=other, how=How.READ, facts={"reads": 2})],
    )
    assert both.nodes[one].label == "Orders"
    assert [edge.facts["reads"] for edge in both.edges] == [2]
