"""Walks the whole record and says where it was changed.

Each body is hashed and compared with what stands after it: the next record of its stream, the tile that holds its hash, and the next
checkpoint, which is signed. What comes after the last checkpoint that is kept elsewhere is proven by nothing outside this file.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic_core import from_json

from semantic.ledger.archive import Archive, ArchivedMonth
from semantic.ledger.archive_check import ArchiveCheck
from semantic.ledger.finding import Finding, Harm
from semantic.ledger.index_check import IndexCheck, indexed_between
from semantic.ledger.note import Checkpoint, NoteError
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records
from semantic.ledger.sealing import Seal, origin_of_first, seal_of
from semantic.ledger.signatures import Signatures, UnvouchedKey
from semantic.ledger.stretch import (
    BODY,
    NOT_WRITTEN_HERE,
    Part,
    Run,
    Stretch,
    look_through,
    parts_of,
    stretch_between,
)
from semantic.ledger.tiles import TILE, hashes_of, tiles_from
from semantic.ledger.tree import Frontier, Leaves, root_hash

AT_ONCE = 5_000
Look = Callable[[Iterable[Part]], Iterable[Stretch]]
_NO_ARCHIVE = Archive(None)
# Of how many missing records it is kept where they belong, should they come later.
_MOST_MISSING = 100_000


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a walk found: `findings` in the order of the records, none where all is whole.

    `exposed` counts the records after the last checkpoint, or after the one that was kept elsewhere where that was given.
    """

    records: int
    streams: int
    checkpoints: int
    exposed: int
    findings: tuple[Finding, ...]

    @property
    def is_whole(self) -> bool:
        return not self.findings


def verify(
    connection: sa.Connection,
    keys: Sequence[Ed25519PublicKey],
    *,
    highest_number: int,
    against: Checkpoint | None = None,
    archive: Archive = _NO_ARCHIVE,
    at_once: int = AT_ONCE,
    look: Look | None = None,
) -> Verified:
    """Walks all records, so many `at_once`, those in the archive first. `against` is a checkpoint that was kept elsewhere; its signature
    has been checked.

    `highest_number` is that of the last record ever written, 0 where it is not known. `look` looks through parts of what is in the database, by
    default one after the other on this connection.
    """
    walk = _Walk(connection, keys, highest_number, against, archive)
    walk.run(at_once, look or partial(map, partial(stretch_between, connection)))
    return walk.verified()


class _Walk:
    def __init__(
        self,
        connection: sa.Connection,
        keys: Sequence[Ed25519PublicKey],
        highest_number: int,
        against: Checkpoint | None,
        archive: Archive,
    ) -> None:
        self._connection = connection
        self._signatures = Signatures(keys)
        self._unvouched: set[str] = set()
        self._highest = highest_number
        self._index = IndexCheck(connection)
        self._against = against
        self._size = 0
        self._tile_roots = Frontier()
        self._tile_seqs: list[int] = []
        self._tile_leaves: list[bytes] = []
        self._tiles_compare = True
        self._ends: dict[str, tuple[int, int, str]] = {}
        self._missing: dict[tuple[str, int], Finding] = {}
        self._findings: list[Finding] = []
        self._first_found: int | None = None
        self._last_sealed = 0
        self._sealed_until = 0
        self._last = 0
        self._sealed: dict[int, list[tuple[int, Seal]]] = {}
        for seq, seal in _seals(connection):
            if seal is None:
                self._find(Harm.EDITED, seq, "it is a checkpoint, and not what was written")
            else:
                self._sealed.setdefault(seal.through, []).append((seq, seal))
        self._checkpoints = sum(map(len, self._sealed.values()))
        self._sealed_places = sorted(self._sealed)
        self._archive = ArchiveCheck(connection, archive, keys)

    def run(self, at_once: int, look: Look) -> None:
        tiled = tiles_from(self._connection, 0)
        for month in self._archive.months:
            self._take_month(month, tiled, at_once)
        self._add_all(self._archive.taken_findings())
        for stretch in look(parts_of(self._connection, self._archive.through or None, at_once)):
            if stretch.seqs:
                self._take(stretch, tiled)
        deleted = self._archive.deleted_through
        self._add_all(self._index.end(self._last, deleted_through=deleted))
        self._look_for_a_missing_end(tiled)

    def verified(self) -> Verified:
        anchor = self._against.size if self._against else self._last_sealed
        return Verified(
            records=self._size,
            streams=len(self._ends),
            checkpoints=self._checkpoints,
            exposed=max(self._size - anchor, 0),
            findings=tuple(sorted(self._findings, key=lambda item: item.seq)),
        )

    def _look_through(self, rows: Sequence[Sequence[Any]]) -> Stretch:
        return look_through(rows, indexed_between(self._connection, rows[0][0], rows[-1][0]))

    def _take_month(self, month: ArchivedMonth, tiled: Iterator[Any], at_once: int) -> None:
        """Walks the file of a month; where it was deleted, or cannot be read to its end, what the tree holds of it."""
        if not self._archive.is_deleted(month):
            for rows in self._archive.rows(month, at_once):
                self._take(self._look_through(rows), tiled)
        if self._size < month.before + month.records:
            self._open_seals(month.through)
            seqs, leaves = self._archive.leaves(month, self._size)
            if leaves:
                self._take(Stretch(seqs=seqs, leaves=leaves), tiled)
            self._last = month.through
        self._add_all(self._archive.taken_findings())

    def _open_seals(self, through: int) -> None:
        """Looks who signed checkpoints of which the records are not there: what they cover, later ones cover as well."""
        for place in self._sealed_places[: bisect_right(self._sealed_places, through)]:
            for seq, seal in self._sealed.pop(place, ()):
                if self._open(seq, seal) is not None:
                    self._last_sealed, self._sealed_until = seal.size, seal.through

    def _take(self, stretch: Stretch, tiled: Iterator[Any]) -> None:
        self._add_all(stretch.findings)
        self._add_all(self._index.take(stretch.index))
        for run in stretch.runs:
            self._follow(stretch, run)
        start = 0
        for end in self._ends_within(stretch):
            self._tile_seqs += stretch.seqs[start:end]
            self._tile_leaves += stretch.leaves[start:end]
            self._size += end - start
            start = end
            self._last = stretch.seqs[end - 1]
            if len(self._tile_leaves) == TILE:
                self._close_tile(next(tiled, None))
            for seq, seal in self._sealed.pop(self._last, ()):
                self._check_seal(seq, seal)
            if self._against and self._size == self._against.size:
                self._check_anchor(self._last, self._against)

    def _ends_within(self, stretch: Stretch) -> list[int]:
        """After how many records of a stretch something is to be compared: a tile, a checkpoint, the one that was kept elsewhere."""
        seqs, count = stretch.seqs, len(stretch.seqs)
        tiles_end = range(TILE - self._size % TILE, count, TILE)
        sealed = self._sealed_places[
            bisect_left(self._sealed_places, seqs[0]) : bisect_right(self._sealed_places, seqs[-1])
        ]
        ends = {count, *tiles_end, *(bisect_right(seqs, through) for through in sealed)}
        if self._against and self._size < self._against.size <= self._size + count:
            ends.add(self._against.size - self._size)
        return sorted(ends)

    def _follow(self, stretch: Stretch, run: Run) -> None:
        """The first of a run holds the hash of the last one before it in its stream."""
        _, last, hash_ = self._ends.get(run.stream, (0, 0, ""))
        if (run.first, run.previous) == (last + 1, hash_):
            position, place = run.first + len(run.places) - 1, run.places[-1]
            self._ends[run.stream] = stretch.seqs[place], position, stretch.leaves[place].hex()
            return
        previous = run.previous
        for position, place in enumerate(run.places, start=run.first):
            self._follow_one(
                stretch.seqs[place], run.stream, position, previous, stretch.leaves[place].hex()
            )
            previous = stretch.leaves[place].hex()

    def _follow_one(self, seq: int, stream: str, position: int, previous: Any, leaf: str) -> None:
        before, last, hash_ = self._ends.get(stream, (seq, 0, ""))
        if position > last + 1 and not self._begins_after_deletion(stream):
            missing = range(last + 1, position)
            finding = Finding(
                harm=Harm.DELETED,
                seq=seq,
                text=f"{len(missing):,} records of its stream are missing before it",
            )
            self._missing.update(
                dict.fromkeys(((stream, place) for place in missing[:_MOST_MISSING]), finding)
            )
            self._add(finding)
        elif position <= last:
            self._found_later(seq, stream, position)
            return
        elif position == last + 1 and previous != hash_:
            self._find(
                Harm.EDITED, before, f"it is not the one that record {seq} was written after"
            )
        self._ends[stream] = seq, position, leaf

    def _begins_after_deletion(self, stream: str) -> bool:
        """Whether what comes before in a stream may have been deleted with its month. That nothing is missing since, the tree says."""
        return bool(self._archive.deleted_through) and stream not in self._ends

    def _found_later(self, seq: int, stream: str, position: int) -> None:
        """What was missing stands in another place."""
        finding = self._missing.pop((stream, position), None)
        if finding in self._findings:
            self._findings.remove(finding)
            seq = finding.seq
        self._find(Harm.REORDERED, seq, "it stands before one that was written earlier")

    def _close_tile(self, stored: Any) -> None:
        """Compares the tile that is stored with what it should be: the one of the last 256 records."""
        seqs, self._tile_seqs = self._tile_seqs, []
        leaves, self._tile_leaves = self._tile_leaves, []
        root = root_hash(Leaves(leaves), TILE)
        self._tile_roots.add(root)
        if not self._tiles_compare:
            return
        last = seqs[-1]
        if stored is None:
            if last <= max(self._sealed_places, default=0):
                self._refuse_tiles(Harm.DELETED, last, "the tile that ends with it is missing")
            return
        hashes = hashes_of(stored.hashes)
        for place, (seq, leaf, kept) in enumerate(zip(seqs, leaves, hashes, strict=False)):
            if leaf != kept:
                harm = _harm_between(leaves[place:], hashes[place:])
                self._refuse_tiles(harm, seq, "its hash is not the one that was kept of it")
                return
        number = self._size // TILE - 1
        if (stored.number, stored.through, stored.root, hashes) != (number, last, root, leaves):
            self._refuse_tiles(Harm.EDITED, last, "the tile that ends with it is another one")

    def _refuse_tiles(self, harm: Harm, seq: int, text: str) -> None:
        """Those that come after cannot be compared any more."""
        self._find(harm, seq, text)
        self._tiles_compare = False

    def _check_seal(self, seq: int, seal: Seal) -> None:
        checkpoint = self._open(seq, seal)
        if checkpoint is None:
            return
        if not self._has_found(seal.through):
            self._check_root(checkpoint, f"the checkpoint in record {seq}", self._sealed_until + 1)
        self._last_sealed, self._sealed_until = checkpoint.size, seal.through

    def _open(self, seq: int, seal: Seal) -> Checkpoint | None:
        try:
            return self._signatures.open(seal)
        except UnvouchedKey as error:
            # Each one with this key would say the same.
            if error.key not in self._unvouched:
                self._unvouched.add(error.key)
                self._find(Harm.EDITED, seq, f"it is a checkpoint, and {error.message}")
            return None
        except NoteError as error:
            self._find(Harm.EDITED, seq, f"it is a checkpoint, and {error.message}")
            return None

    def _check_anchor(self, seq: int, anchor: Checkpoint) -> None:
        if not self._has_found(seq):
            self._check_root(anchor, "the checkpoint that was kept elsewhere", seq)

    def _check_root(self, checkpoint: Checkpoint, what: str, seq: int) -> None:
        """`seq` is what is said to be the first record where another history begins."""
        if checkpoint.size > self._size:
            gone = checkpoint.size - self._size
            self._find(Harm.DELETED, seq, f"{what} covers {gone:,} records more than there are")
        elif checkpoint.size < self._size:
            more = self._size - checkpoint.size
            self._find(Harm.INSERTED, seq, f"{what} covers {more:,} records fewer than there are")
        elif checkpoint.root != self._tile_roots.root(self._tile_leaves):
            self._find(
                Harm.EDITED, seq, f"{what} is of other records, from this one or a later one on"
            )

    def _look_for_a_missing_end(self, tiled: Iterator[Any]) -> None:
        last = self._last
        for through, seals in self._sealed.items():
            self._find(
                Harm.DELETED, through, f"it is missing, and record {seals[0][0]} is its checkpoint"
            )
        more = [item.through for item in tiled]
        if more and more[0] <= last and self._tiles_compare:
            self._refuse_tiles(Harm.INSERTED, last, "there are more tiles than records for them")
        numbered = max([self._highest, *more])
        if numbered > last:
            self._find(
                Harm.TRUNCATED,
                last + 1,
                f"it and all until {numbered} were written and are missing",
            )
        anchor = self._against
        if anchor is None:
            return
        if self._size and anchor.origin != self._origin():
            self._find(Harm.ROLLED_BACK, 1, "the checkpoint is of another ledger than this")
        elif anchor.size > self._size and numbered <= last:
            self._find(
                Harm.ROLLED_BACK,
                last + 1,
                f"the checkpoint covers {anchor.size:,} records, and there are {self._size:,}: an older copy "
                "stands here, or the end was cut off",
            )

    def _find(self, harm: Harm, seq: int, text: str) -> None:
        self._add(Finding(harm=harm, seq=seq, text=text))

    def _add(self, finding: Finding) -> None:
        self._findings.append(finding)
        if self._first_found is None or finding.seq < self._first_found:
            self._first_found = finding.seq

    def _add_all(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._add(finding)

    def _has_found(self, until: int) -> bool:
        """Whether anything was found of the records until this one: then a hash over them tells nothing more."""
        return self._first_found is not None and self._first_found <= until

    def _origin(self) -> str:
        """The name of the ledger, by its first record."""
        return self._archive.origin or origin_of_first(self._connection)


def _harm_between(found: Sequence[bytes], kept: Sequence[bytes]) -> Harm:
    """What makes these hashes, the first of which differ, of those that were kept."""
    if sorted(found) == sorted(kept):
        return Harm.REORDERED
    if found[0] in kept:
        return Harm.DELETED
    return Harm.INSERTED if kept[0] in found else Harm.EDITED


def _seals(connection: sa.Connection) -> Iterable[tuple[int, Seal | None]]:
    """Every checkpoint with the number of its record, None for one that cannot be read."""
    rows = connection.execute(
        sa.select(records.c.seq, BODY)
        .where(records.c.kind == RecordKind.CHECKPOINT.value)
        .order_by(records.c.seq)
    )
    for row in rows:
        try:
            yield row.seq, seal_of(from_json(row.body)["record"]["details"])
        except NOT_WRITTEN_HERE:
            yield row.seq, None
