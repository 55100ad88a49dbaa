"""Up and down from one thing: what it comes from, as declared, and who was given it and decided on it, as recorded."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from semantic.catalog import Catalog
from semantic.ledger import CountBy, Ledger, Read, ReadQuestion, count_reads, find_reads
from semantic.ledger.run_decisions import RunDecision, decisions_told_of, decisions_with
from semantic.ledger.uses import is_released
from semantic.lineage.declared import declared_graph, metric_place
from semantic.lineage.graph import Edge, How, Kind, LineageGraph, Node, Place
from semantic.lineage.used import agent_place, decision_node, joined_graph, used_graph
from semantic.policy import REFRESH

_SHORT = 8
# By metric and definition, the catalogue that had it; None where none is kept.
CatalogWith = Callable[[str, str], Catalog | None]


@dataclass(frozen=True, kw_only=True)
class Traced:
    """What was found around `start`. `notices` say what a person has to know about it."""

    start: Place
    graph: LineageGraph
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tracer:
    """Traces over one catalogue and one record. `granted` are the metrics that each agent both asks for and may read now."""

    catalog: Catalog
    ledger: Ledger
    granted: Mapping[str, Collection[str]]
    catalog_with: CatalogWith

    def trace(
        self,
        start: Place,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        runs: int = 10,
    ) -> Traced:
        """What leads to a thing and what it led to: of each agent the newest `runs` runs.

        Within a time it is what was used then, with the definitions of then as far as they are kept; without one, what is declared and granted now is
        there as well. Raises `LedgerUnavailable`, and `QuestionError` where the time is none.
        """
        declared = declared_graph(self.catalog)
        question = replace(
            self._question(start, declared), since=since, until=until, without_agent=REFRESH
        )
        used = used_graph(self.ledger, question, runs=runs)
        notices = (
            [f"Of each agent the newest {runs} runs are shown."] if runs and used.is_cut else []
        )
        if since is None and until is None:
            # What an agent may read says nothing of one of its runs.
            is_of_run = start.kind in (Kind.RUN, Kind.READ, Kind.DECISION)
            built = declared if is_of_run else declared | self._grants()
        else:
            built, gone = self._as_it_was(question, declared)
            notices += gone
        graph = built | joined_graph(self.ledger, question, self.catalog) | used.graph
        if start.kind in (Kind.READ, Kind.DECISION):
            graph |= self._of_one(start, used.decisions)
        graph |= LineageGraph([graph.nodes.get(start) or Node(place=start, label=start.name)], ())
        return Traced(start=start, graph=graph.around([start]), notices=tuple(notices))

    def _question(self, start: Place, declared: LineageGraph) -> ReadQuestion:
        """The reads that have to do with a thing."""
        match start.kind:
            case Kind.AGENT:
                return ReadQuestion(agent=start.name)
            case Kind.RUN:
                return ReadQuestion(run=start.name)
            case Kind.READ:
                return ReadQuestion(read=start.name)
            case Kind.DECISION:
                return ReadQuestion(decision=start.name)
        below = declared.downstream_of([start])
        if start.kind is Kind.METRIC:
            return ReadQuestion(metric=sorted(place.name for place in below))
        return ReadQuestion(dbt_model=sorted(it.name for it in below if it.kind is Kind.MODEL))

    def _grants(self) -> LineageGraph:
        return LineageGraph(
            [
                *(Node(place=agent_place(agent), label=agent) for agent in self.granted),
                *(
                    Node(place=metric_place(name), label=name)
                    for names in self.granted.values()
                    for name in names
                ),
            ],
            [
                Edge(start=metric_place(name), end=agent_place(agent), how=How.GRANTED)
                for agent, names in self.granted.items()
                for name in names
            ],
        )

    def _as_it_was(
        self, question: ReadQuestion, declared: LineageGraph
    ) -> tuple[LineageGraph, list[str]]:
        """What the metrics of some reads were built from when they were read, and what is not known of that any more."""
        by = (CountBy.METRIC, CountBy.DEFINITION_HASH)
        counts = count_reads(self.ledger, question, by=by)
        built, gone = LineageGraph((), ()), []
        for count in counts:
            name, definition = str(count.by[CountBy.METRIC]), count.by[CountBy.DEFINITION_HASH]
            now = self.catalog.find(name)
            if definition is None or (now and now.definition_hash == definition):
                built |= declared.around([metric_place(name)])
                continue
            then = self.catalog_with(name, definition)
            if then is None:
                gone.append(
                    f"The definition {definition[:_SHORT]} of '{name}' is not kept any more: what it was built from is shown as far as it was recorded."
                )
            else:
                built |= declared_graph(then).around([metric_place(name)])
        return built, gone

    def _of_one(self, start: Place, decisions: Iterable[RunDecision]) -> LineageGraph:
        """A read with its metrics and the decisions that rest on it, or a decision with the reads that it rests on and what it was told to."""
        if start.kind is Kind.READ:
            found = [item for item in decisions if start.name in item.reads]
            return _resting(self.ledger, [start.name], found)
        [own] = decisions_with(self.ledger, [start.name])
        later = decisions_told_of(self.ledger, [start.name])
        before = decisions_with(self.ledger, own.told)
        graph = LineageGraph(
            map(decision_node, [own, *later, *before]),
            [
                *(_told(place, start.name) for place in own.told),
                *(_told(start.name, item.decision_id) for item in later),
            ],
        )
        return graph | _resting(self.ledger, own.reads, [own])


def _told(before: str, after: str) -> Edge:
    return Edge(start=Place(Kind.DECISION, before), end=Place(Kind.DECISION, after), how=How.TOLD)


def _resting(
    ledger: Ledger, read_ids: Collection[str], decisions: Collection[RunDecision]
) -> LineageGraph:
    """Some reads, the metrics that were read, and of these decisions those that rest on them."""
    reads = list(find_reads(ledger, ReadQuestion(read=list(read_ids)))) if read_ids else []
    known = {read.read_id for read in reads}
    resting = [
        Edge(
            start=Place(Kind.READ, read_id),
            end=Place(Kind.DECISION, decision.decision_id),
            how=How.GROUND,
        )
        for decision in decisions
        for read_id in decision.reads
        if read_id in known
    ]
    return LineageGraph(
        [
            *map(_read_node, reads),
            *(Node(place=metric_place(read.metric), label=read.metric) for read in reads),
            *map(decision_node, decisions),
        ],
        [*map(_read_edge, reads), *resting],
    )


def _read_node(read: Read) -> Node:
    covers = f"{read.covers_from} to {read.covers_to}" if read.covers_from else None
    return Node(
        place=Place(Kind.READ, read.read_id),
        label=read.read_id[:_SHORT],
        facts={
            "agent": read.agent,
            "at": read.at,
            "run": read.run_id,
            "by": ", ".join(read.group_by) or None,
            "covers": covers,
            "rows": read.rows,
            "snapshot": read.snapshot,
            "outcome": read.outcome,
        },
    )


def _read_edge(read: Read) -> Edge:
    return Edge(
        start=metric_place(read.metric),
        end=Place(Kind.READ, read.read_id),
        how=How.READ if is_released(read.outcome) else How.REFUSED,
        facts={"version": read.data_version},
    )
