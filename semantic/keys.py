"""Keys that are made on first use and live beside the ledger, in files that only their owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.durable import make_folder, sync
from semantic.errors import LedgerUnavailable


def load_mask_key(folder: Path) -> str:
    """The key that pseudonyms are made with: 32 random bytes in hexadecimal.

    With another key the same value has another pseudonym. Raises `LedgerUnavailable` where it cannot be kept.
    """
    return _load(folder, "masking.key", "masking key").hex()


def load_signing_key(folder: Path) -> Ed25519PrivateKey:
    """The key that checkpoints are signed with. Raises `LedgerUnavailable` where it cannot be kept."""
    return Ed25519PrivateKey.from_private_bytes(_load(folder, "signing.key", "signing key"))


def _load(folder: Path, name: str, what: str) -> bytes:
    """32 random bytes, in hexadecimal in the file."""
    path = folder / name
    try:
        make_folder(folder)
        if not path.exists():
            _make_key(path)
        key = path.read_text().strip()
    except OSError as error:
        raise LedgerUnavailable(f"Cannot keep the {what} in {folder}: {error.strerror}") from error
    try:
        found = bytes.fromhex(key)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise LedgerUnavailable(
            f"The {what} {path} is damaged",
            hint="restore it from a backup, or remove it for a new one",
        )
    return found


def _make_key(path: Path) -> None:
    """Writes a key beside `path` and links it there whole. Of several processes that do so at once, the first one wins."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()
    sync(path.parent)
