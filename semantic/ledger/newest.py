"""The newest of what is put on record again and again: the policy, the definitions."""

from typing import Any

import sqlalchemy as sa

from semantic.ledger.chain import content_of
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records

# What a record of a definition is of.
METRICS, AGENT, MASKING_KEY = "metrics", "agent", "masking_key"

_POLICY = (
    sa.select(records.c.reason)
    .where(records.c.kind == RecordKind.POLICY.value)
    .order_by(records.c.seq.desc())
    .limit(1)
)


def newest_content(
    connection: sa.Connection, kind: RecordKind, *, reason: str | None = None
) -> dict[str, Any] | None:
    """What the newest record of a kind, and with that reason where one is given, says; None where there is none."""
    newest = sa.select(records.c.body).where(records.c.kind == kind.value)
    if reason is not None:
        newest = newest.where(records.c.reason == reason)
    body = connection.execute(newest.order_by(records.c.seq.desc()).limit(1)).scalar_one_or_none()
    return None if body is None else content_of(body)


def definitions_on_record(connection: sa.Connection) -> dict[str, str]:
    """By metric, the hash of the definition that was put on record last."""
    content = newest_content(connection, RecordKind.DEFINITION, reason=METRICS)
    return {} if content is None else dict(content["details"]["definitions"])


def masking_key_on_record(connection: sa.Connection) -> str | None:
    """The id of the masking key that was put on record last, or None where none was."""
    content = newest_content(connection, RecordKind.DEFINITION, reason=MASKING_KEY)
    return None if content is None else str(content["details"]["masking_key"])


def current_policy_hash(connection: sa.Connection) -> str | None:
    """The hash of the policy that was published last, or None where none has been."""
    found = connection.execute(_POLICY).scalar_one_or_none()
    return None if found is None else str(found)
