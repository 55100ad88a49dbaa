"""Files and folders that are there after a power cut."""

import os
import secrets
from pathlib import Path


def sync(path: Path) -> None:
    """Has the content of a file, or the names in a folder, written to the disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, where they are missing: each is synced into the one above it. Raises `OSError`."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def write_whole(path: Path, text: str) -> None:
    """Writes a text to a file, so that what was there before or the whole text is found there, whenever the power goes. Raises `OSError`."""
    make_folder(path.parent)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        fresh.write_text(text)
        sync(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync(path.parent)
