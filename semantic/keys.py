"""Keys that are made on first use and live beside the ledger, in files that only their owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from semantic.durable import make_folder, sync
from semantic.errors import LedgerUnavailable

_NEXT, _BEFORE = "signing.key.next", "signing.key.before"


def load_mask_key(folder: Path) -> str:
    """The key that pseudonyms are made with: 32 random bytes in hexadecimal.

    With another key the same value has another pseudonym. Raises `LedgerUnavailable` where it cannot be kept.
    """
    return _load(folder, "masking.key", "masking key").hex()


class SigningKeys:
    """The key in a folder that checkpoints are signed with, and the public ones of all that were before it.

    `signing.key` is the private key. `signing.pub` holds every public key, the oldest first, and outlives the private ones.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._current: Ed25519PrivateKey | None = None

    @property
    def current(self) -> Ed25519PrivateKey:
        """The private key, made on first use. Raises `LedgerUnavailable` where it cannot be kept."""
        if self._current is None:
            self._current = self._loaded("signing.key")
            self._publish(self._current)
        return self._current

    @property
    def public(self) -> tuple[Ed25519PublicKey, ...]:
        """Every public key that is known here, the oldest first. No key is made for this."""
        if self._current is None and (self._folder / "signing.key").exists():
            _ = self.current
        return self._published()

    @property
    def is_there(self) -> bool:
        """Whether the private key has been made."""
        return self._current is not None or (self._folder / "signing.key").exists()

    def matching(self, public: str) -> Ed25519PrivateKey | None:
        """The private key of a public one in hexadecimal, where it is here: another process may have changed the key meanwhile, or have
        died while it did.
        """
        for look in (self._reload, self._take_back):
            if hex_of(self.current) == public:
                return self.current
            look()
        return self.current if hex_of(self.current) == public else None

    def change(self) -> Ed25519PrivateKey:
        """Makes a new key the current one, and keeps the one before until `forget_before`. Nobody else may change it at the same time."""
        key, before = self._folder / "signing.key", self._folder / _BEFORE
        (self._folder / _NEXT).unlink(missing_ok=True)
        made = self._loaded(_NEXT)
        self._publish(made)
        try:
            if key.exists():
                before.unlink(missing_ok=True)
                os.link(key, before)
            (self._folder / _NEXT).replace(key)
            sync(self._folder)
        except OSError as error:
            raise LedgerUnavailable(
                f"Cannot keep the signing key in {self._folder}: {error.strerror}"
            ) from error
        self._current = made
        return made

    def forget_before(self) -> None:
        """Removes the key before the current one: the record names the current one now."""
        (self._folder / _BEFORE).unlink(missing_ok=True)

    def _reload(self) -> None:
        self._current = None

    def _take_back(self) -> None:
        """The key before the current one, where that was made and never came on record."""
        if (self._folder / _BEFORE).exists():
            (self._folder / _BEFORE).replace(self._folder / "signing.key")
            sync(self._folder)
        self._reload()

    def _loaded(self, name: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(_load(self._folder, name, "signing key"))

    def _published(self) -> tuple[Ed25519PublicKey, ...]:
        try:
            lines = (self._folder / "signing.pub").read_text().split()
            return tuple(Ed25519PublicKey.from_public_bytes(bytes.fromhex(line)) for line in lines)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise LedgerUnavailable(
                f"{self._folder / 'signing.pub'} cannot be read, or is damaged",
                hint="restore it from a backup: it holds the public keys of all checkpoints",
            ) from error

    def _publish(self, key: Ed25519PrivateKey) -> None:
        if key.public_key() in self._published():
            return
        try:
            with (self._folder / "signing.pub").open("a") as file:
                file.write(f"{hex_of(key)}\n")
                file.flush()
                os.fsync(file.fileno())
            sync(self._folder)
        except OSError as error:
            raise LedgerUnavailable(
                f"Cannot keep the public key in {self._folder}: {error.strerror}"
            ) from error


class GivenKey:
    """One key that is not kept in a folder."""

    is_there = True

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.current = key

    @property
    def public(self) -> tuple[Ed25519PublicKey, ...]:
        return (self.current.public_key(),)

    def matching(self, public: str) -> Ed25519PrivateKey | None:
        """The key, where it is the one of this public key."""
        return self.current if hex_of(self.current) == public else None


def hex_of(key: Ed25519PrivateKey) -> str:
    """Its public key, in hexadecimal."""
    return key.public_key().public_bytes_raw().hex()


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
