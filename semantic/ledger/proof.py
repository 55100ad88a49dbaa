"""That one record is in the ledger, as a file that proves it offline: https://c2sp.org/tlog-proof, with the record in `extra`."""

import base64

import sqlalchemy as sa

from semantic.ledger.schema import records
from semantic.ledger.sealing import last_seal
from semantic.ledger.tiles import TiledTree, index_of
from semantic.ledger.tree import inclusion_proof

HEADER = "c2sp.org/tlog-proof@v1"


def prove(connection: sa.Connection, record_id: str) -> dict[str, str]:
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
    return {
        row.kind: _written(row.body, index_of(connection, row.seq), tree, seal.size, seal.note)
        for row in rows
    }


def _written(body: bytes, index: int, tree: TiledTree, size: int, note: str) -> str:
    hashes = inclusion_proof(tree, index, size)
    lines = [HEADER, f"extra {_base64(body)}", f"index {index}", *map(_base64, hashes)]
    return "\n".join(lines) + f"\n\n{note}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
