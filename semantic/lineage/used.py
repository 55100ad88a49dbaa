"""What is on record of some reads, as a graph: which agents were given which metrics, in which runs, and what was decided there."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from semantic.catalog import Catalog
from semantic.ledger import CountBy, Ledger, ReadCount, ReadQuestion, count_reads
from semantic.ledger.run_decisions import RunDecision, decisions_in
from semantic.ledger.uses import RunRead, is_released, newest_run_reads, uses
from semantic.lineage.graph import Edge, Fact, How, Kind, LineageGraph, Node, Place

# Runs are told of so many of the newest reads: of who read what, all are counted.
_NEWEST_READS = 20_000
_SHORT = 8


@dataclass(frozen=True, kw_only=True)
class Used:
    """The graph of some reads. `decisions` are those of its runs; `is_cut` says that there are older runs than are shown."""

    graph: LineageGraph
    decisions: Sequence[RunDecision]
    is_cut: bool


def used_graph(ledger: Ledger, question: ReadQuestion, *, runs: int) -> Used:
    """Everybody who was given, or refused, any of these reads, with the newest runs of each and what was decided there. Raises `LedgerUnavailable`."""
    counts = uses(ledger, question)
    reads = newest_run_reads(ledger, question, most=_NEWEST_READS)
    shown = _newest_of_each(reads, runs)
    decisions = decisions_in(ledger, {read.run_id for read in shown})
    graph = LineageGraph(
        [*_metrics_and_agents(counts), *_runs(shown), *map(decision_node, decisions)],
        [*_readers(counts), *_read_in(shown), *_decided(decisions)],
    )
    is_cut = len(shown) < len(reads) or sum(read.reads for read in reads) >= _NEWEST_READS
    return Used(graph=graph, decisions=decisions, is_cut=is_cut)


def joined_graph(ledger: Ledger, question: ReadQuestion, catalog: Catalog) -> LineageGraph:
    """The dbt models that were joined to metrics where these were read: a dimension may be of another model than the metric. A model that metrics are
    measured by is no such one, since a read may be of several metrics.
    """
    measuring = {model for metric in catalog.metrics.values() for model in metric.dbt_models}
    counts = [
        count
        for count in count_reads(ledger, question, by=(CountBy.DBT_MODEL, CountBy.METRIC))
        if count.by[CountBy.DBT_MODEL] not in measuring
    ]
    edges = [
        Edge(
            start=Place(Kind.MODEL, str(count.by[CountBy.DBT_MODEL])),
            end=Place(Kind.METRIC, str(count.by[CountBy.METRIC])),
            how=How.JOINED,
            facts={"reads": count.reads},
        )
        for count in counts
        if count.by[CountBy.DBT_MODEL] is not None
    ]
    models = {edge.start for edge in edges}
    return LineageGraph(
        [
            *(Node(place=place, label=place.name.rpartition(".")[2]) for place in models),
            *(Node(place=edge.end, label=edge.end.name) for edge in edges),
        ],
        edges,
    )


def agent_place(name: str) -> Place:
    return Place(Kind.AGENT, name)


def run_place(run_id: str) -> Place:
    return Place(Kind.RUN, run_id)


def decision_node(decision: RunDecision) -> Node:
    """A decision, or that a run came to none."""
    what = "" if decision.reason is None else f" ({decision.reason})"
    return Node(
        place=Place(Kind.DECISION, decision.decision_id),
        label=f"{decision.decision_id[:_SHORT]}{what}",
        facts={"agent": decision.agent, "at": decision.at, "run": decision.run_id},
    )


def _newest_of_each(reads: Sequence[RunRead], runs: int) -> list[RunRead]:
    """Those of the newest runs of each agent."""
    kept: dict[str, dict[str, None]] = {}
    for read in reads:
        of_agent = kept.setdefault(read.agent, {})
        if len(of_agent) < runs:
            of_agent.setdefault(read.run_id)
    return [read for read in reads if read.run_id in kept[read.agent]]


def _metrics_and_agents(counts: Iterable[ReadCount]) -> Iterator[Node]:
    for count in counts:
        metric, agent = count.by[CountBy.METRIC], count.by[CountBy.AGENT]
        yield Node(place=Place(Kind.METRIC, str(metric)), label=str(metric))
        if agent is not None:
            yield Node(place=agent_place(agent), label=agent)


def _readers(counts: Iterable[ReadCount]) -> Iterator[Edge]:
    for count in counts:
        agent = count.by[CountBy.AGENT]
        if agent is not None:
            yield Edge(
                start=Place(Kind.METRIC, str(count.by[CountBy.METRIC])),
                end=agent_place(agent),
                how=_how(count.by[CountBy.OUTCOME]),
                facts={"reads": count.reads, "newest": count.last_at},
            )


def _runs(reads: Sequence[RunRead]) -> Iterator[Node]:
    newest: dict[str, str] = {}
    agents: dict[str, dict[str, None]] = {}
    for read in reads:
        newest.setdefault(read.run_id, read.last_at)
        agents.setdefault(read.run_id, {}).setdefault(read.agent)
    for run_id, at in newest.items():
        facts: dict[str, Fact] = {"agents": ", ".join(sorted(agents[run_id])), "newest read": at}
        yield Node(place=run_place(run_id), label=run_id[:_SHORT], facts=facts)


def _read_in(reads: Sequence[RunRead]) -> Iterator[Edge]:
    """From each agent to its runs, and from each metric to the runs that read it, whichever agents of theirs did."""
    found: dict[tuple[str, str, How], list[RunRead]] = {}
    for read in reads:
        run = run_place(read.run_id)
        yield Edge(start=agent_place(read.agent), end=run, how=How.RAN)
        found.setdefault((read.metric, read.run_id, _how(read.outcome)), []).append(read)
    for (metric, run_id, how), same in found.items():
        newest = max(same, key=lambda read: read.last_at)
        yield Edge(
            start=Place(Kind.METRIC, metric),
            end=run_place(run_id),
            how=how,
            facts={
                "reads": sum(read.reads for read in same),
                "newest": newest.last_at,
                "version": newest.data_version,
                "agents": ", ".join(sorted({read.agent for read in same})),
            },
        )


def _decided(decisions: Collection[RunDecision]) -> Iterator[Edge]:
    for decision in decisions:
        place = Place(Kind.DECISION, decision.decision_id)
        if decision.run_id is not None:
            yield Edge(start=run_place(decision.run_id), end=place, how=How.DECIDED)
        for told in decision.told:
            yield Edge(start=Place(Kind.DECISION, told), end=place, how=How.TOLD)


def _how(outcome: str | None) -> How:
    return How.READ if is_released(outcome) else How.REFUSED
