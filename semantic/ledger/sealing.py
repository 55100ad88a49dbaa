"""Signed checkpoints over all records: who keeps one elsewhere finds any later change before it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from semantic.errors import LedgerUnavailable
from semantic.keys import hex_of
from semantic.ledger.newest import newest_content
from semantic.ledger.note import Checkpoint
from semantic.ledger.record import Record, RecordKind, uuid7
from semantic.ledger.schema import records, tiles
from semantic.ledger.tiles import TILE, JoinedTiles, last_tiled
from semantic.ledger.transaction import Transaction
from semantic.ledger.tree import Leaves, leaf_hash, root_hash

MOST_AT_ONCE = 50_000


@dataclass(frozen=True, kw_only=True)
class Seal:
    """A checkpoint as it stands in the ledger: the signed note, its size, and the number of the last record that it covers.

    `key` is the public key in hexadecimal; where it is another than that of the checkpoint before, `voucher` is what that one signed
    of it, in hexadecimal. Checkpoints of older versions name no key.
    """

    note: str
    size: int
    through: int
    key: str | None = None
    voucher: str | None = None


def last_seal(connection: sa.Connection) -> Seal | None:
    """The newest checkpoint, or None where nothing was sealed."""
    try:
        content = newest_content(connection, RecordKind.CHECKPOINT)
        return None if content is None else seal_of(content["details"])
    except (TypeError, ValueError, KeyError) as error:
        raise LedgerUnavailable(
            "The newest checkpoint on record is not what was written",
            hint="run `governed-agents verify`: it names the records that were changed",
        ) from error


def seal_of(details: Mapping[str, Any]) -> Seal:
    """The seal that the details of a checkpoint say. Raises `TypeError` where they say none."""
    found = Seal(**details)
    texts = isinstance(found.note, str) and isinstance(found.key, str | None)
    if not (texts and isinstance(found.voucher, str | None)):
        raise TypeError("not of a checkpoint")
    if not (isinstance(found.size, int) and isinstance(found.through, int)):
        raise TypeError("not of a checkpoint")
    return found


def has_unsealed(connection: sa.Connection) -> bool:
    """Whether there are records, other than checkpoints, that no checkpoint covers."""
    before = last_seal(connection)
    found = connection.execute(
        sa.select(records.c.seq)
        .where(
            records.c.seq > (before.through if before else 0),
            records.c.kind != RecordKind.CHECKPOINT.value,
        )
        .limit(1)
    )
    return found.first() is not None


def seal(
    transaction: Transaction,
    key: Ed25519PrivateKey,
    joined: JoinedTiles,
    *,
    is_new_key: bool = False,
    voucher: bytes | None = None,
) -> tuple[Seal | None, JoinedTiles]:
    """Covers the records that are not covered yet, at most so many at once. None where there are none but checkpoints. Returns also what
    the tiles come to now: `joined` is what they came to before, as far as that is known.

    The first checkpoint with a new key is made also then, and `voucher` is what the key before says of it.
    Nobody may write beside this transaction.
    """
    connection = transaction.connection
    before = last_seal(connection)
    covered = before.through if before else 0
    new = connection.execute(
        sa.select(records.c.seq, records.c.kind)
        .where(records.c.seq > covered)
        .order_by(records.c.seq)
        .limit(MOST_AT_ONCE)
    ).all()
    has_others = any(row.kind != RecordKind.CHECKPOINT.value for row in new)
    if not new or not (has_others or is_new_key):
        return None, joined
    size = (before.size if before else 0) + len(new)
    through = new[-1].seq
    _tile(connection, through)
    joined = joined.with_new(connection)
    checkpoint = Checkpoint(
        origin=origin_of(connection), size=size, root=joined.root(connection, size)
    )
    made = Seal(
        note=checkpoint.signed(key),
        size=size,
        through=through,
        key=hex_of(key),
        voucher=voucher.hex() if voucher else None,
    )
    details = {name: value for name, value in asdict(made).items() if value is not None}
    transaction.add(Record(record_id=str(uuid7()), kind=RecordKind.CHECKPOINT, details=details))
    return made, joined


def origin_of(connection: sa.Connection) -> str:
    """The name of a ledger. There must be a checkpoint, or a record."""
    before = last_seal(connection)
    return before.note.partition("\n")[0] if before else origin_of_first(connection)


def origin_of_first(connection: sa.Connection) -> str:
    """The name of a ledger, by its first record. It must be in the database."""
    first: str = connection.execute(
        sa.select(records.c.record_id).order_by(records.c.seq).limit(1)
    ).scalar_one()
    return f"governed-agents/{first}"


def _tile(connection: sa.Connection, through: int) -> None:
    """Keeps the hashes of every 256 records that have none kept, until this one."""
    bodies = connection.execute(
        sa.select(records.c.seq, records.c.body)
        .where(records.c.seq > last_tiled(connection), records.c.seq <= through)
        .order_by(records.c.seq)
    )
    last: int | None = connection.execute(sa.select(sa.func.max(tiles.c.number))).scalar_one()
    number = 0 if last is None else last + 1
    rows: list[dict[str, Any]] = []
    while len(chunk := bodies.fetchmany(TILE)) == TILE:
        hashes = [leaf_hash(row.body) for row in chunk]
        rows.append(
            {
                "number": number + len(rows),
                "through": chunk[-1].seq,
                "root": root_hash(Leaves(hashes), TILE),
                "hashes": b"".join(hashes),
            }
        )
    bodies.close()
    if rows:
        connection.execute(sa.insert(tiles), rows)
