"""A copy of the record and its keys, as they were at one moment."""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from semantic.durable import make_folder, sync
from semantic.errors import GovernedMetricsError, LedgerUnavailable
from semantic.keys import SigningKeys
from semantic.ledger.ledger import ARCHIVE_FOLDER, Ledger
from semantic.ledger.note import Checkpoint, open_note
from semantic.ledger.sealing import last_seal

KEYS = ("signing.key", "signing.key.before", "signing.pub", "masking.key")
CHECKPOINT = "checkpoint"
_ATTEMPTS = 3


def backup_to(ledger: Ledger, keys: Path, folder: Path) -> Checkpoint:
    """Copies a record in a SQLite file with its archive, its keys from the folder `keys`, and a checkpoint over it, into a new folder.

    Others may go on writing, or change the signing key; what they write meanwhile may be in the copy or not. The copy has the key of its
    own newest checkpoint. A key that was given to the ledger is kept by who gave it, and is not in the copy.

    Raises `LedgerUnavailable`, also where that key is lost, and `GovernedMetricsError` where the folder has something in it, is
    a file, or is in the one of the record.
    """
    if ledger.path is None:
        raise GovernedMetricsError(
            "A record in Postgres is copied with Postgres's own tools",
            hint=f"pg_dump --schema=governed_agents, then copy {keys}: the keys and the archive are there, and in no dump",
        )
    _refuse_within(folder, (keys, ledger.path.parent))
    note = ledger.seal()
    if note is None:
        raise GovernedMetricsError("Nothing is on record yet")
    if ledger.keeps_key:
        _refuse_lost_key(ledger, keys)
    try:
        _make_empty(folder)
        _copy_record(ledger, ledger.path, keys, folder)
        if ledger.archive.folder.exists():
            make_folder(folder / ARCHIVE_FOLDER)
            for file in sorted(ledger.archive.folder.glob("????-??.*")):
                _copy_file(file, folder / ARCHIVE_FOLDER / file.name)
            sync(folder / ARCHIVE_FOLDER)
        (folder / CHECKPOINT).write_text(note)
        sync(folder / CHECKPOINT)
        sync(folder)
    except (OSError, sqlite3.Error) as error:
        raise LedgerUnavailable(f"Cannot copy the record to {folder}: {error}") from error
    return open_note(note, ledger.public_keys)


def _refuse_within(folder: Path, of_record: Sequence[Path]) -> None:
    """A copy in the folder of the record would be lost with it, and be taken for a part of it."""
    for place in of_record:
        if folder.resolve().is_relative_to(place.resolve()):
            raise GovernedMetricsError(
                f"{folder} is in {place}, the folder of the record: the copy would be lost with it",
                hint="name a folder outside of it, best on another machine",
            )


def _make_empty(folder: Path) -> None:
    """Makes the folder of a copy, for its owner only. Raises `GovernedMetricsError` where it is none, or has something in it, and `OSError`."""
    hint = "name a new folder, or an empty one"
    try:
        make_folder(folder)
    except FileExistsError as error:
        raise GovernedMetricsError(f"{error.filename} is no folder", hint=hint) from error
    if any(folder.iterdir()):
        raise GovernedMetricsError(f"{folder} is not empty", hint=hint)
    folder.chmod(0o700)


def _refuse_lost_key(ledger: Ledger, keys: Path) -> None:
    """Raises where the key that was signed with last is not in the folder. Where it was changed meanwhile, it looks for the new one."""
    while (key := _last_key(ledger)) is not None and SigningKeys(keys).matching(key) is None:
        if _last_key(ledger) == key:
            raise LedgerUnavailable(
                f"The record was last signed with the key {key[:16]}..., which is not in {keys}: a copy could not sign",
                hint="restore signing.key from an older backup; where it is lost, run `governed-agents keys replace`",
            )


def _copy_record(ledger: Ledger, path: Path, keys: Path, folder: Path) -> None:
    """The database, and the key of its newest checkpoint: somebody may change that while the database is copied."""
    _copy_keys(keys, folder)
    for _ in range(_ATTEMPTS):
        _copy(path, folder / "ledger.db")
        if not ledger.keeps_key or _can_sign(folder):
            return
        _copy_keys(keys, folder)
        if _can_sign(folder):
            return
    raise LedgerUnavailable(
        "The signing key was changed each time that the record was copied",
        hint=f"remove {folder} and run it again when nobody changes the key",
    )


def _copy_keys(keys: Path, folder: Path) -> None:
    for name in KEYS:
        (folder / name).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            _copy_file(keys / name, folder / name)


def _can_sign(folder: Path) -> bool:
    """Whether the copy has the key of its newest checkpoint. It is the only signing key in it then, also where a change of keys died."""
    copy = Ledger.open(folder / "ledger.db")
    try:
        key = _last_key(copy)
    finally:
        copy.close()
    if key is None:
        return True
    keys = SigningKeys(folder)
    keys.take_back(key)
    if keys.matching(key) is None:
        return False
    keys.forget_before()
    return True


def _last_key(ledger: Ledger) -> str | None:
    """The public key that was signed with last. Checkpoints of older versions name none."""
    with ledger.reading() as connection:
        found = last_seal(connection)
    return found.key if found else None


def _copy_file(path: Path, to: Path) -> None:
    shutil.copy2(path, to)
    sync(to)


def _copy(path: Path, to: Path) -> None:
    """One state of the database, with all that is in its log."""
    source, copy = sqlite3.connect(f"file:{path}?mode=ro", uri=True), sqlite3.connect(to)
    try:
        source.backup(copy)
    finally:
        source.close()
        copy.close()
    to.chmod(0o600)
    sync(to)
