"""That one record is in the ledger, as a file that proves it offline: https://c2sp.org/tlog-proof, with the record in `extra`."""

import base64
from collections.abc import Iterable

import sqlalchemy as sa

from semantic.ledger.archive import Archive, ArchivedMonth
from semantic.ledger.record import RecordKind
from semantic.ledger.schema import records
from semantic.ledger.sealing import last_seal
from semantic.ledger.tiles import TiledTree, index_of, stored_leaves
from semantic.ledger.tree import inclusion_proof, leaf_hash

HEADER = "c2sp.org/tlog-proof@v1"


def prove(archive: Archive, connection: sa.Connection, record_id: str) -> dict[str, str]:
    """By kind of record, a proof for each record with this id that the newest checkpoint covers."""
    seal = last_seal(connection)
    if seal is None:
        return {}
    tree = TiledTree(connection, seal.size)
    rows = connection.execute(
        sa.select(records.c.seq, records.c.kind, records.c.body)
        .where(records.c.record_id == record_id, records.c.seq <= seal.through)
        .order_by(records.c.seq)
    ).all()
    found = {row.kind: (row.seq, row.body) for row in rows}
    if found.keys() <= {RecordKind.OUTCOME.value}:  # what it ended began in a month that was moved
        for seq, _, kind, body in archive.with_ids(connection, [record_id], list(RecordKind)):
            found.setdefault(kind, (seq, body))
    months = archive.months(connection)
    return {
        kind: _written(body, _index_of(connection, months, seq, body), tree, seal.size, seal.note)
        for kind, (seq, body) in sorted(found.items(), key=lambda item: item[1])
    }


def _index_of(
    connection: sa.Connection, months: Iterable[ArchivedMonth], seq: int, body: bytes
) -> int:
    for month in months:
        if month.first <= seq <= month.through:
            leaves = stored_leaves(connection, month.before, month.records)
            return month.before + list(leaves).index(leaf_hash(body))
    return index_of(connection, seq)


def _written(body: bytes, index: int, tree: TiledTree, size: int, note: str) -> str:
    hashes = inclusion_proof(tree, index, size)
    lines = [HEADER, f"extra {_base64(body)}", f"index {index}", *map(_base64, hashes)]
    return "\n".join(lines) + f"\n\n{note}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
