"""The Merkle tree of RFC 6962: hashes, and proofs of about twenty hashes among a million leaves.

`Subtrees` gives the hash of any complete subtree; everything here asks for few of them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self


class Subtrees(Protocol):
    """Hashes of complete subtrees. At `level` 0 they are the leaves'; each level above joins two."""

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of the leaves from `index * 2**level` on, `2**level` of them."""
        ...


class Leaves:
    """The subtrees over leaves whose hashes are at hand."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self._levels = [list(hashes)]

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of the leaves from `index * 2**level` on, `2**level` of them."""
        while len(self._levels) <= level:
            below = self._levels[-1]
            self._levels.append(
                [node_hash(*below[at : at + 2]) for at in range(0, len(below) - 1, 2)]
            )
        return self._levels[level][index]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf with this content."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(tree: Subtrees, size: int) -> bytes:
    """The hash of the first `size` leaves."""
    return _hash(tree, 0, size) if size else hashlib.sha256().digest()


def inclusion_proof(tree: Subtrees, index: int, size: int) -> list[bytes]:
    """What proves that the leaf at `index` is among the first `size`, from its neighbour upwards."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} among {size}")
    return _path(tree, index, 0, size)


def consistency_proof(tree: Subtrees, old: int, new: int) -> list[bytes]:
    """What proves that the first `old` leaves are the beginning of the first `new`."""
    if not 0 < old <= new:
        raise ValueError(f"{old} leaves are not the beginning of {new}")
    return _growth(tree, old, 0, new, is_whole=True)


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof shows that the leaf with this hash is at `index` of the tree with this size and root."""
    if not 0 <= index < size:
        return False
    found, place, last = leaf, index, size - 1
    for item in proof:
        if last == 0:
            return False
        if place % 2 or place == last:
            found = node_hash(item, found)
            while not place % 2 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, item)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether a proof shows that the tree with the new root begins with all leaves of the one with the old root."""
    if old == new:
        return old_root == new_root and not proof
    if not 0 < old < new:
        return old == 0 and not proof
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    place, last = old - 1, new - 1
    while place % 2:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for item in path[1:]:
        if last == 0:
            return False
        if place % 2 or place == last:
            before, after = node_hash(item, before), node_hash(item, after)
            while not place % 2 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, item)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _hash(tree: Subtrees, first: int, end: int) -> bytes:
    """The hash of the leaves from `first` to before `end`. `first` is where a subtree of that size may begin."""
    count = end - first
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return tree.subtree(level, first >> level)
    middle = first + _left(count)
    return node_hash(_hash(tree, first, middle), _hash(tree, middle, end))


def _path(tree: Subtrees, index: int, first: int, end: int) -> list[bytes]:
    if end - first == 1:
        return []
    middle = first + _left(end - first)
    if index < middle:
        return [*_path(tree, index, first, middle), _hash(tree, middle, end)]
    return [*_path(tree, index, middle, end), _hash(tree, first, middle)]


def _growth(tree: Subtrees, old: int, first: int, end: int, *, is_whole: bool) -> list[bytes]:
    """The hashes that join the leaves before `old` with those after them. `is_whole`: the old root is known to who checks."""
    if old == end:
        return [] if is_whole else [_hash(tree, first, end)]
    middle = first + _left(end - first)
    if old <= middle:
        return [
            *_growth(tree, old, first, middle, is_whole=is_whole),
            _hash(tree, middle, end),
        ]
    return [*_growth(tree, old, middle, end, is_whole=False), _hash(tree, first, middle)]


def _left(count: int) -> int:
    """How many of so many leaves are in the left subtree: the greatest power of two below."""
    return 1 << (count - 1).bit_length() - 1


@dataclass
class Frontier:
    """The hashes of the complete subtrees that so many leaves come to, from left to right. The leaves may be subtrees of one size."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        found, size = leaf, self.size
        while size % 2:
            found, size = node_hash(self.hashes.pop(), found), size >> 1
        self.hashes.append(found)
        self.size += 1

    def copy(self) -> Self:
        """Another one of the same, which grows by itself."""
        return type(self)(self.size, list(self.hashes))

    def root(self, rest: Sequence[bytes] = ()) -> bytes:
        """The hash over all, and over the leaves that come after them: fewer than a subtree has. There must be any."""
        left = list(self.hashes)
        found = root_hash(Leaves(rest), len(rest)) if rest else left.pop()
        for item in reversed(left):
            found = node_hash(item, found)
        return found
