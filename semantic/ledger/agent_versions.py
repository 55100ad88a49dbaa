"""The versions of an agent's definition, as they were put on record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from semantic.ledger.chain import content_of
from semantic.ledger.ledger import Ledger
from semantic.ledger.newest import AGENT
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records


@dataclass(frozen=True, kw_only=True)
class AgentVersion:
    """A definition of an agent: its hash, when it was put on record (as the ledger writes times), and what it says."""

    definition_hash: str
    at: str
    definition: Mapping[str, Any]


def agent_versions(ledger: Ledger, agent: str) -> list[AgentVersion]:
    """Every definition of an agent that is on record, in the order in which they came. One that came back stands there again."""
    asked = (
        sa.select(records.c.recorded_at, records.c.body)
        .where(
            records.c.kind == RecordKind.DEFINITION.value,
            records.c.reason == AGENT,
            records.c.reader == agent,
        )
        .order_by(records.c.seq)
    )
    with ledger.reading() as connection:
        rows = connection.execute(asked).all()
    found = []
    for row in rows:
        details = content_of(row.body)["details"]
        found.append(
            AgentVersion(
                definition_hash=details["definition_hash"],
                at=row.recorded_at,
                definition=json.loads(details["definition"]),
            )
        )
    return found
