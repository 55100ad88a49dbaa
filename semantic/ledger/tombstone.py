"""What stands on record of a month that was deleted: which one it was, who deleted it and why, and what stayed of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from semantic.canonical import canonical_json
from semantic.keys import hex_of
from semantic.ledger.archive import ArchivedMonth, month_of, said_of


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

    def refuse_unsigned(self, details: Mapping[str, Any], known: Collection[str]) -> None:
        """Raises `ValueError` where none of these keys, in hexadecimal, signed it."""
        if details["key"] not in known:
            raise ValueError("it is signed with a key that signed no checkpoint")
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(details["key"]))
        try:
            key.verify(bytes.fromhex(details["signature"]), self._text())
        except InvalidSignature:
            raise ValueError("its signature is wrong") from None


def tombstone_of(details: Mapping[str, Any], known: Collection[str]) -> Tombstone:
    """The tombstone that a record tells of, signed with one of these keys. Raises `ValueError`, `TypeError` or `KeyError` where it tells of none."""
    found = Tombstone(
        month=month_of(details),
        by=str(details["by"]),
        why=str(details["why"]),
        stays=tuple(details["stays"]),
    )
    found.refuse_unsigned(details, known)
    return found
