"""What was traced, as JSON values."""

from typing import Any

from semantic.lineage.graph import Edge, Node, Place
from semantic.lineage.trace import Traced


def traced_to_json(traced: Traced) -> dict[str, Any]:
    """The thing that was asked for, all that was found with what is known of it, what leads to what, and what a person has to know."""
    return {
        "start": _place(traced.start),
        "notices": list(traced.notices),
        "nodes": [_node(node) for node in traced.graph.nodes.values()],
        "edges": [_edge(edge) for edge in traced.graph.edges],
    }


def _place(place: Place) -> dict[str, str]:
    return {"kind": place.kind.value, "name": place.name}


def _node(node: Node) -> dict[str, Any]:
    return {**_place(node.place), "label": node.label, "facts": dict(node.facts)}


def _edge(edge: Edge) -> dict[str, Any]:
    return {
        "from": _place(edge.start),
        "to": _place(edge.end),
        "how": edge.how.value,
        "facts": dict(edge.facts),
    }
