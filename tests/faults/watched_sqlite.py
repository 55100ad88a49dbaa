"""SQLite on a watched disk, which can be made to fail, and a ledger that is kept by it."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.ledger import Ledger
from semantic.ledger.sqlite_store import SqliteStore
from tests.faults import apsw_dbapi
from tests.faults.disk import CutOff, Disk, FolderSynced, Synced, Wrote

_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_NAMES = itertools.count()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Faults:
    """What fails on a disk. Nothing, until something is set."""

    def __init__(self) -> None:
        self.failing_syncs: Sequence[str] = ()
        self.room_in_log: int | None = None

    def sync(self, disk: Disk, name: str, file: int) -> None:
        """Fails for files whose names end like this. The kernel then takes what was not written for written."""
        if not name.endswith(tuple(self.failing_syncs)):
            return
        kept = [
            event
            for event in disk.events[self._last_sync(disk, file) :]
            if not (isinstance(event, Wrote | CutOff) and event.file == file)
        ]
        disk.events[self._last_sync(disk, file) :] = kept
        raise _failure(apsw.IOError, apsw.SQLITE_IOERR_FSYNC)

    def write(self, name: str, end: int) -> None:
        """Fails where the write-ahead log would grow beyond so many bytes."""
        if self.room_in_log is not None and name.endswith("-wal") and end > self.room_in_log:
            raise _failure(apsw.FullError, apsw.SQLITE_FULL)

    def _last_sync(self, disk: Disk, file: int) -> int:
        places = [place for place, event in enumerate(disk.events) if event == Synced(file)]
        return places[-1] + 1 if places else 0


def _failure(kind: type[apsw.Error], code: int) -> apsw.Error:
    error = kind("of a disk that was made to fail")
    error.extendedresult = code
    return error


@contextmanager
def sqlite_on(
    disk: Disk, path: Path, faults: Faults | None = None, *, checkpoint_pages: int = 1000
) -> Iterator[sa.Engine]:
    """An engine whose SQLite works on a watched disk. It has one connection, which keeps the file to itself: such a file system has
    no shared memory.
    """
    name = f"watched-{next(_NAMES)}"
    vfs = _WatchedVFS(name, disk, faults or Faults())

    def connect() -> apsw_dbapi.Connection:
        connection = apsw_dbapi.connect(str(path), name)
        connection.cursor().execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.cursor().execute(f"PRAGMA wal_autocheckpoint={checkpoint_pages}")
        return connection

    engine = sa.create_engine(
        "sqlite://", module=apsw_dbapi, creator=connect, poolclass=sa.pool.StaticPool
    )
    try:
        yield engine
    finally:
        engine.dispose()
        vfs.unregister()


@contextmanager
def ledger_on(
    disk: Disk, faults: Faults | None = None, *, checkpoint_pages: int = 1000
) -> Iterator[Ledger]:
    """A ledger on a watched disk, which is well again where it is closed."""
    faults, path = faults or Faults(), disk.folder / "ledger.db"
    with sqlite_on(disk, path, faults, checkpoint_pages=checkpoint_pages) as engine:
        ledger = Ledger(SqliteStore(path, engine=engine), key=KEY)
        try:
            yield ledger
        finally:
            faults.failing_syncs = ()
            ledger.close()


class _WatchedVFS(apsw.VFS):
    def __init__(self, name: str, disk: Disk, faults: Faults) -> None:
        super().__init__(name, "")
        self._disk = disk
        self._faults = faults

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        if name is None:
            return apsw.VFSFile("", name, flags)
        return _WatchedFile(self._disk, self._faults, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(name, syncdir)
        self._disk.removed(Path(name).name, is_synced=bool(syncdir))


class _WatchedFile(apsw.VFSFile):
    def __init__(self, disk: Disk, faults: Faults, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        path = name if isinstance(name, str) else name.filename()
        self._disk, self._faults, self._name = disk, faults, Path(path).name
        self._file, is_new = disk.opened(self._name)
        self._syncs_folder = is_new and bool(flags[0] & _JOURNALS)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._faults.write(self._name, offset + len(data))
        super().xWrite(data, offset)
        self._disk.events.append(Wrote(self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self._disk.events.append(CutOff(self._file, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._faults.sync(self._disk, self._name, self._file)
        self._disk.events.append(Synced(self._file))
        if self._syncs_folder:
            self._disk.events.append(FolderSynced())
            self._syncs_folder = False
