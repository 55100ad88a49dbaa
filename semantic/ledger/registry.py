"""Agents as they were registered."""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import parsed
from semantic.ledger.schema import agents


def registered_since(ledger: Ledger) -> dict[str, datetime]:
    """By agent, when its newest definition came. Raises `LedgerUnavailable`."""
    with ledger.reading() as connection:
        rows = connection.execute(sa.select(agents.c.name, agents.c.registered_at)).all()
    return {row.name: parsed(row.registered_at) for row in rows}


def registered_agent(ledger: Ledger, name: str) -> dict[str, Any] | None:
    """The newest definition of an agent, None where it has not been seen. Raises `LedgerUnavailable`."""
    asked = sa.select(agents.c.body).where(agents.c.name == name)
    with ledger.reading() as connection:
        found = connection.execute(asked).scalar_one_or_none()
    return None if found is None else dict(json.loads(found))
