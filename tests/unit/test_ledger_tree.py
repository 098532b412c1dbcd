"""The tree of RFC 9162 (RFC 6962): known vectors, and a second implementation."""

from __future__ import annotations

import pytest

from sekisho.control.ledger.tree import (
    EMPTY,
    consistency_proof,
    continues,
    includes,
    inclusion_proof,
    leaf_hash,
    root_of,
)

# The leaves and roots of the reference tests of Certificate Transparency
# (certificate-transparency-go, merkletree).
LEAVES = [
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
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def subtree(start: int, end: int) -> bytes:
    return root_of(HASHES[start:end])


def test_what_is_no_hash_proves_nothing() -> None:
    """Two of the vectors of transparency-dev/merkle that an unguarded verifier accepts."""
    assert not includes(b"", 0, 1, [], b"")
    assert not continues(0, 0, EMPTY, b"don't care 2", [])
    assert not continues(0, 0, b"don't care 2", b"don't care 2", [])
    assert not continues(0, 3, EMPTY, b"don't care 2", [])
    assert continues(0, 0, EMPTY, EMPTY, [])
    assert continues(0, 3, EMPTY, root_of(HASHES[:3]), [])


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root_of([]) == EMPTY
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_reference(size: int) -> None:
    assert root_of(HASHES[:size]).hex() == ROOTS[size - 1]


def test_an_inclusion_proof_is_that_of_the_reference() -> None:
    """Leaf 6 of 8 (the reference counts from 1) and leaf 3 of 3."""
    assert [part.hex() for part in inclusion_proof(5, 8, subtree)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [part.hex() for part in inclusion_proof(2, 3, subtree)] == [
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    ]


def test_a_consistency_proof_is_that_of_the_reference() -> None:
    assert [part.hex() for part in consistency_proof(6, 8, subtree)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_trees_without_leaves_or_growth_need_no_proof() -> None:
    root = root_of(HASHES)
    assert consistency_proof(0, 8, subtree) == []
    assert consistency_proof(8, 8, subtree) == []
    assert continues(0, 8, EMPTY, root, [])
    assert continues(8, 8, root, root, [])
    assert not continues(8, 8, EMPTY, root, [])
    assert not continues(0, 8, root, root, [])


def test_what_is_out_of_range_is_refused() -> None:
    root = root_of(HASHES)
    assert not includes(HASHES[0], 8, 8, [], root)
    assert not continues(8, 7, root, root, [])
    for wrong in (lambda: inclusion_proof(8, 8, subtree), lambda: consistency_proof(9, 8, subtree)):
        with pytest.raises(ValueError):
            wrong()
