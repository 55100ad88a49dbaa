"""What stands on record after the last checkpoint, and how much of that there may be: a change to it alone would not show."""

from dataclasses import dataclass

import sqlalchemy as sa

from semantic.ledger.moment import later
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records
from semantic.ledger.sealing import last_seal


@dataclass(frozen=True, kw_only=True)
class MostExposed:
    """So many records may stand after the last checkpoint, and each for so many seconds. Who writes one that is too many seals."""

    records: int = 1_000
    seconds: float = 60


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """The records with numbers after `through`, until `newest`, at the moment `at`.

    `since` is when the oldest of them was written that is no checkpoint, None where there is none.
    """

    through: int
    newest: int
    since: str | None
    at: str

    def is_over(self, most: MostExposed) -> bool:
        """Whether that is more than may be. A record that says it is from later counts as old: a clock was set back."""
        if self.since is None:
            return False
        is_young = later(self.at, -most.seconds) < self.since <= self.at
        return self.newest - self.through >= most.records or not is_young


def find_exposure(connection: sa.Connection, at: str) -> Exposure:
    """What is exposed at this moment."""
    before = last_seal(connection)
    through = before.through if before else 0
    newest: int | None = connection.execute(sa.select(sa.func.max(records.c.seq))).scalar_one()
    since = connection.execute(
        sa.select(records.c.recorded_at)
        .where(records.c.seq > through, records.c.kind != RecordKind.CHECKPOINT.value)
        .order_by(records.c.seq)
        .limit(1)
    ).scalar_one_or_none()
    return Exposure(through=through, newest=newest or 0, since=since, at=at)
