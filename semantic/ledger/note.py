"""Checkpoints as signed notes, in the form of https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note.

governed-agents/01990f3e-...
1000000
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— governed-agents/01990f3e-... Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from semantic.errors import GovernedMetricsError

_ED25519 = b"\x01"


class NoteError(GovernedMetricsError):
    """A note that is no checkpoint, or that nobody signed whose key is known."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """How many records there were, and the hash of the tree over them. `origin` names the ledger."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed(self, key: Ed25519PrivateKey) -> str:
        """The checkpoint as a note with one signature."""
        public = key.public_key()
        signature = key_hash(self.origin, public) + key.sign(self.text().encode())
        return f"{self.text()}\n\N{EM DASH} {self.origin} {base64.b64encode(signature).decode()}\n"


def open_note(note: str, keys: Iterable[Ed25519PublicKey]) -> Checkpoint:
    """The checkpoint of a note that one of these keys has signed. Raises `NoteError`."""
    text, _, signatures = note.partition("\n\n")
    checkpoint = _parsed(f"{text}\n")
    known = {key_hash(checkpoint.origin, key): key for key in keys}
    for line in signatures.splitlines():
        _, _, encoded = line.rpartition(" ")
        try:
            signature = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            continue
        key = known.get(signature[:4])
        if key is not None:
            try:
                key.verify(signature[4:], checkpoint.text().encode())
            except InvalidSignature:
                raise NoteError("The signature of the checkpoint is wrong") from None
            return checkpoint
    raise NoteError(
        "The checkpoint is not signed with a key that is known",
        hint="name the public key that it was signed with, as `governed-agents verify --key`: where the checkpoint is newer than this copy of the record "
        "(rolled back), its key may have come after the copy was made",
    )


def key_hash(name: str, key: Ed25519PublicKey) -> bytes:
    """The four bytes by which a signature tells its key."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:4]


def _parsed(text: str) -> Checkpoint:
    lines = text.split("\n")
    try:
        origin, size, root, end = lines
        checkpoint = Checkpoint(
            origin=origin, size=int(size), root=base64.b64decode(root, validate=True)
        )
    except (ValueError, binascii.Error):
        raise NoteError("This is no checkpoint of a ledger") from None
    if end or checkpoint.text() != text or len(checkpoint.root) != 32:
        raise NoteError("This is no checkpoint of a ledger")
    return checkpoint
