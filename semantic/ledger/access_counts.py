"""Reads of some days by agent, metric and day, with what was refused, what was stale and what runs took."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain
from typing import Any

import sqlalchemy as sa

from semantic.ledger.chain import content_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import reads, records

_AT_ONCE = 2_000
_ALLOWED = ReadOutcome.ALLOWED.value


@dataclass(frozen=True)
class PairOfReads:
    """What one agent read of one metric: how often it was given it and how often not, by reason."""

    agent: str
    metric: str
    allowed: int
    reasons: Mapping[str, int]
    last_at: str

    @property
    def refused(self) -> int:
        return sum(self.reasons.values())


@dataclass
class _Pair:
    """Of one agent and one metric, as it is added up."""

    allowed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    last_at: str = ""


@dataclass(frozen=True, kw_only=True)
class DayOfReads:
    """The reads of one agent and one metric on one day."""

    agent: str
    metric: str
    day: str
    allowed: int
    refused: int


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the decided runs of an agent took: how many there were, tokens, and the cost in millionths of a US dollar, None where one is not known."""

    agent: str
    runs: int
    tokens: int
    cost_micros: int | None


def pairs_of_reads(
    ledger: Ledger, first: date, last: date, *, without_agent: str
) -> list[PairOfReads]:
    """By agent and metric, the reads of these days."""
    asked = (
        sa.select(
            reads.c.reader,
            reads.c.metric,
            reads.c.outcome,
            reads.c.reason,
            sa.func.count().label("reads"),
            sa.func.max(reads.c.at).label("last_at"),
        )
        .where(
            *_between(reads.c.at, first, last),
            reads.c.reader.is_not(None),
            reads.c.reader != without_agent,
        )
        .group_by(reads.c.reader, reads.c.metric, reads.c.outcome, reads.c.reason)
    )
    pairs: dict[tuple[str, str], _Pair] = {}
    with ledger.reading() as connection:
        rows: Iterable[Any] = chain.from_iterable(connection.execute(asked).partitions(_AT_ONCE))
        for agent, metric, outcome, reason, count, last_at in rows:
            pair = pairs.get((agent, metric))
            if pair is None:
                pair = pairs[agent, metric] = _Pair()
            pair.last_at = max(pair.last_at, last_at)
            if outcome == _ALLOWED:
                pair.allowed += count
            else:
                pair.reasons[reason or outcome] = count
    return [
        PairOfReads(agent, metric, pair.allowed, pair.reasons, pair.last_at)
        for (agent, metric), pair in pairs.items()
    ]


def daily_reads(
    ledger: Ledger, first: date, last: date, pairs: Collection[tuple[str, str]]
) -> list[DayOfReads]:
    """The reads of these pairs of an agent and a metric, day by day; days without any are left out."""
    day = sa.func.substr(reads.c.at, sa.literal_column("1"), sa.literal_column("10"))
    allowed = sa.case(
        (reads.c.outcome == _ALLOWED, sa.literal_column("1")),
        else_=sa.literal_column("0"),
    )
    found = []
    with ledger.reading() as connection:
        for agent, metric in pairs:
            asked = (
                sa.select(
                    day.label("day"),
                    sa.func.count().label("reads"),
                    sa.func.sum(allowed).label("allowed"),
                )
                .where(
                    *_between(reads.c.at, first, last),
                    reads.c.metric == metric,
                    reads.c.reader == agent,
                )
                .group_by(day)
            )
            found += [
                DayOfReads(
                    agent=agent,
                    metric=metric,
                    day=row.day,
                    allowed=int(row.allowed),
                    refused=row.reads - int(row.allowed),
                )
                for row in connection.execute(asked)
            ]
    return found


def spent_by_agent(ledger: Ledger, first: date, last: date) -> list[Spent]:
    """What the runs of these days took that came to a decision, by agent."""
    asked = sa.select(records.c.reader, records.c.body).where(
        records.c.kind == RecordKind.DECISION.value,
        records.c.reason.is_(None),
        *_between(records.c.recorded_at, first, last),
    )
    found: dict[str, list[Mapping[str, Any]]] = {}
    with ledger.reading() as connection:
        for row in connection.execute(asked):
            usage = content_of(row.body)["details"].get("usage") or {}
            found.setdefault(row.reader, []).append(usage)
    return [
        Spent(
            agent=agent,
            runs=len(usages),
            tokens=sum(it.get("input_tokens", 0) + it.get("output_tokens", 0) for it in usages),
            cost_micros=None
            if any(it.get("cost_micros") is None for it in usages)
            else sum(it["cost_micros"] for it in usages),
        )
        for agent, usages in sorted(found.items())
    ]


def stale_answers(ledger: Ledger, first: date, last: date, *, most: int = 20_000) -> dict[str, int]:
    """By reader, how many answers of these days said that they were stale, of the newest that are in the database."""
    asked = (
        sa.select(records.c.reader, records.c.body)
        .where(
            records.c.kind == RecordKind.OUTCOME.value,
            *_between(records.c.recorded_at, first, last),
        )
        .order_by(records.c.seq.desc())
        .limit(most)
    )
    found: dict[str, int] = {}
    with ledger.reading() as connection:
        for row in connection.execute(asked):
            # Most are not: the text is looked at before it is parsed.
            if b'"stale"' in row.body and "stale" in _notices_in(row.body):
                found[row.reader] = found.get(row.reader, 0) + 1
    return found


def _notices_in(body: bytes) -> Sequence[str]:
    return tuple(content_of(body)["details"].get("notices", ()))


def _between(column: sa.ColumnElement[str], first: date, last: date) -> tuple[Any, Any]:
    """From the beginning of the first day to the end of the last."""
    return column >= first.isoformat(), column < (last + timedelta(days=1)).isoformat()
