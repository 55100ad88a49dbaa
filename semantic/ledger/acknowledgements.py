"""That somebody knows that metrics mean something else now than when an agent last read them."""

from collections.abc import Mapping

import sqlalchemy as sa

from semantic.ledger.chain import content_of
from semantic.ledger.erasable import Erasable
from semantic.ledger.ledger import Ledger
from semantic.ledger.record import Record, RecordKind, uuid7
from semantic.ledger.schema import records


def record_acknowledgement(
    ledger: Ledger, agent: str, meanings: Mapping[str, str], *, by: str, reason: str
) -> str:
    """Puts on record who knows which meanings, by metric, for an agent. Returns the id of the record. Raises `LedgerUnavailable`."""
    record = Record(
        record_id=str(uuid7()),
        kind=RecordKind.ACKNOWLEDGEMENT,
        reader=by,
        details={"agent": agent, "meanings": dict(meanings), "reason": Erasable(reason)},
    )
    ledger.append(record)
    return record.record_id


def acknowledged_meanings(ledger: Ledger) -> dict[str, dict[str, str]]:
    """By agent and metric, the meaning that was acknowledged last."""
    asked = (
        sa.select(records.c.body)
        .where(records.c.kind == RecordKind.ACKNOWLEDGEMENT.value)
        .order_by(records.c.seq)
    )
    found: dict[str, dict[str, str]] = {}
    with ledger.reading() as connection:
        bodies: list[bytes] = list(connection.scalars(asked))
        for body in bodies:
            details = content_of(body)["details"]
            found.setdefault(details["agent"], {}).update(details["meanings"])
    return found
