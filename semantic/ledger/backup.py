"""A copy of the record and its keys, as they were at one moment."""

import shutil
import sqlite3
from pathlib import Path

from semantic.durable import make_folder, sync
from semantic.errors import GovernedMetricsError, LedgerUnavailable
from semantic.ledger.ledger import ARCHIVE_FOLDER, Ledger
from semantic.ledger.note import Checkpoint, open_note

KEYS = ("signing.key", "signing.pub", "masking.key")
CHECKPOINT = "checkpoint"


def backup_to(ledger: Ledger, keys: Path, folder: Path) -> Checkpoint:
    """Copies a record in a SQLite file with its archive, its keys from the folder `keys`, and a checkpoint over it, into a new folder.

    Others may go on writing; what they write meanwhile may be in the copy or not. Raises `LedgerUnavailable`, and
    `GovernedMetricsError` where the folder has something in it.
    """
    if ledger.path is None:
        raise GovernedMetricsError(
            "A record in Postgres is copied with Postgres's own tools",
            hint="pg_dump --schema=governed_agents, and copy the keys from its folder",
        )
    note = ledger.seal()
    if note is None:
        raise GovernedMetricsError("Nothing is on record yet")
    try:
        make_folder(folder)
        if any(folder.iterdir()):
            raise GovernedMetricsError(f"{folder} is not empty", hint="name a new folder")
        folder.chmod(0o700)
        _copy(ledger.path, folder / "ledger.db")
        for name in KEYS:
            if (keys / name).exists():
                _copy_file(keys / name, folder / name)
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
