"""An agent's memory of two thousand facts and two thousand past runs: taken in by a new process, searched, and told on record."""

from collections.abc import Callable

from agent_resources.agent_run import ReadOfRun
from agent_resources.memory.memory import Memory
from agent_resources.memory.recollection import SAVED, Recollection
from agent_resources.memory.rests_on import Standings, erasable
from agent_resources.run_journal import RunJournal
from agent_resources.tool_calls import ToolCalls
from benchmarks.data_sets.shop import LIGHT_QUERY
from benchmarks.door import READER
from benchmarks.figure import Figure, timed_figure
from benchmarks.published import published
from benchmarks.setting import Setting
from benchmarks.table import figures_table
from benchmarks.timing import milliseconds
from semantic.governed_metrics import GovernedMetrics
from semantic.ledger import Erasable, ReadContext, Record, RecordKind, uuid7

NAME = "remembering"
FACTS = 2_000
_ABOUT = "orders of region 1234 in week 34"


def run(setting: Setting) -> list[Figure]:
    with published(setting.shop, setting.scratch / NAME) as behind_doors:
        figures = _figures(behind_doors.durable, setting.rounds)
    setting.console.print(figures_table(f"A memory of {FACTS:,} facts", figures))
    return figures


def _figures(door: GovernedMetrics, rounds: int) -> list[Figure]:
    snapshot = door.snapshots.current()
    _save_facts(door)
    known = Recollection(READER.name)
    taken_in = milliseconds(lambda: known.refresh(door.ledger))
    facts = known.facts()
    assert len(facts.items) == FACTS
    assert len(facts.best(_ABOUT)) < FACTS
    with door.session(READER, ReadContext(run_id="bench")) as session:
        journal = RunJournal.of(door.ledger, ReadContext())
        standings = Standings(door, READER, snapshot)
        memory = Memory(
            session,
            ledger=door.ledger,
            journal=journal,
            standings=standings,
            calls=ToolCalls(session, ledger=door.ledger, journal=journal),
            days=None,
        )
        timed: dict[str, tuple[Callable[[], object], float | None]] = {
            f"one fact of {FACTS:,}, searched in process memory": (
                lambda: known.facts().best(_ABOUT),
                1,
            ),
            "what was said since, looked for in the record": (
                lambda: known.refresh(door.ledger),
                None,
            ),
            "facts told to a model, permitted again and on record": (
                lambda: memory.facts(_ABOUT, "call"),
                None,
            ),
        }
        return [
            timed_figure(NAME, f"{FACTS:,} facts taken in by a new process", [taken_in], None),
            *(
                timed_figure(NAME, name, [milliseconds(ask) for _ in range(rounds)], target)
                for name, (ask, target) in timed.items()
            ),
        ]


def _save_facts(door: GovernedMetrics) -> None:
    """Facts as an agent saves them, each resting on one read, in one commit."""
    with door.session(READER) as session:
        result = session.query(LIGHT_QUERY)
    read = ReadOfRun(asked=LIGHT_QUERY, result=result)
    rests_on = Standings(door, READER, door.snapshots.current()).of([read])
    with door.ledger._writer.transaction() as transaction:
        for number in range(FACTS):
            fact = f"In week {number % 52} region {number} had {number * 7} orders, fewer than the week before."
            transaction.add(
                Record(
                    record_id=str(uuid7()),
                    kind=RecordKind.MEMORY,
                    reader=READER.name,
                    reason=SAVED,
                    details={"fact": Erasable(fact), "rests_on": erasable(rests_on)},
                )
            )
