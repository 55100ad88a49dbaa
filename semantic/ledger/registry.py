"""When agents were registered as they are now."""

from datetime import datetime

import sqlalchemy as sa

from semantic.ledger.ledger import Ledger
from semantic.ledger.moment import parsed
from semantic.ledger.schema import agents


def registered_since(ledger: Ledger) -> dict[str, datetime]:
    """By agent, when its newest definition came. Raises `LedgerUnavailable`."""
    with ledger.reading() as connection:
        rows = connection.execute(sa.select(agents.c.name, agents.c.registered_at)).all()
    return {row.name: parsed(row.registered_at) for row in rows}
