"""The sessions of readers from outside, as they are on record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from semantic.ledger.chain import content_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import parsed
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records

BEGAN, ENDED, REFUSED = "began", "ended", "refused"
# After how many seconds a session is over at the latest, also where its server is gone: what its first record says.
OVER_AFTER = "over_after_seconds"
_OVER_AFTER_ANY = 86_400


@dataclass(frozen=True, kw_only=True)
class OutsideSession:
    """The reads of one reader over one server that follow each other. `seq` is the number of its first record; `ended_at` is None where no end is on record."""

    session_id: str
    seq: int
    reader: str
    acting_for: str | None
    began_at: datetime
    ended_at: datetime | None
    details: Mapping[str, Any]

    def is_over(self, now: datetime) -> bool:
        """Whether nothing more will be read in it, also where its server was killed."""
        latest = self.began_at + timedelta(seconds=self.details.get(OVER_AFTER, _OVER_AFTER_ANY))
        return self.ended_at is not None or now > latest


def sessions_after(ledger: Ledger, seq: int) -> list[OutsideSession]:
    """The sessions that began after a record, in the order in which they did. Raises `LedgerUnavailable`."""
    asked = (
        sa.select(records)
        .where(records.c.kind == RecordKind.SESSION.value, records.c.seq > seq)
        .where(records.c.reason.in_((BEGAN, ENDED)))
        .order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        rows = connection.execute(asked).all()
    ended = {row.run_id: parsed(row.recorded_at) for row in rows if row.reason == ENDED}
    found = []
    for row in rows:
        if row.reason == BEGAN:
            body = content_of(row.body)
            found.append(
                OutsideSession(
                    session_id=row.run_id,
                    seq=row.seq,
                    reader=body["reader"],
                    acting_for=body["acting_for"],
                    began_at=parsed(row.recorded_at),
                    ended_at=ended.get(row.run_id),
                    details=body["details"],
                )
            )
    return found
