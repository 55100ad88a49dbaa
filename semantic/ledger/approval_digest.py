"""What a proposal is bound to: the digest of all that a person is shown of it."""

import hashlib
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from semantic.canonical import canonical_json
from semantic.ledger.approvals import Approval
from semantic.ledger.erasable import digests_in, is_value_of, kept_values
from semantic.ledger.ledger import Ledger
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records


def digest_of(
    ledger: Ledger,
    agent: str,
    decision_id: str,
    *,
    actions: Sequence[str],
    rests_on: Mapping[str, str],
    definition: str,
) -> str:
    """The digest of what a person is shown: it changes with the decision, with what is to be done, and with what these rest on.

    Texts are in it as the records have them, by digests with keys, so that it confirms no guess.
    """
    shown = [
        agent,
        definition,
        _body_hash(ledger, decision_id, RecordKind.DECISION),
        [_body_hash(ledger, action, RecordKind.TOOL_CALL) for action in actions],
        sorted(rests_on.items()),
    ]
    return hashlib.sha256(canonical_json(shown)).hexdigest()


def _body_hash(ledger: Ledger, record_id: str, kind: RecordKind) -> str:
    with ledger.reading() as connection:
        return hashlib.sha256(_body(ledger, connection, record_id, kind)).hexdigest()


def _body(ledger: Ledger, connection: sa.Connection, record_id: str, kind: RecordKind) -> bytes:
    """The body of a record, also of one in the archive; nothing where there is none."""
    asked = sa.select(records.c.body).where(
        records.c.record_id == record_id, records.c.kind == kind.value
    )
    body: bytes | None = connection.execute(asked).scalar_one_or_none()
    if body is None:
        archived = ledger.archive.with_ids(connection, [record_id], [kind])
        body = archived[0][3] if archived else b""
    return body


def not_as_shown(ledger: Ledger, approval: Approval) -> str | None:
    """Why what is on record is not what the proposal was made of: another body, a text that was changed, or one that was erased. None where it is."""
    parts = [
        (approval.decision_id, RecordKind.DECISION),
        *((it, RecordKind.TOOL_CALL) for it in approval.actions),
    ]
    with ledger.reading() as connection:
        for record_id, kind in parts:
            body = _body(ledger, connection, record_id, kind)
            kept = {it.digest: it for it in kept_values(connection, [body])[0]}
            if not kept.keys() >= set(digests_in(body)):
                return "something of it was erased"
            if not all(is_value_of(it.digest, it.key, it.value) for it in kept.values()):
                return "a text of it is not the one that was recorded"
    now = digest_of(
        ledger,
        approval.agent,
        approval.decision_id,
        actions=approval.actions,
        rests_on=approval.rests_on,
        definition=approval.definition_hash,
    )
    return None if now == approval.digest else "what it was made of is not what is on record now"
