"""Checks, offline and without this package, that a record was in a ledger when a checkpoint was signed.

    python verify_proof.py READ.tlog-proof PUBLIC_KEY_IN_HEX

Needs `cryptography` for the signature. The file has the form of https://c2sp.org/tlog-proof, with the record in `extra`.
"""

import base64
import hashlib
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify(proof: str, public_key: bytes) -> bytes:
    """The record. Raises `ValueError` where the proof proves nothing."""
    head, note, signatures = proof.split("\n\n")
    version, extra, leaf, *path = head.split("\n")
    if version != "c2sp.org/tlog-proof@v1":
        raise ValueError("this is no proof")
    origin, size, root = note.split("\n")
    check_signature(f"{note}\n", signatures, origin, public_key)
    record = base64.b64decode(extra.removeprefix("extra "))
    found, index, last = sha256(b"\x00" + record), int(leaf.removeprefix("index ")), int(size) - 1
    for beside in map(base64.b64decode, path):
        if index % 2 or index == last:
            found = sha256(b"\x01" + beside + found)
            while index % 2 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            found = sha256(b"\x01" + found + beside)
        index, last = index >> 1, last >> 1
    if last != 0 or found != base64.b64decode(root):
        raise ValueError("the record is not in the ledger that was signed")
    return record


def check_signature(text: str, signatures: str, origin: str, public_key: bytes) -> None:
    key, name = Ed25519PublicKey.from_public_bytes(public_key), origin.encode()
    for line in signatures.splitlines():
        signature = base64.b64decode(line.rpartition(" ")[2])
        if signature[:4] == sha256(name + b"\n\x01" + public_key)[:4]:
            try:
                return key.verify(signature[4:], text.encode())
            except InvalidSignature:
                break
    raise ValueError("the checkpoint is not signed with this key")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


if __name__ == "__main__":
    try:
        print(verify(Path(sys.argv[1]).read_text(), bytes.fromhex(sys.argv[2])).decode())
    except (IndexError, OSError, ValueError) as error:
        sys.exit(f"NOT PROVEN: {error}; usage: verify_proof.py PROOF PUBLIC_KEY")
