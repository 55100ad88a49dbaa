"""Who was given what of some reads, and in which runs: bounded questions, however long the record is."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from semantic.ledger.ledger import Ledger
from semantic.ledger.read_counts import CountBy, ReadCount, count_reads
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.read_question import ReadQuestion, conditions
from semantic.ledger.schema import reads


@dataclass(frozen=True, kw_only=True)
class RunRead:
    """That a run was given a metric, or refused it: how often, and when last (as the ledger writes times), at which version of the data."""

    run_id: str
    agent: str
    metric: str
    outcome: str
    reads: int
    last_at: str
    data_version: str | None


def uses(ledger: Ledger, question: ReadQuestion) -> list[ReadCount]:
    """By metric, agent and outcome, how many of these reads there were and when the newest was."""
    return count_reads(ledger, question, by=(CountBy.METRIC, CountBy.AGENT, CountBy.OUTCOME))


def newest_run_reads(ledger: Ledger, question: ReadQuestion, *, most: int) -> list[RunRead]:
    """What the runs of the newest of these reads read, of `most` reads at most; the newest first. Reads without a run are in none."""
    with ledger.reading() as connection:
        narrowed = conditions(ledger.archive, connection, question)
        newest = (
            sa.select(
                reads.c.run_id,
                reads.c.reader,
                reads.c.metric,
                reads.c.outcome,
                reads.c.at,
                reads.c.data_version,
            )
            .where(*narrowed, reads.c.run_id.is_not(None), reads.c.reader.is_not(None))
            .order_by(reads.c.at.desc(), reads.c.seq.desc())
            .limit(most)
        )
        rows = connection.execute(newest).all()
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        found.setdefault((row.run_id, row.reader, row.metric, row.outcome), []).append(row)
    return [
        RunRead(
            run_id=run,
            agent=agent,
            metric=metric,
            outcome=outcome,
            reads=len(same),
            last_at=same[0].at,
            data_version=same[0].data_version,
        )
        for (run, agent, metric, outcome), same in found.items()
    ]


def is_released(outcome: str | None) -> bool:
    """Whether data was released by reads with this outcome."""
    return outcome == ReadOutcome.ALLOWED.value
