"""What people call a thing of lineage, and the thing that they mean."""

from collections.abc import Iterator

from semantic.catalog import Catalog
from semantic.errors import QuestionError, did_you_mean
from semantic.ledger import Ledger
from semantic.ledger.recorded_names import (
    Named,
    decisions_like,
    reads_beginning,
    recorded_names,
    runs_beginning,
)
from semantic.lineage.declared import declared_graph
from semantic.lineage.graph import Kind, Place

_SHORTEST = 4


def meant_place(catalog: Catalog, ledger: Ledger, text: str, kind: Kind | None = None) -> Place:
    """The thing that is called so: a metric, an agent, a file, source or dbt model by its name, its table or its unique id; a run or a decision by the
    beginning of its id; a read by its id. Raises `QuestionError` with the nearest names where there is none, or where several are called so.
    """
    found = list(dict.fromkeys(_called(catalog, ledger, text)))
    alike = [place for place in found if kind in (None, place.kind)]
    if len(alike) == 1:
        return alike[0]
    what = f"{kind} " if kind else ""
    if alike:
        raise QuestionError(
            f"Several things are called {what}{text!r}: {', '.join(map(str, alike))}",
            hint="say which with --kind, or by its whole name",
        )
    raise QuestionError(
        f"Nothing that is declared or on record is called {what}{text!r}",
        hint=did_you_mean(text, _names(catalog, ledger))
        or f"name a metric, an agent, a dbt model, a table, a file, a run, a read or a decision; "
        f"metrics: {', '.join(list(catalog.metrics)[:20])}",
    )


def _called(catalog: Catalog, ledger: Ledger, text: str) -> Iterator[Place]:
    if catalog.find(text) or text in recorded_names(ledger, Named.METRIC):
        yield Place(Kind.METRIC, text)
    if text in {*ledger.registered_agents(), *recorded_names(ledger, Named.AGENT)}:
        yield Place(Kind.AGENT, text)
    for node in declared_graph(catalog).nodes.values():
        place = node.place
        if place.kind in (Kind.FILE, Kind.SOURCE, Kind.MODEL):
            table = str(node.facts.get("table") or "")
            if text and text in (place.name, node.label, table, table.replace('"', "")):
                yield place
    yield from _of_record(ledger, text)


def _of_record(ledger: Ledger, text: str) -> Iterator[Place]:
    """A run, a read or a decision, whose ids are long: the beginning of one may mean several."""
    if len(text) < _SHORTEST:
        return
    for read in reads_beginning(ledger, text):
        yield Place(Kind.READ, read)
    for decision in decisions_like(ledger, text):
        yield Place(Kind.DECISION, decision)
    for run in runs_beginning(ledger, text):
        yield Place(Kind.RUN, run)


def _names(catalog: Catalog, ledger: Ledger) -> list[str]:
    """Every name that a slip of the pen may have meant."""
    declared = declared_graph(catalog).nodes.values()
    agents = {*ledger.registered_agents(), *recorded_names(ledger, Named.AGENT)}
    return sorted({*(node.label for node in declared), *agents})
