"""Months of the record that stand outside the database: each a Parquet file of its records as they were, with a checkpoint beside it.

What is in them, the database says. DuckDB writes and reads them.
"""

import fcntl
import hashlib
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import sqlalchemy as sa

from semantic.durable import make_folder, sync
from semantic.errors import LedgerUnavailable
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import archives, records

_COLUMNS = tuple(records.columns.keys())
_TYPES = {"seq": "BIGINT", "position": "BIGINT", "body": "BLOB"}
_UNFINISHED = ".unfinished-"
_MONTH = re.compile(r"\d{4}-\d{2}")
# Whoever changed a file may have given its columns other types.
_AS_WRITTEN = ", ".join(
    f"coalesce(CAST({name} AS BLOB), ''::BLOB)"
    if name == "body"
    else f"CAST({name} AS {_TYPES.get(name, 'VARCHAR')})"
    for name in _COLUMNS
)
_ROW_GROUP = 20_000
_SETTINGS = {
    "threads": 2,
    "memory_limit": "1GB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@dataclass(frozen=True, kw_only=True)
class ArchivedMonth:
    """Which records a file holds: all from the number `first` to `through`, so many as `records`, after the `before` of the months before it.

    `month` is written like 2026-09, `digest` is the SHA-256 of the file. `deleted_at` is set where the month was deleted.
    """

    month: str
    first: int
    through: int
    before: int
    records: int
    digest: str
    deleted_at: str | None = None

    @property
    def file(self) -> str:
        return f"{self.month}.parquet"

    @property
    def checkpoint_file(self) -> str:
        return f"{self.month}.checkpoint"


class Archive:
    """The files in a folder. Every method raises `LedgerUnavailable` where a file is missing or cannot be read."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise LedgerUnavailable(
                "There is no folder for the archives of this record",
                hint="name a folder for keys: archives stand beside these",
            )
        return self._folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else on this machine moves or deletes months meanwhile, and what was left unfinished is gone. Raises `LedgerUnavailable`."""
        make_folder(self.folder)
        lock = self.folder / ".lock"
        with self._translated(lock), lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LedgerUnavailable(
                    "Another process moves or deletes months of this record", hint="wait for it"
                ) from None
            for left in self.folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left)
            yield

    def months(self, connection: sa.Connection) -> list[ArchivedMonth]:
        """The months that were moved out of the database, the oldest first."""
        rows = connection.execute(sa.select(archives).order_by(archives.c.through)).mappings()
        return [ArchivedMonth(**row) for row in rows]

    def bodies(self, connection: sa.Connection, seqs: Collection[int]) -> dict[int, bytes]:
        """By their numbers, the bodies of archived records."""
        if not seqs:
            return {}
        least, most = min(seqs), max(seqs)
        months = [
            item for item in self._kept(connection) if item.first <= most and least <= item.through
        ]
        # Written out, so that only the parts of a file are read in which they are.
        numbers = ", ".join(str(int(seq)) for seq in seqs)
        return dict(self._select(months, "seq, body", f"seq IN ({numbers})"))

    def with_ids(
        self,
        connection: sa.Connection,
        ids: Collection[str],
        kinds: Collection[RecordKind],
        *,
        after: int = 0,
    ) -> list[tuple[int, str, str, bytes]]:
        """Of archived records with these ids, of these kinds and with a number `after` this one: number, id, kind and body."""
        if not ids:
            return []
        months = [item for item in self._kept(connection) if item.through > after]
        return self._select(
            months,
            "seq, record_id, kind, body",
            "record_id IN (SELECT unnest(?)) AND kind IN (SELECT unnest(?)) AND seq > ? ORDER BY seq",
            list(ids),
            [kind.value for kind in kinds],
            after,
        )

    def since(
        self, connection: sa.Connection, moment: str, kinds: Collection[RecordKind]
    ) -> list[tuple[str, str, bytes]]:
        """Of archived records of these kinds that were written since a moment: reader, subject and body."""
        months = [item for item in self._kept(connection) if item.month >= moment[:7]]
        return self._select(
            months,
            "reader, acting_for, body",
            "recorded_at >= ? AND kind IN (SELECT unnest(?)) ORDER BY seq",
            moment,
            [kind.value for kind in kinds],
        )

    def rows(self, month: ArchivedMonth, at_once: int) -> Iterator[list[tuple[Any, ...]]]:
        """The records of a month as rows of their table, so many at a time."""
        self._refuse_missing([month])
        yield from self.rows_in(self.path(month), at_once)

    def rows_in(self, path: Path, at_once: int) -> Iterator[list[tuple[Any, ...]]]:
        """The records in a file as rows of their table, so many at a time."""
        with self._translated(path), duckdb.connect(config=_SETTINGS) as connection:
            found = connection.execute(
                f"SELECT {_AS_WRITTEN} FROM read_parquet(?) ORDER BY 1", [str(path)]
            )
            while rows := found.fetchmany(at_once):
                yield rows

    @contextmanager
    def written(self, month: str, rows: Iterable[Sequence[Any]]) -> Iterator[Path]:
        """A file with these records, on the disk and not yet in its place: where it is not put there, it is gone afterwards."""
        make_folder(self.folder)
        columns = ", ".join(f"{name} {_TYPES.get(name, 'VARCHAR')}" for name in _COLUMNS)
        with TemporaryDirectory(dir=self.folder, prefix=_UNFINISHED) as folder:
            path = Path(folder) / f"{month}.parquet"
            with (
                self._translated(path),
                duckdb.connect(str(path.with_suffix(".db")), config=_SETTINGS) as connection,
            ):
                connection.execute(f"CREATE TABLE records ({columns})")
                appender = connection.appender("records")
                for row in rows:
                    appender.append_row(*row)
                appender.flush()
                connection.execute(
                    f"COPY (SELECT * FROM records ORDER BY seq) TO {_quoted(path)} "
                    f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP})"
                )
                path.chmod(0o600)
                sync(path)
            yield path

    def put(self, month: ArchivedMonth, written: Path, checkpoint: str) -> None:
        """Puts a file that was written in its place, and the checkpoint of its month beside it."""
        beside = written.with_suffix(".checkpoint")
        with self._translated(self.path(month)):
            beside.write_text(checkpoint)
            sync(beside)
            beside.replace(self.folder / month.checkpoint_file)
            written.replace(self.path(month))
            sync(self.folder)

    def refuse_another(self, month: ArchivedMonth) -> None:
        """Raises `LedgerUnavailable` where the file of a month is not the one that was written."""
        path = self.path(month)
        if self.digest(path) != month.digest:
            raise LedgerUnavailable(
                f"The archive {path} is not the one that was written",
                hint="run `governed-agents verify`, and put the file back from its backup",
            )

    def delete(self, month: ArchivedMonth) -> None:
        """Removes the file of a month. Its checkpoint stays."""
        path = self.path(month)
        with self._translated(path):
            path.unlink(missing_ok=True)
            sync(self.folder)

    def digest(self, path: Path) -> str:
        """The SHA-256 of a file, in hexadecimal."""
        with self._translated(path), path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def path(self, month: ArchivedMonth) -> Path:
        """Where the file of a month is."""
        if not _MONTH.fullmatch(month.month):
            raise LedgerUnavailable(
                f"{month.month!r} is on record as an archived month, and is none"
            )
        return self.folder / month.file

    def _kept(self, connection: sa.Connection) -> list[ArchivedMonth]:
        return [item for item in self.months(connection) if item.deleted_at is None]

    def _select(
        self, months: Sequence[ArchivedMonth], columns: str, condition: str, *parameters: Any
    ) -> list[Any]:
        if not months:
            return []
        self._refuse_missing(months)
        with self._translated(self.folder), duckdb.connect(config=_SETTINGS) as connection:
            found: list[Any] = connection.execute(
                f"SELECT {columns} FROM read_parquet(?) WHERE {condition}",
                [self._files(months), *parameters],
            ).fetchall()
            return found

    def _refuse_missing(self, months: Sequence[ArchivedMonth]) -> None:
        for month in months:
            if not self.path(month).exists():
                raise LedgerUnavailable(
                    f"The records of {month.month} are in {self.path(month)}, which is not there",
                    hint="put the archive back from its backup, where every process of this record can read it",
                )

    def _files(self, months: Sequence[ArchivedMonth]) -> list[str]:
        return [str(self.path(month)) for month in months]

    @contextmanager
    def _translated(self, path: Path) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, OSError) as error:
            raise LedgerUnavailable(
                f"The archive {path} cannot be used: {str(error).splitlines()[0]}",
                hint="mend the folder, or put the file back from its backup",
            ) from error


def said_of(month: ArchivedMonth) -> dict[str, Any]:
    """What the record says of a month that was archived."""
    return {
        item.name: getattr(month, item.name) for item in fields(month) if item.name != "deleted_at"
    }


def month_of(details: Mapping[str, Any]) -> ArchivedMonth:
    """The month that a record tells of. Raises `TypeError` or `KeyError` where it tells of none."""
    found = ArchivedMonth(
        **{
            item.name: details[item.name]
            for item in fields(ArchivedMonth)
            if item.name != "deleted_at"
        }
    )
    numbers = (found.first, found.through, found.before, found.records)
    if not (all(type(number) is int for number in numbers) and isinstance(found.digest, str)):
        raise TypeError("not of an archived month")
    if not (isinstance(found.month, str) and _MONTH.fullmatch(found.month)):
        raise TypeError("not of an archived month")
    return found


def _quoted(path: Path) -> str:
    text = str(path).replace("'", "''")
    return f"'{text}'"
