"""What stands on record of a month that was deleted: which one it was, who deleted it and why, and what stayed of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic_core import from_json

from semantic.canonical import canonical_json
from semantic.keys import hex_of, public_hex
from semantic.ledger.archive import ArchivedMonth, month_of, said_of
from semantic.ledger.note import NoteError
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records
from semantic.ledger.sealing import seal_of
from semantic.ledger.signatures import Signatures
from semantic.ledger.stretch import BODY, NOT_WRITTEN_HERE


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """`stays` are the numbers of the records that the database keeps of the month, in order.

    It is signed by itself: a checkpoint covers whatever it finds on record, also what somebody put there without a key.
    """

    month: ArchivedMonth
    by: str
    why: str
    stays: tuple[int, ...]

    def signed(self, key: Ed25519PrivateKey) -> dict[str, Any]:
        """The details of its record."""
        return self._said() | {"key": hex_of(key), "signature": key.sign(self._text()).hex()}

    def _said(self) -> dict[str, Any]:
        return said_of(self.month) | {"by": self.by, "why": self.why, "stays": list(self.stays)}

    def _text(self) -> bytes:
        return b"governed-agents/tombstone/1\n" + canonical_json(self._said())

    def refuse_unsigned(self, details: Mapping[str, Any], key: Ed25519PublicKey | None) -> None:
        """Raises `ValueError` where this key did not sign it."""
        if key is None or details["key"] != public_hex(key):
            raise ValueError("it is signed with another key than the checkpoint before it")
        try:
            key.verify(bytes.fromhex(details["signature"]), self._text())
        except InvalidSignature:
            raise ValueError("its signature is wrong") from None


def tombstones_on_record(
    connection: sa.Connection, known: Sequence[Ed25519PublicKey]
) -> Iterator[tuple[int, str, Tombstone | None]]:
    """Every tombstone with the number and time of its record, in order. None for one that is not signed with the key of its place.

    That is the key of the newest checkpoint before it, followed from the `known` ones: one that was changed deletes nothing any more.
    """
    is_tombstone = records.c.kind == RecordKind.TOMBSTONE.value
    last = sa.select(sa.func.max(records.c.seq)).where(is_tombstone).scalar_subquery()
    rows = connection.execute(
        sa.select(records.c.seq, records.c.kind, records.c.recorded_at, BODY)
        .where(sa.or_(is_tombstone, records.c.kind == RecordKind.CHECKPOINT.value))
        .where(records.c.seq <= last)
        .order_by(records.c.seq)
    )
    signatures = Signatures(known)
    for row in rows:
        found = None
        with suppress(NoteError, *NOT_WRITTEN_HERE):
            details = from_json(row.body)["record"]["details"]
            if row.kind == RecordKind.CHECKPOINT.value:
                signatures.open(seal_of(details))
            else:
                found = _tombstone_of(details, signatures.current)
        if row.kind == RecordKind.TOMBSTONE.value:
            yield row.seq, row.recorded_at, found


def _tombstone_of(details: Mapping[str, Any], key: Ed25519PublicKey | None) -> Tombstone:
    """The tombstone that a record tells of. Raises `ValueError`, `TypeError` or `KeyError` where it tells of none that this key signed."""
    found = Tombstone(
        month=month_of(details),
        by=str(details["by"]),
        why=str(details["why"]),
        stays=tuple(details["stays"]),
    )
    found.refuse_unsigned(details, key)
    return found
