"""What has to be taken back where a metric was wrong: the reads that touched the days, and every decision that rests on one of them, however far."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from semantic.catalog import Catalog
from semantic.ledger import Ledger
from semantic.ledger.recalls import Wrong
from semantic.ledger.run_decisions import RunDecision, decisions_resting_on
from semantic.ledger.version_reads import TouchingRead, touching_reads
from semantic.lineage.declared import declared_graph, metric_place
from semantic.policy import REFRESH


@dataclass(frozen=True, kw_only=True)
class TakenBack:
    """A decision that is taken back: by how many reads of its own it touches what was wrong, by how many that it remembered, and by which decisions
    that it was told of.
    """

    decision: RunDecision
    reads: int
    remembered: int
    told: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RecallScope:
    """All that rests on what was wrong. `for_whom` are the subjects on whose behalf it was read."""

    wrong: Wrong
    reads: tuple[TouchingRead, ...]
    decisions: tuple[TakenBack, ...]

    @property
    def read_ids(self) -> frozenset[str]:
        return frozenset(read.read_id for read in self.reads)

    @property
    def versions(self) -> dict[str, set[str]]:
        """By metric, the versions of the data at which it was read."""
        found: dict[str, set[str]] = {}
        for read in self.reads:
            if read.data_version is not None:
                found.setdefault(read.metric, set()).add(read.data_version)
        return found

    @property
    def agents(self) -> tuple[str, ...]:
        """Who read it or decided on it, by name."""
        readers = {read.agent for read in self.reads if read.agent}
        return tuple(sorted(readers | {item.decision.agent for item in self.decisions}))

    @property
    def for_whom(self) -> tuple[str, ...]:
        return tuple(sorted({read.acting_for for read in self.reads if read.acting_for}))


def what_is_wrong(
    catalogs: Iterable[Catalog], metric: str, first: date, last: date, version: str | None = None
) -> Wrong:
    """A metric that was wrong for some days of the data, with every metric that is made of it in any of these catalogues, those of now and of before: these
    were wrong as well. A version is of one metric.
    """
    below = {
        place.name
        for catalog in catalogs
        for place in declared_graph(catalog).downstream_of([metric_place(metric)])
    }
    made_of = () if version else tuple(sorted(below - {metric}))
    return Wrong(metrics=(metric, *made_of), first=first, last=last, version=version)


def recall_scope(ledger: Ledger, wrong: Wrong) -> RecallScope:
    """What rests on what was wrong, as it is on record. A read whose days nobody knows counts as one that touched them. Raises `LedgerUnavailable`."""
    reads = touching_reads(
        ledger,
        wrong.metrics,
        wrong.first,
        wrong.last,
        version=wrong.version,
        without_agent=REFRESH,
    )
    touched = frozenset(read.read_id for read in reads)
    decisions = tuple(_taken_back(decisions_resting_on(ledger, touched), touched))
    return RecallScope(wrong=wrong, reads=tuple(reads), decisions=decisions)


def _taken_back(known: Iterable[RunDecision], touched: frozenset[str]) -> Iterator[TakenBack]:
    """In the order in which they were made: what a decision was told of was decided before it."""
    found: set[str] = set()
    for decision in known:
        own = len(touched.intersection(decision.reads))
        remembered = len(touched.intersection(decision.remembered))
        told = tuple(item for item in decision.told if item in found)
        if own or remembered or told:
            found.add(decision.decision_id)
            yield TakenBack(decision=decision, reads=own, remembered=remembered, told=told)
