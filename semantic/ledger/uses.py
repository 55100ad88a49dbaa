"""Who was given what of some reads, in which runs, and what was decided there: bounded questions, however long the record is."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from semantic.ledger.chain import content_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.read_counts import CountBy, ReadCount, count_reads
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.read_question import ReadQuestion, conditions
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import reads, records

_AT_ONCE = 500


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


@dataclass(frozen=True, kw_only=True)
class RunDecision:
    """That a run came to a decision, or with a reason to none. `reads` are the ids of those that it made, `remembered` of those of earlier runs that its
    agent's memory told it of, and `told` of the decisions that it was told of.
    """

    decision_id: str
    agent: str
    run_id: str | None
    at: str
    reason: str | None
    reads: tuple[str, ...]
    remembered: tuple[str, ...]
    told: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TouchingRead:
    """A read that was released, and the days that its data covered, None where nobody knows."""

    read_id: str
    metric: str
    agent: str | None
    acting_for: str | None
    run_id: str | None
    at: str
    data_version: str | None
    covers_from: str | None
    covers_to: str | None


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


def decisions_in(ledger: Ledger, runs: Collection[str]) -> list[RunDecision]:
    """What was decided in these runs, in the order in which it was. Looks into the database alone: decisions stay there."""
    return _decisions(ledger, records.c.run_id, runs)


def decisions_with(ledger: Ledger, ids: Collection[str]) -> list[RunDecision]:
    """The decisions with these ids."""
    return _decisions(ledger, records.c.record_id, ids)


@dataclass(frozen=True, kw_only=True)
class VersionReader:
    """Who was given a metric at one version of its data: how often, and when last (as the ledger writes times)."""

    metric: str
    agent: str
    reads: int
    last_at: str


def version_readers(
    ledger: Ledger, versions: Mapping[str, str], *, without_agent: str
) -> dict[str, list[VersionReader]]:
    """By metric, who was given it at the version of its data that is named for it."""
    found: dict[str, list[VersionReader]] = {}
    with ledger.reading() as connection:
        for some in _in_parts(sorted(set(versions.values()))):
            asked = (
                sa.select(
                    reads.c.metric,
                    reads.c.reader,
                    reads.c.data_version,
                    sa.func.count().label("reads"),
                    sa.func.max(reads.c.at).label("last_at"),
                )
                .where(
                    reads.c.data_version.in_(some),
                    reads.c.outcome == ReadOutcome.ALLOWED.value,
                    reads.c.reader.is_not(None),
                    reads.c.reader != without_agent,
                )
                .group_by(reads.c.metric, reads.c.reader, reads.c.data_version)
                .order_by(reads.c.metric, reads.c.reader)
            )
            for row in connection.execute(asked):
                if versions.get(row.metric) == row.data_version:
                    reader = VersionReader(
                        metric=row.metric, agent=row.reader, reads=row.reads, last_at=row.last_at
                    )
                    found.setdefault(row.metric, []).append(reader)
    return found


def touching_reads(
    ledger: Ledger,
    metrics: Collection[str],
    first: date,
    last: date,
    *,
    version: str | None,
    without_agent: str,
) -> list[TouchingRead]:
    """The released reads of these metrics whose data covers any of these days, or nobody knows which; at one version of the data where one is named. The
    oldest first.
    """
    question = ReadQuestion(
        metric=list(metrics),
        version=version,
        outcome=ReadOutcome.ALLOWED.value,
        without_agent=without_agent,
    )
    begins, ends = reads.c.covers_from, reads.c.covers_to
    with ledger.reading() as connection:
        asked = (
            sa.select(
                reads.c.read_id,
                reads.c.metric,
                reads.c.reader.label("agent"),
                reads.c.acting_for,
                reads.c.run_id,
                reads.c.at,
                reads.c.data_version,
                begins,
                ends,
            )
            .where(
                *conditions(ledger.archive, connection, question),
                sa.or_(begins.is_(None), begins <= last.isoformat()),
                sa.or_(ends.is_(None), ends >= first.isoformat()),
            )
            .order_by(reads.c.seq)
        )
        return [TouchingRead(**row) for row in connection.execute(asked).mappings()]


def every_decision(ledger: Ledger) -> list[RunDecision]:
    """Every decision, in the order in which they were made."""
    asked = (
        sa.select(records)
        .where(records.c.kind == RecordKind.DECISION.value, records.c.reason.is_(None))
        .order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        return [decision_of(row) for row in connection.execute(asked)]


def standing_decisions(ledger: Ledger) -> list[RunDecision]:
    """The newest decision of each agent: what it says now."""
    newest = (
        sa.select(sa.func.max(records.c.seq))
        .where(records.c.kind == RecordKind.DECISION.value, records.c.reason.is_(None))
        .group_by(records.c.reader)
    )
    asked = sa.select(records).where(records.c.seq.in_(newest)).order_by(records.c.reader)
    with ledger.reading() as connection:
        return [decision_of(row) for row in connection.execute(asked)]


def decisions_told_of(ledger: Ledger, ids: Collection[str]) -> list[RunDecision]:
    """The decisions of runs that were told of one of these decisions."""
    wanted = {decision.encode() for decision in ids}
    asked = (
        sa.select(records)
        .where(records.c.kind == RecordKind.DECISION.value)
        .order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        alike = [
            row for row in connection.execute(asked) if any(text in row.body for text in wanted)
        ]
    found = map(decision_of, alike)
    return [decision for decision in found if not set(ids).isdisjoint(decision.told)]


def _decisions(
    ledger: Ledger, column: sa.ColumnElement[str], names: Collection[str]
) -> list[RunDecision]:
    found: list[RunDecision] = []
    with ledger.reading() as connection:
        for some in _in_parts(sorted(names)):
            asked = (
                sa.select(records)
                .where(records.c.kind == RecordKind.DECISION.value, column.in_(some))
                .order_by(records.c.seq)
            )
            found.extend(map(decision_of, connection.execute(asked).all()))
    return found


def decision_of(row: Any) -> RunDecision:
    """A row of `records` that tells a decision, without the texts of it."""
    details = content_of(row.body)["details"]
    return RunDecision(
        decision_id=row.record_id,
        agent=row.reader,
        run_id=row.run_id,
        at=row.recorded_at,
        reason=row.reason,
        reads=tuple(details.get("reads", ())),
        remembered=tuple(details.get("remembered", ())),
        told=tuple(details.get("told", ())),
    )


def is_released(outcome: str | None) -> bool:
    """Whether data was released by reads with this outcome."""
    return outcome == ReadOutcome.ALLOWED.value


def _in_parts(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))
