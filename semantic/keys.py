"""Keys that are made on first use and live beside the ledger, in files that only their owner can read."""

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from semantic.durable import make_folder, sync
from semantic.errors import LedgerUnavailable

_MASK_KEY, _MASKING = "masking.key", "masking key"
_KEY, _NEXT, _BEFORE = "signing.key", "signing.key.next", "signing.key.before"
_PUBLIC, _WHAT = "signing.pub", "signing key"
# What to do where a key is in no backup.
_ANOTHER = {
    _WHAT: "move it away and run `governed-agents keys replace`",
    _MASKING: "run `governed-agents keys change-masking --yes`: every value has another pseudonym then",
}


def load_mask_key(folder: Path) -> str:
    """The key that pseudonyms are made with: 32 random bytes in hexadecimal.

    With another key the same value has another pseudonym. Raises `LedgerUnavailable` where it cannot be kept.
    """
    return _load(folder, _MASK_KEY, _MASKING).hex()


def mask_key_id(key: str) -> str:
    """What a masking key is called on record: 16 hexadecimal digits, from which nobody learns it."""
    return hmac.digest(key.encode(), b"governed-agents/masking-key/1", "sha256").hex()[:16]


def change_mask_key(folder: Path) -> str:
    """A new key for pseudonyms, in the place of the one before, of which nothing is kept: also where that is damaged, or lost.

    Raises `LedgerUnavailable` where it cannot be kept. Who has loaded the one before goes on with that.
    """
    following = folder / f"{_MASK_KEY}.next"
    try:
        following.unlink(missing_ok=True)
        made = _load(folder, following.name, _MASKING).hex()
        following.replace(folder / _MASK_KEY)
        sync(folder)
    except OSError as error:
        raise _not_kept(_MASKING, folder, error) from error
    return made


class SigningKeys:
    """The key in a folder that checkpoints are signed with, and the public ones of all that were before it.

    `signing.key` is the private key. `signing.pub` holds the public key of every one that has signed, the oldest first, and outlives the
    private ones.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def current(self) -> Ed25519PrivateKey:
        """The private key, made on first use. Raises `LedgerUnavailable` where it cannot be kept."""
        return _private(_load(self._folder, _KEY, _WHAT))

    @property
    def public(self) -> tuple[Ed25519PublicKey, ...]:
        """Every public key that was published here, the oldest first. No key is made for this."""
        try:
            lines = dict.fromkeys((self._folder / _PUBLIC).read_text().split())
            return tuple(Ed25519PublicKey.from_public_bytes(bytes.fromhex(line)) for line in lines)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise LedgerUnavailable(
                f"{self._folder / _PUBLIC} cannot be read, or is damaged",
                hint="restore it from a backup: it holds the public keys of all checkpoints",
            ) from error

    @property
    def is_there(self) -> bool:
        """Whether the private key has been made."""
        return (self._folder / _KEY).exists()

    def matching(self, public: str) -> Ed25519PrivateKey | None:
        """The private key of a public one in hexadecimal, where it is here. None is made for this.

        Where a process died while it changed the key, it is the one before the current one. Another process that takes that back meanwhile
        is seen on the second look at the current one.
        """
        for name in (_KEY, _BEFORE, _KEY):
            found = self._in(name, public)
            if found is not None:
                return found
        return None

    def change(self) -> Ed25519PrivateKey:
        """Makes a new key the current one, and keeps the one before until `forget_before`. Nobody else may change it at the same time."""
        key, before = self._folder / _KEY, self._folder / _BEFORE
        (self._folder / _NEXT).unlink(missing_ok=True)
        made = _private(_load(self._folder, _NEXT, _WHAT))
        try:
            if key.exists():
                before.unlink(missing_ok=True)
                os.link(key, before)
            (self._folder / _NEXT).replace(key)
            sync(self._folder)
        except OSError as error:
            raise _not_kept(_WHAT, self._folder, error) from error
        return made

    def take_back(self, public: str) -> None:
        """Makes the key before the current one the current one again, where it is the one of this public key: what came after it was made
        and never came on record. Nobody else may change it at the same time.
        """
        if self._in(_KEY, public) is None and self._in(_BEFORE, public):
            (self._folder / _BEFORE).replace(self._folder / _KEY)
            sync(self._folder)

    def forget_before(self) -> None:
        """Removes the key before the current one: the record names the current one now. Nobody else may change it at the same time."""
        (self._folder / _BEFORE).unlink(missing_ok=True)

    def publish(self, public: str) -> None:
        """Keeps a public key that stands in a checkpoint, where it is not kept already."""
        if public in map(public_hex, self.public):
            return
        try:
            with (self._folder / _PUBLIC).open("a") as file:
                file.write(f"{public}\n")
                file.flush()
                os.fsync(file.fileno())
            sync(self._folder)
        except OSError as error:
            raise _not_kept("public key", self._folder, error) from error

    def _in(self, name: str, public: str) -> Ed25519PrivateKey | None:
        """The private key in this file, where it is the one of this public key."""
        read = _read(self._folder / name, _WHAT)
        found = None if read is None else _private(read)
        return found if found is not None and hex_of(found) == public else None


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

    def take_back(self, public: str) -> None:
        """Nothing: it does not change."""

    def publish(self, public: str) -> None:
        """Nothing: it is known to who gave it."""


def public_hex(key: Ed25519PublicKey) -> str:
    """A public key in hexadecimal."""
    return key.public_bytes_raw().hex()


def hex_of(key: Ed25519PrivateKey) -> str:
    """Its public key, in hexadecimal."""
    return public_hex(key.public_key())


def _private(key: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key)


def _load(folder: Path, name: str, what: str) -> bytes:
    """The key in a file, made on first use."""
    path = folder / name
    try:
        make_folder(folder)
        if not path.exists():
            _make_key(path)
    except OSError as error:
        raise _not_kept(what, folder, error) from error
    found = _read(path, what)
    if found is None:
        raise LedgerUnavailable(f"The {what} {path} was removed while it was made")
    return found


def _read(path: Path, what: str) -> bytes | None:
    """32 bytes, in hexadecimal in the file. None where there is no file."""
    try:
        key = path.read_text().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _not_kept(what, path.parent, error) from error
    try:
        found = bytes.fromhex(key)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise LedgerUnavailable(
            f"The {what} {path} is damaged",
            hint=f"restore it from a backup; where none has it, {_ANOTHER[what]}",
        )
    return found


def _not_kept(what: str, folder: Path, error: OSError) -> LedgerUnavailable:
    return LedgerUnavailable(f"Cannot keep the {what} in {folder}: {error.strerror}")


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
