"""That records are in the ledger, each as a file that proves it offline: https://c2sp.org/tlog-proof, with the record in `extra`."""

import base64
from collections.abc import Collection, Iterable
from functools import cached_property

import sqlalchemy as sa

from semantic.ledger.archive import Archive, ArchivedMonth
from semantic.ledger.parts import in_parts
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records
from semantic.ledger.sealing import Seal, last_seal
from semantic.ledger.tiles import TiledTree, index_of, stored_leaves
from semantic.ledger.tree import inclusion_proof, leaf_hash

HEADER = "c2sp.org/tlog-proof@v1"


def prove(
    archive: Archive, connection: sa.Connection, record_ids: Collection[str]
) -> dict[str, dict[str, str]]:
    """By id and kind of record, a proof for each record with one of these ids that the newest checkpoint covers, all against that checkpoint."""
    seal = last_seal(connection)
    if seal is None:
        return {}
    tree = TiledTree(connection, seal.size)
    archived = [_ArchivedLeaves(connection, month) for month in archive.months(connection)]
    return {
        record_id: {
            kind: _written(body, _index_of(connection, archived, seq, body), tree, seal)
            for kind, (seq, body) in sorted(found.items(), key=lambda item: item[1])
        }
        for record_id, found in _bodies(archive, connection, record_ids, seal.through).items()
    }


def _bodies(
    archive: Archive, connection: sa.Connection, record_ids: Collection[str], through: int
) -> dict[str, dict[str, tuple[int, bytes]]]:
    """By id and kind, the number and the bytes of each record."""
    found: dict[str, dict[str, tuple[int, bytes]]] = {}
    for some in in_parts(sorted(set(record_ids))):
        rows = connection.execute(
            sa.select(records.c.record_id, records.c.seq, records.c.kind, records.c.body).where(
                records.c.record_id.in_(some), records.c.seq <= through
            )
        )
        for row in rows:
            found.setdefault(row.record_id, {})[row.kind] = row.seq, row.body
    # What ended here may have begun in a month that was moved.
    moved = [it for it in record_ids if found.get(it, {}).keys() <= {RecordKind.OUTCOME.value}]
    for seq, record_id, kind, body in archive.with_ids(connection, moved, list(RecordKind)):
        found.setdefault(record_id, {}).setdefault(kind, (seq, body))
    return found


class _ArchivedLeaves:
    """Where the records of a month that was moved stand in the tree, looked up once for all of them."""

    def __init__(self, connection: sa.Connection, month: ArchivedMonth) -> None:
        self._connection = connection
        self.month = month

    @cached_property
    def places(self) -> dict[bytes, int]:
        """By the hash of each leaf, its place."""
        before = self.month.before
        leaves = stored_leaves(self._connection, before, self.month.records)
        return {leaf: before + place for place, leaf in enumerate(leaves)}


def _index_of(
    connection: sa.Connection, archived: Iterable[_ArchivedLeaves], seq: int, body: bytes
) -> int:
    for item in archived:
        if item.month.first <= seq <= item.month.through:
            return item.places[leaf_hash(body)]
    return index_of(connection, seq)


def _written(body: bytes, index: int, tree: TiledTree, seal: Seal) -> str:
    hashes = inclusion_proof(tree, index, seal.size)
    lines = [HEADER, f"extra {_base64(body)}", f"index {index}", *map(_base64, hashes)]
    return "\n".join(lines) + f"\n\n{seal.note}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
