"""What must be there after a power cut is synced, with the folders that name it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from semantic.durable import write_whole
from semantic.keys import SigningKeys, hex_of
from semantic.ledger import Ledger

Synced = Callable[[Path], bool]


@pytest.fixture
def is_synced(monkeypatch: pytest.MonkeyPatch) -> Synced:
    """Whether a file or folder was synced."""
    synced: set[tuple[int, int]] = set()
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        found = os.fstat(descriptor)
        synced.add((found.st_dev, found.st_ino))

    monkeypatch.setattr(os, "fsync", watched)
    return lambda path: (path.stat().st_dev, path.stat().st_ino) in synced


def test_a_key_and_the_folder_that_names_it(tmp_path: Path, is_synced: Synced) -> None:
    """Without its key a checkpoint that was acknowledged cannot be checked any more."""
    keys = SigningKeys(tmp_path / "state")
    keys.publish(hex_of(keys.current))
    assert is_synced(tmp_path / "state" / "signing.pub")
    assert is_synced(tmp_path / "state" / "signing.key")
    assert is_synced(tmp_path / "state")
    assert is_synced(tmp_path)


def test_every_folder_that_is_made_for_a_ledger(tmp_path: Path, is_synced: Synced) -> None:
    """SQLite syncs the folder of its file and none above it."""
    Ledger.open(tmp_path / "home" / "state" / "ledger.db").close()
    assert is_synced(tmp_path)
    assert is_synced(tmp_path / "home")


def test_a_file_that_is_written_whole_and_the_folder_that_names_it(
    tmp_path: Path, is_synced: Synced
) -> None:
    path = tmp_path / "elsewhere" / "kept"
    write_whole(path, "first")
    write_whole(path, "second")
    assert path.read_text() == "second"
    assert is_synced(path)
    assert is_synced(path.parent)
    assert is_synced(tmp_path)


def test_a_file_that_cannot_be_written_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept"
    write_whole(path, "first")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
