"""Who was given what of some reads, and in which runs: bounded questions, however long the record is."""

from collections import Counter
from collections.abc import Sequence
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
        rows: Sequence[Any] = connection.execute(newest).all()
    counts: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], tuple[str, str | None]] = {}
    for *of_run, at, version in rows:
        counts[tuple(of_run)] += 1
        first.setdefault(tuple(of_run), (at, version))
    return [
        RunRead(
            run_id=of_run[0],
            agent=of_run[1],
            metric=of_run[2],
            outcome=of_run[3],
            reads=count,
            last_at=first[of_run][0],
            data_version=first[of_run][1],
        )
        for of_run, count in counts.items()
    ]


def is_released(outcome: str | None) -> bool:
    """Whether data was released by reads with this outcome."""
    return outcome == ReadOutcome.ALLOWED.value
