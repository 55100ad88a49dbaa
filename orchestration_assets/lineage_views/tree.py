"""What was traced, as a tree in a terminal: what a thing comes from, and where it went."""

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text
from rich.tree import Tree

from orchestration_assets.cli.output import plain
from semantic.lineage.graph import Edge, How, Kind, LineageGraph, Node, Place
from semantic.lineage.trace import Traced

_STYLES = {
    Kind.METRIC: "bold green",
    Kind.AGENT: "bold yellow",
    Kind.DECISION: "bold magenta",
}
_MINUTE = 16


def traced_to_tree(traced: Traced) -> Tree:
    """The tree, with two branches from the thing that was asked for. What stands in it before is named again, and not told again."""
    graph = traced.graph
    root = Tree(_told(graph.nodes[traced.start], ()))
    for title, is_upstream in (("comes from", True), ("went to", False)):
        children = list(_children(graph, traced.start, None, upstream=is_upstream))
        if children:
            branch = root.add(Text(title, style="dim"))
            _grow(branch, graph, traced.start, children, set(), upstream=is_upstream)
    return root


_Children = Sequence[tuple[Place, Sequence[Edge]]]


def _grow(
    branch: Tree,
    graph: LineageGraph,
    parent: Place,
    children: _Children,
    told: set[Place],
    *,
    upstream: bool,
) -> None:
    for place, edges in children:
        further = list(_children(graph, place, parent, upstream=upstream))
        is_again = place in told and bool(further) and place.kind not in (Kind.AGENT, Kind.RUN)
        text = _told(graph.nodes[place], edges)
        if is_again:
            text.append("  (see above)", style="dim")
        twig = branch.add(text)
        told.add(place)
        if not is_again:
            _grow(twig, graph, place, further, told, upstream=upstream)


def _children(
    graph: LineageGraph, place: Place, parent: Place | None, *, upstream: bool
) -> Iterator[tuple[Place, Sequence[Edge]]]:
    """What a thing leads to, or is led to by, with the edges between them. Below a metric an agent stands with the runs that read it, and below an agent
    a run with what that agent decided in it: others may have run in it as well.
    """
    edges = graph.before(place) if upstream else graph.after(place)
    found: dict[Place, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge.start if upstream else edge.end, []).append(edge)
    of_metric = parent is not None and parent.kind is Kind.METRIC and place.kind is Kind.AGENT
    read_in = (
        {
            it.end
            for it in graph.after(parent)
            if place.name in str(it.facts.get("agents")).split(", ")
        }
        if of_metric and parent
        else None
    )
    has_agents = any(other.kind is Kind.AGENT for other in found)
    for other in sorted(found, key=_order):
        is_below_agent = {place.kind, other.kind} == {Kind.METRIC, Kind.RUN} and has_agents
        is_of_others = (
            parent is not None
            and parent.kind is Kind.AGENT
            and other.kind is Kind.DECISION
            and graph.nodes[other].facts.get("agent") != parent.name
        )
        if not is_below_agent and not is_of_others and (read_in is None or other in read_in):
            yield other, found[other]


def _order(place: Place) -> tuple[int, str]:
    return list(Kind).index(place.kind), place.name


def _told(node: Node, edges: Sequence[Edge]) -> Text:
    """A thing in a line: what it is, how it is called, how it is led to, and the facts that tell it apart."""
    text = Text(plain(f"{node.place.kind.value} "), style="dim")
    text.append(plain(node.label), style=_STYLES.get(node.place.kind, ""))
    for word in (*_of_edges(edges), *_of_node(node.place.kind, node.facts)):
        text.append(f"  {plain(word)}", style="dim")
    return text


def _of_edges(edges: Sequence[Edge]) -> Iterator[str]:
    by_how = {edge.how: edge.facts for edge in edges}
    for how in (How.READ, How.REFUSED):
        if how in by_how:
            count, newest = by_how[how].get("reads"), by_how[how].get("newest")
            times = "" if count is None else f" {count:,}x"
            at = f", last {_minute(newest)}" if newest else ""
            yield f"{'read' if how is How.READ else 'refused'}{times}{at}"
    if How.GRANTED in by_how and How.READ not in by_how:
        yield "granted, not read"


def _of_node(kind: Kind, facts: Mapping[str, object]) -> Iterator[str]:
    match kind:
        case Kind.DECISION:
            yield f"{facts.get('agent')} {_minute(facts.get('at'))}"
        case Kind.READ:
            yield f"{facts.get('agent')} {_minute(facts.get('at'))}"
            if facts.get("covers"):
                yield f"covers {facts['covers']}"
        case Kind.RUN if facts:
            yield f"{facts.get('agents')} {_minute(facts.get('newest read'))}"
        case Kind.MODEL | Kind.SOURCE if facts.get("table"):
            yield str(facts["table"]).replace('"', "")


def _minute(at: object) -> str:
    return str(at or "")[:_MINUTE].replace("T", " ")
