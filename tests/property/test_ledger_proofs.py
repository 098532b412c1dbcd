"""Proofs against pymerkle, an implementation that nobody here wrote."""

from __future__ import annotations

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.control.ledger.edge import WIDTH, Edge
from sekisho.control.ledger.tree import (
    consistency_proof,
    continues,
    includes,
    inclusion_proof,
    leaf_hash,
    root_of,
)

ENTRIES = [b"entry %d" % number for number in range(140)]
HASHES = [leaf_hash(entry) for entry in ENTRIES]


@pytest.fixture(scope="module")
def oracle() -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for entry in ENTRIES:
        tree.append_entry(entry)
    return tree


def subtree(start: int, end: int) -> bytes:
    return root_of(HASHES[start:end])


SIZES = st.integers(1, len(ENTRIES))


@settings(deadline=None)
@given(SIZES, st.data())
def test_inclusion_proofs_are_those_of_a_second_implementation(oracle, size, data) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = root_of(HASHES[:size])
    assert root == oracle.get_root(size)
    proof = inclusion_proof(index, size, subtree)
    assert includes(HASHES[index], index, size, proof, root)
    theirs = oracle.prove_inclusion(index + 1, size)
    pymerkle.verify_inclusion(HASHES[index], root, theirs)
    assert [HASHES[index], *proof] == [bytes(part) for part in theirs.path]


@settings(deadline=None)
@given(SIZES, st.data())
def test_consistency_proofs_convince_and_agree(oracle, new, data) -> None:
    old = data.draw(st.integers(1, new))
    roots = root_of(HASHES[:old]), root_of(HASHES[:new])
    proof = consistency_proof(old, new, subtree)
    assert continues(old, new, *roots, proof)
    pymerkle.verify_consistency(*roots, oracle.prove_consistency(old, new))
    # pymerkle spells its path one level deeper than the RFC, so the path itself is compared with
    # the RFC's own recursive definition.
    assert proof == subproof(old, HASHES[:new], whole=True)


def subproof(old: int, hashes: list[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1, word for word."""
    if old == len(hashes):
        return [] if whole else [root_of(hashes)]
    middle = 1
    while middle * 2 < len(hashes):
        middle *= 2
    if old <= middle:
        return [*subproof(old, hashes[:middle], whole=whole), root_of(hashes[middle:])]
    return [*subproof(old - middle, hashes[middle:], whole=False), root_of(hashes[:middle])]


@settings(deadline=None)
@given(SIZES, st.data())
def test_no_altered_proof_convinces(size, data) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    roots = root_of(HASHES[:old]), root_of(HASHES[:size])
    inclusion = inclusion_proof(index, size, subtree)
    consistency = consistency_proof(old, size, subtree)
    for altered in alterations(inclusion, data):
        assert not includes(HASHES[index], index, size, altered, roots[1])
    for altered in alterations(consistency, data):
        assert not continues(old, size, *roots, altered)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index or size == 1))
    if size > 1:
        assert not includes(HASHES[index], other, size, inclusion, roots[1])
    assert not includes(leaf_hash(b"another"), index, size, inclusion, roots[1])


def alterations(proof: list[bytes], data) -> list[list[bytes]]:
    altered = [[*proof, b"\0" * 32], [b"\0" * 32, *proof]]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        altered += [proof[:-1], proof[1:], [*proof[:place], flipped, *proof[place + 1 :]]]
    return altered


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 3 * WIDTH + 2))
def test_the_edge_in_tiles_has_the_root_of_the_whole(size: int) -> None:
    hashes = [leaf_hash(b"%d" % number) for number in range(size)]
    edge = Edge()
    for hash_ in hashes:
        edge.push(hash_)
    assert edge.root() == root_of(hashes)
    assert edge.size == size
