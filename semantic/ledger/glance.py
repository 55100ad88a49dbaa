"""Whether the record is whole as far as can be told at once, for those who are about to be told something from it.

Of a small record that is all that a walk tells. Of a large one it is told whether records are missing, whether the newest checkpoint is signed by a known
key, and whether the newest records follow each other; what was changed in old ones only the walk of `governed-agents verify` tells.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from semantic.errors import LedgerUnavailable
from semantic.ledger.archive import Archive
from semantic.ledger.finding import Finding, Harm, edited
from semantic.ledger.note import NoteError, open_note
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import archives, records, tiles
from semantic.ledger.sealing import Seal, last_seal
from semantic.ledger.stretch import stretch_between
from semantic.ledger.tiles import TILE

# So many are walked in some tenths of a second.
FEW = 10_000
_NEWEST = 1_000


def count_records(connection: sa.Connection, *, after: int = 0, through: int | None = None) -> int:
    """How many records there are with numbers in a range: by their kinds, for which an index is enough."""
    narrowed = [records.c.seq > after, *([] if through is None else [records.c.seq <= through])]
    return sum(
        connection.execute(
            sa.select(sa.func.count()).where(records.c.kind == kind.value, *narrowed)
        ).scalar_one()
        for kind in RecordKind
    )


def glance(
    connection: sa.Connection, keys: Sequence[Ed25519PublicKey], archive: Archive
) -> tuple[Finding, ...]:
    """What is wrong with a large record as far as can be told at once; nothing where nothing is seen."""
    try:
        seal = last_seal(connection)
    except LedgerUnavailable as error:
        return (edited(0, error.message),)
    found = [
        *_of_archive(connection, archive),
        *(_of_seal(connection, seal, keys) if seal else ()),
        *_of_newest(connection),
    ]
    return tuple(found)


def _of_seal(
    connection: sa.Connection, seal: Seal, keys: Sequence[Ed25519PublicKey]
) -> Iterator[Finding]:
    try:
        open_note(seal.note, keys)
    except NoteError as error:
        yield edited(seal.through, error.message)
        return
    month = connection.execute(
        sa.select(archives).order_by(archives.c.through.desc()).limit(1)
    ).one_or_none()
    moved, after = (month.before + month.records, month.through) if month else (0, 0)
    there = moved + count_records(connection, after=after, through=seal.through)
    if there != seal.size:
        harm = Harm.DELETED if there < seal.size else Harm.INSERTED
        yield Finding(
            harm=harm,
            seq=seal.through,
            text=f"the newest checkpoint covers {seal.size:,} records, and there are {there:,}",
        )
    kept: int = connection.execute(sa.select(sa.func.count()).select_from(tiles)).scalar_one()
    if kept < seal.size // TILE:
        text = f"the hashes of {seal.size // TILE * TILE:,} records are to be kept, and are of {kept * TILE:,}"
        yield Finding(harm=Harm.DELETED, seq=seal.through, text=text)


def _of_archive(connection: sa.Connection, archive: Archive) -> Iterator[Finding]:
    """Months that were moved into files, of which the file is gone."""
    for month in archive.months(connection):
        if month.deleted_at is None and not archive.path(month).is_file():
            text = f"the file of {month.month} is not in the archive"
            yield Finding(harm=Harm.DELETED, seq=month.first, text=text)


def _of_newest(connection: sa.Connection) -> Iterator[Finding]:
    newest: int = connection.execute(
        sa.select(sa.func.coalesce(sa.func.max(records.c.seq), 0))
    ).scalar_one()
    stretch = stretch_between(connection, (newest - _NEWEST, newest))
    yield from (*stretch.findings, *stretch.index.findings)
    for stream, runs in Counter(run.stream for run in stretch.runs).items():
        if runs > 1:
            yield edited(newest, f"the newest records of {stream} do not follow each other")
