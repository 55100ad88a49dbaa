"""That records are in the ledger, each as a file that proves it offline: https://c2sp.org/tlog-proof, with the record in `extra`."""

import base64
from collections.abc import Collection, Iterable

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
    months = archive.months(connection)
    return {
        record_id: {
            kind: _written(body, _index_of(connection, months, seq, body), tree, seal)
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


def _index_of(
    connection: sa.Connection, months: Iterable[ArchivedMonth], seq: int, body: bytes
) -> int:
    for month in months:
        if month.first <= seq <= month.through:
            leaves = stored_leaves(connection, month.before, month.records)
            return month.before + list(leaves).index(leaf_hash(body))
    return index_of(connection, seq)


def _written(body: bytes, index: int, tree: TiledTree, seal: Seal) -> str:
    hashes = inclusion_proof(tree, index, seal.size)
    lines = [HEADER, f"extra {_base64(body)}", f"index {index}", *map(_base64, hashes)]
    return "\n".join(lines) + f"\n\n{seal.note}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
