"""The tree is that of RFC 6962, and its proofs prove what is so and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic.ledger.tree import (
    Leaves,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    root_hash,
)

# From the tests of the reference implementation of Certificate Transparency.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(1, 70)


def tree_of(size: int) -> Leaves:
    return Leaves([leaf_hash(str(number).encode()) for number in range(size)])


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    tree = Leaves([leaf_hash(item) for item in INPUTS])
    assert root_hash(tree, size).hex() == ROOTS[size]


@given(SIZES, st.data())
def test_every_leaf_is_proven_to_be_where_it_is_and_nowhere_else(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1))
    tree = tree_of(size)
    root, proof = root_hash(tree, size), inclusion_proof(tree, index, size)

    assert is_included(tree.subtree(0, index), index, size, proof, root)
    assert is_included(tree.subtree(0, other), index, size, proof, root) == (other == index)
    assert is_included(tree.subtree(0, index), other, size, proof, root) == (other == index)
    assert not is_included(tree.subtree(0, index), index, size, [*proof, root], root)
    assert not is_included(tree.subtree(0, index), size, size, proof, root)


@given(SIZES, st.data())
def test_a_tree_is_proven_to_begin_with_an_older_one(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    tree = tree_of(new)
    proof = consistency_proof(tree, old, new)
    old_root, new_root = root_hash(tree, old), root_hash(tree, new)

    assert is_consistent(old, old_root, new, new_root, proof)
    edited = Leaves([leaf_hash(b"another"), *(tree.subtree(0, at) for at in range(1, new))])
    assert not is_consistent(old, root_hash(edited, old), new, new_root, proof)
    assert not is_consistent(old, old_root, new, root_hash(edited, new), proof)


@given(SIZES, st.data())
def test_a_proof_with_one_hash_changed_proves_nothing(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    tree = tree_of(size)
    proof = inclusion_proof(tree, index, size)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        proof[place] = leaf_hash(proof[place])
        assert not is_included(tree.subtree(0, index), index, size, proof, root_hash(tree, size))


def test_there_is_no_proof_of_what_there_is_not() -> None:
    with pytest.raises(ValueError, match="there is no leaf 3 among 3"):
        inclusion_proof(tree_of(3), 3, 3)
    with pytest.raises(ValueError, match="4 leaves are not the beginning of 3"):
        consistency_proof(tree_of(3), 4, 3)
