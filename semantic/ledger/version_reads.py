"""Who was given which version of the data, and data of which days."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from semantic.ledger.ledger import Ledger
from semantic.ledger.parts import in_parts
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.read_question import ReadQuestion, conditions
from semantic.ledger.schema import reads


class TouchingRead(NamedTuple):
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


@dataclass(frozen=True, kw_only=True)
class VersionReader:
    """Who was given a metric at one version of its data: how often, and when last (as the ledger writes times)."""

    metric: str
    agent: str
    reads: int
    last_at: str


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
        rows: Sequence[Any] = connection.execute(asked).all()
        return [TouchingRead(*row) for row in rows]


def version_readers(
    ledger: Ledger, versions: Mapping[str, str], *, without_agent: str
) -> dict[str, list[VersionReader]]:
    """By metric, who was given it at the version of its data that is named for it."""
    found: dict[str, list[VersionReader]] = {}
    with ledger.reading() as connection:
        for some in in_parts(sorted(set(versions.values()))):
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
