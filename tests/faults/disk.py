"""A disk that is watched from below SQLite, and what is left on it when the power goes.

What was written and not synced may be there in part, in pieces of a sector, in any order. A file that was made or removed may be
there or not, until its folder was synced: SQLite does that at the first sync of a new journal or write-ahead log.
"""

import itertools
import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512


@dataclass(frozen=True)
class Made:
    name: str
    file: int


@dataclass(frozen=True)
class Removed:
    name: str


@dataclass(frozen=True)
class Wrote:
    file: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class CutOff:
    file: int
    size: int


@dataclass(frozen=True)
class Synced:
    file: int


@dataclass(frozen=True)
class FolderSynced:
    pass


Event = Made | Removed | Wrote | CutOff | Synced | FolderSynced


class Disk:
    """A folder in which SQLite works, with all that it did to it. `before` is what stood there first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self.events: list[Event] = []
        self._files = itertools.count()
        self._standing = {name: next(self._files) for name in self.before}

    def after_kill(self, folder: Path) -> "Disk":
        """The disk as the next process finds it: it reads all that was written, whether that is on the disk or not."""
        shutil.copytree(self.folder, folder)
        disk = Disk(folder)
        disk.before, disk.events = self.before, list(self.events)
        disk._standing, disk._files = dict(self._standing), self._files
        return disk

    def opened(self, name: str) -> tuple[int, bool]:
        """The file of this name, and whether it was made now."""
        is_new = name not in self._standing
        if is_new:
            self._standing[name] = next(self._files)
            self.events.append(Made(name, self._standing[name]))
        return self._standing[name], is_new

    def removed(self, name: str, *, is_synced: bool) -> None:
        if self._standing.pop(name, None) is not None:
            self.events.append(Removed(name))
        if is_synced:
            self.events.append(FolderSynced())

    def after_power_loss(self, events: int, chance: random.Random) -> dict[str, bytes]:
        """What the files hold where the power went after so many events."""
        remains = _Remains(self.before)
        for event in self.events[:events]:
            remains.add(event)
        return remains.drawn(chance)


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[Wrote | CutOff] = field(default_factory=list)


class _Remains:
    """What is durable of each file and of the folder, and what is not yet."""

    def __init__(self, before: Mapping[str, bytes]) -> None:
        self._files = {
            file: _File(durable=bytearray(data)) for file, data in enumerate(before.values())
        }
        self._names: dict[str, int | None] = {name: file for file, name in enumerate(before)}
        self._unsynced: list[tuple[str, int | None]] = []

    def add(self, event: Event) -> None:
        match event:
            case Made(name, file):
                self._files[file] = _File()
                self._unsynced.append((name, file))
            case Removed(name):
                self._unsynced.append((name, None))
            case Wrote() | CutOff():
                self._files[event.file].unsynced.append(event)
            case Synced(file):
                known = self._files[file]
                for change in known.unsynced:
                    _apply(known.durable, change)
                known.unsynced.clear()
            case FolderSynced():
                self._names.update(self._unsynced)
                self._unsynced.clear()

    def drawn(self, chance: random.Random) -> dict[str, bytes]:
        names = dict(self._names)
        for name in {name for name, _ in self._unsynced}:
            changes = [file for changed, file in self._unsynced if changed == name]
            names[name] = chance.choice([names.get(name), *changes])
        share = chance.choice([0.0, 0.3, 0.6, 0.9, 1.0])
        return {
            name: _torn(self._files[file], share, chance)
            for name, file in sorted(names.items())
            if file is not None
        }


def _torn(file: _File, share: float, chance: random.Random) -> bytes:
    """The file with a share of what was not synced."""
    data = bytearray(file.durable)
    for change in file.unsynced:
        for piece in _sectors(change):
            if chance.random() < share:
                _apply(data, piece)
    return bytes(data)


def _sectors(change: Wrote | CutOff) -> Iterator[Wrote | CutOff]:
    if isinstance(change, CutOff):
        yield change
        return
    start, end = change.offset, change.offset + len(change.data)
    edges = [start, *range(start - start % SECTOR + SECTOR, end, SECTOR), end]
    for begin, stop in itertools.pairwise(edges):
        yield Wrote(change.file, begin, change.data[begin - start : stop - start])


def _apply(data: bytearray, change: Wrote | CutOff) -> None:
    if isinstance(change, CutOff):
        del data[change.size :]
        return
    data.extend(bytes(max(0, change.offset - len(data))))
    data[change.offset : change.offset + len(change.data)] = change.data
