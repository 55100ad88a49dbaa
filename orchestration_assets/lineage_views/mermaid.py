"""What was traced, as a Mermaid flowchart: for pull requests, wikis and the Dagster UI."""

from semantic.lineage.graph import How, Kind, Node
from semantic.lineage.trace import Traced

_COLOURS = {
    Kind.FILE: "#f2f2f2",
    Kind.SOURCE: "#e8e8e8",
    Kind.MODEL: "#dbeafe",
    Kind.METRIC: "#dcfce7",
    Kind.AGENT: "#fef3c7",
    Kind.RUN: "#fde68a",
    Kind.READ: "#ede9fe",
    Kind.DECISION: "#fbcfe8",
}
_DASHED = (How.GRANTED, How.REFUSED)


def traced_to_mermaid(traced: Traced) -> str:
    """The flowchart from left to right. What may be read and was not, and what was refused, is dashed."""
    names = {place: f"n{number}" for number, place in enumerate(traced.graph.nodes)}
    lines = ["flowchart LR"]
    for place, node in traced.graph.nodes.items():
        lines.append(f'  {names[place]}["{_text(node)}"]:::{_class(place.kind)}')
    for edge in traced.graph.edges:
        arrow = "-.->" if edge.how in _DASHED else "-->"
        label = edge.how.value if edge.how in _DASHED else ""
        shown = f'|"{label}"|' if label else ""
        lines.append(f"  {names[edge.start]} {arrow}{shown} {names[edge.end]}")
    kinds = {place.kind for place in traced.graph.nodes}
    lines += [
        f"  classDef {_class(kind)} fill:{colour},stroke:#555,color:#111"
        for kind, colour in _COLOURS.items()
        if kind in kinds
    ]
    lines.append(f"  style {names[traced.start]} stroke-width:3px")
    return "\n".join(lines) + "\n"


def _class(kind: Kind) -> str:
    return kind.value.replace(" ", "_")


def _text(node: Node) -> str:
    """A label that cannot end the text that it stands in."""
    label = f"{node.place.kind.value}: {node.label}"
    kept = {"&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "#": "#35;"}
    return "".join(kept.get(it, it if it.isprintable() else " ") for it in label)
