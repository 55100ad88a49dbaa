"""What a dbt project declares: files, sources, models, and the metrics that are measured by them."""

from collections.abc import Iterator

from semantic.catalog import Catalog, DbtNode
from semantic.lineage.graph import Edge, How, Kind, LineageGraph, Node, Place
from semantic.metric import Metric
from semantic.platform.definitions import is_of_platform

_SHORT_HASH = 12


def declared_graph(catalog: Catalog) -> LineageGraph:
    """Everything that the catalogue knows of, from the files that sources are loaded from to its metrics, private ones among them."""
    metrics = {**catalog.metrics, **catalog.private_metrics}
    nodes = [
        *(made for node in catalog.dbt_nodes.values() for made in _nodes_of(node)),
        *(_platform_node(relation) for relation in catalog.platform_relations),
        *(_metric_node(metric, catalog) for metric in metrics.values()),
    ]
    edges = [
        *(edge for node in catalog.dbt_nodes.values() for edge in _edges_of(node, catalog)),
        *(edge for metric in metrics.values() for edge in _metric_edges(metric, catalog)),
    ]
    return LineageGraph(nodes, edges)


def place_of(node: DbtNode) -> Place:
    """The place of a dbt node: a source is one, and a model, seed or snapshot is a model."""
    kind = Kind.SOURCE if node.resource_type == "source" else Kind.MODEL
    return Place(kind, node.unique_id)


def metric_place(name: str) -> Place:
    return Place(Kind.METRIC, name)


def _nodes_of(node: DbtNode) -> Iterator[Node]:
    facts = {"type": node.resource_type, "table": node.relation}
    yield Node(place=place_of(node), label=node.label, facts=facts)
    for file in node.files:
        yield Node(place=Place(Kind.FILE, file), label=file)


def _edges_of(node: DbtNode, catalog: Catalog) -> Iterator[Edge]:
    for file in node.files:
        yield Edge(start=Place(Kind.FILE, file), end=place_of(node), how=How.LOADED)
    for parent in node.parents:
        if parent in catalog.dbt_nodes:
            start = place_of(catalog.dbt_nodes[parent])
            yield Edge(start=start, end=place_of(node), how=How.BUILDS)


def _platform_node(relation: str) -> Node:
    """What Dagster's instance tells, which dbt neither loads nor builds."""
    label = ".".join(part.strip('"') for part in relation.split("."))
    return Node(
        place=_platform_place(relation), label=label, facts={"type": "platform", "table": relation}
    )


def _platform_place(relation: str) -> Place:
    return Place(Kind.SOURCE, relation)


def _metric_node(metric: Metric, catalog: Catalog) -> Node:
    facts = {
        "type": metric.type.value,
        "unit": metric.unit,
        "owner": metric.owner,
        "definition": metric.definition_hash[:_SHORT_HASH],
        **({"is private": "yes"} if metric.name in catalog.private_metrics else {}),
    }
    return Node(place=metric_place(metric.name), label=metric.name, facts=facts)


def _metric_edges(metric: Metric, catalog: Catalog) -> Iterator[Edge]:
    """From the metrics that it is made of, and from the models of its own measures: those of its inputs are theirs."""
    place = metric_place(metric.name)
    others = {name for name in (*metric.inputs, *metric.filtered_by) if catalog.find(name)}
    of_inputs = {model for name in others if (it := catalog.find(name)) for model in it.dbt_models}
    for name in sorted(others):
        yield Edge(start=metric_place(name), end=place, how=How.PART_OF)
    if not others:
        read = {catalog.semantic_models[name].relation for name in metric.semantic_models}
        for relation in sorted(filter(is_of_platform, read)):
            yield Edge(start=_platform_place(relation), end=place, how=How.MEASURED)
    for model in metric.dbt_models:
        if model in catalog.dbt_nodes and model not in of_inputs:
            start = place_of(catalog.dbt_nodes[model])
            yield Edge(start=start, end=place, how=How.MEASURED)
