"""Whether the months outside the database are those that the record tells of, and what stayed of them says the same."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic_core import from_json

from semantic.errors import LedgerUnavailable
from semantic.ledger.archive import Archive, ArchivedMonth, month_of, said_of
from semantic.ledger.finding import Finding, Harm, edited
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import STAYS, archives, records
from semantic.ledger.stretch import BODY, NOT_WRITTEN_HERE, WHOLE, look_through
from semantic.ledger.tiles import TILE, hashes_of, tiles_from
from semantic.ledger.tombstone import Tombstone, tombstones_on_record
from semantic.ledger.tree import leaf_hash

_Row = Sequence[Any]
_BEFORE_ALL = -(2**63)
_STAYS = [kind.value for kind in STAYS]


class ArchiveCheck:
    """The archived months that records tell of, the oldest first, and what is wrong with what else tells of them.

    A month is deleted from the moment on that its tombstone is on record: `deleted_through` is the last record of these. `keys` are those
    that are known, the oldest first.
    """

    def __init__(
        self, connection: sa.Connection, archive: Archive, keys: Sequence[Ed25519PublicKey]
    ) -> None:
        self._connection = connection
        self._archive = archive
        self.findings: list[Finding] = []
        self.origin: str | None = None
        self.months: list[ArchivedMonth] = []
        self._compared = _BEFORE_ALL
        self._read_months()
        self._tombstones = {
            tombstone.month.month: (at, tombstone) for at, tombstone in self._read_tombstones(keys)
        }
        self._compare_table()

    @property
    def through(self) -> int:
        """The number of the last record that was archived, 0 where none was."""
        return self.months[-1].through if self.months else 0

    @property
    def deleted_through(self) -> int:
        """The number of the last record that was deleted, 0 where none was."""
        return max((item.through for item in self.months if self.is_deleted(item)), default=0)

    def is_deleted(self, month: ArchivedMonth) -> bool:
        """Whether a month was deleted, and the record says so."""
        return month.month in self._tombstones

    def rows(self, month: ArchivedMonth, at_once: int) -> Iterator[list[tuple[Any, ...]]]:
        """The records of a month, so many at a time; what is wrong with its file is found."""
        try:
            if self._archive.digest(self._archive.path(month)) != month.digest:
                self._find(
                    month.first, f"the file of {month.month} is not the one that was written"
                )
            for rows in self._archive.rows(month, at_once):
                self.findings += self._other_copies(rows)
                yield rows
        except LedgerUnavailable as error:
            text = f"the records of {month.month} cannot be read: {error.message}"
            self.findings.append(Finding(harm=Harm.DELETED, seq=month.first, text=text))

    def leaves(self, month: ArchivedMonth, start: int) -> tuple[list[int], list[bytes]]:
        """What tiles hold of a month after the first `start` of all records: hashes, each with the last number of its tile."""
        end = month.before + month.records
        seqs: list[int] = []
        leaves: list[bytes] = []
        for tile in tiles_from(self._connection, start // TILE):
            first = tile.number * TILE
            if first >= end:
                break
            found = hashes_of(tile.hashes)[max(start - first, 0) : end - first]
            leaves += found
            seqs += [min(tile.through, month.through)] * len(found)
        if len(leaves) < end - start:
            text = f"the hashes of {month.month} are missing"
            self.findings.append(Finding(harm=Harm.DELETED, seq=month.first, text=text))
        if self.is_deleted(month):
            self._compare_what_stayed(month, leaves)
        self._compared = month.through
        return seqs, leaves

    def taken_findings(self) -> list[Finding]:
        """What was found since this was asked last."""
        found, self.findings = self.findings, []
        return found

    def _read_months(self) -> None:
        """Each month begins where the one before ends."""
        through = before = 0
        rows = self._connection.execute(
            sa.select(records.c.seq, BODY)
            .where(records.c.kind == RecordKind.ARCHIVE.value)
            .order_by(records.c.seq)
        ).all()
        for row in rows:
            try:
                details = from_json(row.body)["record"]["details"]
                month = month_of(details)
                origin = str(details["checkpoint"]).partition("\n")[0]
            except NOT_WRITTEN_HERE:
                self._find(row.seq, "it tells of an archived month, and is not what was written")
                continue
            if month.first <= through or month.before != before or month.through < month.first:
                self._find(row.seq, "it tells of an archived month that does not follow the others")
                continue
            self.months.append(month)
            self.origin = self.origin or origin
            through, before = month.through, month.before + month.records

    def _read_tombstones(self, keys: Sequence[Ed25519PublicKey]) -> Iterator[tuple[str, Tombstone]]:
        """Those of archived months, each with when it was written."""
        for seq, at, tombstone in tombstones_on_record(self._connection, keys):
            if tombstone is None:
                text = "it is a tombstone, and not signed with the key of the checkpoint before it"
                self._find(seq, text)
            elif tombstone.month in self.months:
                yield at, tombstone
            else:
                self._find(seq, "it is the tombstone of a month that was not archived")

    def _compare_table(self) -> None:
        """The table of archives, by which they are found, says what the records say."""
        found = {
            row["month"]: row for row in self._connection.execute(sa.select(archives)).mappings()
        }
        for month in self.months:
            row = dict(found.pop(month.month, {}))
            deleted_at = row.pop("deleted_at", None)
            if row != said_of(month):
                self._find(
                    month.first, f"the archive of {month.month} is not found as it is on record"
                )
            if deleted_at is not None and not self.is_deleted(month):
                self._find(
                    month.first, f"{month.month} was deleted, and no signed tombstone says so"
                )
            elif self.is_deleted(month) and deleted_at != self._tombstones[month.month][0]:
                self._find(
                    month.first, f"{month.month} was deleted at another time than is on record"
                )
        for name in found:
            self._find(1, f"an archive of {name} is found that is not on record")

    def _other_copies(self, rows: Sequence[_Row]) -> list[Finding]:
        """What the database still has of archived records is the same; and it has what should stay."""
        between = records.c.seq.between(self._compared + 1, rows[-1][0])
        self._compared = rows[-1][0]
        kept = {
            row.seq: tuple(row)
            for row in self._connection.execute(sa.select(*WHOLE).where(between))
        }
        found = []
        for row in rows:
            copy = kept.pop(row[0], None)
            if copy is not None and copy != tuple(row):
                found.append(
                    edited(row[0], "its copy in the database is another one than in the archive")
                )
            if copy is None and row[2] in _STAYS:
                text = "its copy in the database is missing"
                found.append(Finding(harm=Harm.DELETED, seq=row[0], text=text))
        text = "it is not in the archive of its month"
        return found + [Finding(harm=Harm.INSERTED, seq=seq, text=text) for seq in kept]

    def _compare_what_stayed(self, month: ArchivedMonth, leaves: Sequence[bytes]) -> None:
        """What the database has of a deleted month, and before it, is what its tombstone says that stays, as the tree holds it."""
        rows = self._connection.execute(
            sa.select(*WHOLE)
            .where(records.c.seq.between(self._compared + 1, month.through))
            .order_by(records.c.seq)
        ).all()
        places = {leaf: place for place, leaf in enumerate(leaves)}
        last = -1
        for row in rows:
            place = places.get(leaf_hash(row.body))
            if place is None or place <= last:
                self._find(row.seq, "its hash is not the one that was kept of it in its month")
            else:
                last = place
        stays = set(self._tombstones[month.month][1].stays)
        self.findings += look_through([row for row in rows if row.seq in stays], {}).findings
        text = f"it should have stayed when {month.month} was deleted, and is missing"
        self.findings += [
            Finding(harm=Harm.DELETED, seq=seq, text=text)
            for seq in sorted(stays.difference(row.seq for row in rows))
        ]

    def _find(self, seq: int, text: str) -> None:
        self.findings.append(edited(seq, text))
