"""The tree over all records, of which the database keeps the hashes of every 256 leaves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Self

import sqlalchemy as sa

from semantic.ledger.schema import archives, records, tiles
from semantic.ledger.tree import Frontier, leaf_hash, node_hash

TILE = 256
_HASH = 32
_LEVEL = 8
_AT_ONCE = 20
_STORED = (
    tiles.c.number,
    sa.cast(tiles.c.through, sa.BigInteger).label("through"),
    sa.cast(tiles.c.root, sa.LargeBinary).label("root"),
    sa.cast(tiles.c.hashes, sa.LargeBinary).label("hashes"),
)


class TiledTree:
    """The subtrees of the first `size` records of a ledger, read as they are asked for."""

    def __init__(self, connection: sa.Connection, size: int) -> None:
        self._connection = connection
        self._size = size
        self._tiles: dict[int, list[bytes]] = {}
        self._joined: dict[tuple[int, int], bytes] = {}

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of the leaves from `index * 2**level` on, `2**level` of them."""
        if level == _LEVEL and index < len(self._roots):
            return self._roots[index]
        if level == 0:
            number, place = divmod(index, TILE)
            return self._tile(number)[place]
        key = level, index
        if key not in self._joined:
            self._joined[key] = node_hash(
                self.subtree(level - 1, 2 * index), self.subtree(level - 1, 2 * index + 1)
            )
        return self._joined[key]

    @cached_property
    def _roots(self) -> Sequence[bytes]:
        rows = self._connection.execute(sa.select(tiles.c.root).order_by(tiles.c.number))
        return [row.root for row in rows]

    def _tile(self, number: int) -> list[bytes]:
        if number not in self._tiles:
            self._tiles[number] = self._stored(number) or self._edge(number)
        return self._tiles[number]

    def _stored(self, number: int) -> list[bytes]:
        found = self._connection.execute(
            sa.select(tiles.c.hashes).where(tiles.c.number == number)
        ).scalar_one_or_none()
        return [] if found is None else hashes_of(found)

    def _edge(self, number: int) -> list[bytes]:
        return leaves_after_tiles(self._connection, self._size - number * TILE)


@dataclass(frozen=True, kw_only=True)
class JoinedTiles:
    """What all tiles come to, until the one with the root `last`: who keeps it reads only those that came since."""

    frontier: Frontier = field(default_factory=Frontier)
    last: bytes = b""

    def with_new(self, connection: sa.Connection) -> Self:
        """This and the tiles that came since. Where the last of these is another one than it was, all are read again."""
        known = self if self._stands(connection) else type(self)()
        frontier, last = known.frontier.copy(), known.last
        roots = sa.select(tiles.c.root).where(tiles.c.number >= frontier.size)
        for row in connection.execute(roots.order_by(tiles.c.number)):
            last = row.root
            frontier.add(last)
        return type(self)(frontier=frontier, last=last)

    def root(self, connection: sa.Connection, size: int) -> bytes:
        """The hash of the first `size` leaves: of these tiles, and of fewer leaves after them than a tile has."""
        return self.frontier.root(leaves_after_tiles(connection, size - self.frontier.size * TILE))

    def _stands(self, connection: sa.Connection) -> bool:
        found = sa.select(tiles.c.root).where(tiles.c.number == self.frontier.size - 1)
        return connection.execute(found).scalar_one_or_none() == (self.last or None)


def leaves_after_tiles(connection: sa.Connection, count: int) -> list[bytes]:
    """The hashes of so many records, from the first after the last tile on."""
    rows = connection.execute(
        sa.select(records.c.body)
        .where(records.c.seq > last_tiled(connection))
        .order_by(records.c.seq)
        .limit(count)
    )
    return [leaf_hash(row.body) for row in rows]


def hashes_of(tile: bytes) -> list[bytes]:
    """The hashes that a tile holds."""
    return [tile[start : start + _HASH] for start in range(0, len(tile), _HASH)]


def last_tiled(connection: sa.Connection) -> int:
    """The number of the last record whose hash is in a tile; 0 where there is none."""
    return int(
        connection.execute(
            sa.select(sa.func.coalesce(sa.func.max(tiles.c.through), 0))
        ).scalar_one()
    )


def index_of(connection: sa.Connection, seq: int) -> int:
    """Which leaf a record is, from 0 on. It stands in the database, and was not archived."""
    before, through = max(_tiles_before(connection, seq), _archived_before(connection, seq))
    between = connection.execute(
        sa.select(sa.func.count()).where(records.c.seq > through, records.c.seq < seq)
    ).scalar_one()
    return before + int(between)


def stored_leaves(connection: sa.Connection, first: int, count: int) -> Iterator[bytes]:
    """The hashes that tiles hold of so many leaves, from the one at `first` on."""
    number, skip = divmod(first, TILE)
    leaves = (leaf for tile in tiles_from(connection, number) for leaf in hashes_of(tile.hashes))
    return islice(leaves, skip, skip + count)


def tiles_from(connection: sa.Connection, number: int) -> Iterator[sa.Row[Any]]:
    """The tiles from this one on, as they are stored. What a forger left in a column has the type of it."""
    while rows := connection.execute(
        sa.select(*_STORED).where(tiles.c.number >= number).order_by(tiles.c.number).limit(_AT_ONCE)
    ).all():
        yield from rows
        number = rows[-1].number + 1


def _tiles_before(connection: sa.Connection, seq: int) -> tuple[int, int]:
    """How many leaves are in tiles that end before a record, and the number of the last of these."""
    tile = connection.execute(
        sa.select(tiles.c.number, tiles.c.through)
        .where(tiles.c.through < seq)
        .order_by(tiles.c.through.desc())
        .limit(1)
    ).one_or_none()
    return ((tile.number + 1) * TILE, tile.through) if tile else (0, 0)


def _archived_before(connection: sa.Connection, seq: int) -> tuple[int, int]:
    """How many records were archived before a record, and the number of the last of these."""
    found = connection.execute(
        sa.select(archives)
        .where(archives.c.through < seq)
        .order_by(archives.c.through.desc())
        .limit(1)
    ).one_or_none()
    return (found.before + found.records, found.through) if found else (0, 0)
