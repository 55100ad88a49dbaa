"""What readers are granted and do not use: the ledger beside the policy, for least privilege."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import as_recorded
from semantic.ledger.read_index import ReadOutcome
from semantic.ledger.schema import reads


@dataclass(frozen=True, kw_only=True)
class UnusedGrant:
    """A metric that a reader is granted and was not given for a time. `last_read_at` is when it last was, None where it never was;
    `last_asked_at` is when it was last asked for, also where that was refused.
    """

    reader: str
    metric: str
    last_read_at: str | None
    last_asked_at: str | None

    @property
    def is_never_read(self) -> bool:
        return self.last_read_at is None


def unused_grants(
    ledger: Ledger,
    granted: Mapping[str, Collection[str]],
    *,
    since: datetime,
    without_agent: str,
) -> list[UnusedGrant]:
    """Of the metrics that are `granted`, by reader, those that were not released to it since then, nor to others on its behalf.

    What `without_agent` read does not count as used. Raises `LedgerUnavailable`.
    """
    begin, last = as_recorded(since), _last_uses(ledger, without_agent)
    return [
        UnusedGrant(reader=reader, metric=metric, last_read_at=read_at, last_asked_at=asked_at)
        for reader, metrics in sorted(granted.items())
        for metric in sorted(metrics)
        for read_at, asked_at in [last.get((reader, metric), (None, None))]
        if read_at is None or read_at < begin
    ]


def _last_uses(ledger: Ledger, without_agent: str) -> dict[tuple[str, str], tuple[str | None, str]]:
    """By reader and metric, when it was last released and when it was last asked for."""
    is_allowed = reads.c.outcome == ReadOutcome.ALLOWED.value
    statement = (
        sa.select(
            reads.c.metric,
            reads.c.reader,
            reads.c.acting_for,
            sa.func.max(sa.case((is_allowed, reads.c.at))).label("read_at"),
            sa.func.max(reads.c.at).label("asked_at"),
        )
        .where(reads.c.reader != without_agent)
        .group_by(reads.c.metric, reads.c.reader, reads.c.acting_for)
    )
    found: dict[tuple[str, str], tuple[str | None, str]] = {}
    with ledger.reading() as connection:
        for row in connection.execute(statement):
            for reader in {row.reader, row.acting_for} - {None}:
                read_at, asked_at = found.get((reader, row.metric), (None, ""))
                found[reader, row.metric] = (
                    max(filter(None, (read_at, row.read_at)), default=None),
                    max(asked_at, row.asked_at),
                )
    return found
