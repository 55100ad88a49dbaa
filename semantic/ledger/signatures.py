"""Whose signature each checkpoint bears: the first key is one that is known, and each one after it was vouched for by the one before."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from semantic.keys import public_hex
from semantic.ledger.note import Checkpoint, NoteError, open_note
from semantic.ledger.sealing import Seal

SignedT = TypeVar("SignedT", covariant=True)


class Signable(Protocol[SignedT]):
    """What can be signed, and how it is written then."""

    def signed(self, key: Ed25519PrivateKey) -> SignedT:
        """It with the signature of this key."""
        ...


def vouch(key: Ed25519PrivateKey, following: Ed25519PublicKey) -> bytes:
    """What a key signs of the one that follows it."""
    return key.sign(_promise(following))


class UnvouchedKey(NoteError):
    """A checkpoint is signed with this public key, in hexadecimal, that may not sign here."""

    def __init__(self, key: str) -> None:
        super().__init__(f"it is signed with the key {key[:16]}..., which nobody vouches for")
        self.key = key


class Signatures:
    """Follows the checkpoints of a ledger from one key to the next. `known` are public keys, the oldest first."""

    def __init__(self, known: Sequence[Ed25519PublicKey]) -> None:
        self._known = list(known)
        self._current: Ed25519PublicKey | None = None
        self._changed: list[Ed25519PublicKey] = []

    @property
    def current(self) -> Ed25519PublicKey | None:
        """The key of the last checkpoint that was opened, None before the first."""
        return self._current

    def open(self, seal: Seal) -> Checkpoint:
        """The checkpoint that a seal says, the one after those that were opened before. Raises `NoteError`."""
        if seal.key is None:
            return self._open_unnamed(seal)
        key = _public(seal.key)
        if key != self._current and not self._follows(key, seal.voucher):
            raise UnvouchedKey(seal.key)
        checkpoint = open_note(seal.note, [key])
        if key != self._current and self._current is not None:
            self._changed.append(self._current)
        self._current = key
        return checkpoint

    def _open_unnamed(self, seal: Seal) -> Checkpoint:
        """A checkpoint of an older version. None comes after one that names its key: a key that was changed would count again."""
        if self._current is not None:
            raise NoteError("it names no key, and the one before it does")
        return open_note(seal.note, self._known)

    def _follows(self, key: Ed25519PublicKey, voucher: str | None) -> bool:
        """Whether a key may come after the current one: it is a newer one of those that are known, or was vouched for. One that was changed
        never comes again.
        """
        before = self._current
        if key in self._changed:
            return False
        if key in self._known and (
            before not in self._known or self._known.index(key) > self._known.index(before)
        ):
            return True
        return before is not None and voucher is not None and _has_vouched(before, key, voucher)


def _has_vouched(before: Ed25519PublicKey, key: Ed25519PublicKey, voucher: str) -> bool:
    try:
        before.verify(bytes.fromhex(voucher), _promise(key))
    except (InvalidSignature, ValueError):
        return False
    return True


def _public(key: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    except ValueError:
        raise NoteError("it names no public key") from None


def _promise(key: Ed25519PublicKey) -> bytes:
    return f"governed-agents/key/1\n{public_hex(key)}\n".encode()
