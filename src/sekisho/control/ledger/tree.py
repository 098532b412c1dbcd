"""Merkle trees as in RFC 9162, section 2.1 (SHA-256): hashes, roots, proofs. No files.

Written here because no kept library writes the C2SP tile format; the tests hold it against
pymerkle, a second implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""The root of the tree without leaves."""

Subtree = Callable[[int, int], bytes]
"""From ``start`` and ``end`` to the hash of the leaves in between, ``MTH(D[start:end])``."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of hashes that stand side by side."""
    row = list(hashes)
    while len(row) > 1:
        pairs = iter(row)
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs)]  # noqa: B905  # pairs of one row
    return row[0]


def split_of(width: int) -> int:
    """Return the largest power of two smaller than ``width`` (2 or more): where a tree divides."""
    return 1 << ((width - 1).bit_length() - 1)


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    if not hashes:
        return EMPTY
    parts = [perfect_root(hashes[start:end]) for start, end in perfect_ranges(len(hashes))]
    return fold(parts)


def perfect_ranges(width: int, offset: int = 0) -> list[tuple[int, int]]:
    """Return the perfect subtrees of a row of ``width``, from left to right."""
    ranges, start = [], offset
    for bit in range(width.bit_length() - 1, -1, -1):
        if width >> bit & 1:
            ranges.append((start, start + (1 << bit)))
            start += 1 << bit
    return ranges


def fold(parts: Sequence[bytes]) -> bytes:
    """Return the root of a tree from its perfect subtrees, largest (left) first."""
    root = parts[-1]
    for left in reversed(parts[:-1]):
        root = node_hash(left, root)
    return root


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the path from leaf ``index`` to the root of the first ``size`` leaves (2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError("the leaf is not in the tree")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split_of(end - start)
        if index < middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the tree of ``new`` leaves continues that of ``old`` (2.1.4.1)."""
    if not 0 <= old <= new:
        raise ValueError("the older tree is not the smaller one")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + split_of(end - start)
        if old <= middle:
            proof.append(subtree(middle, end))
            end = middle
        else:
            proof.append(subtree(start, middle))
            start, whole = middle, False
    # The verifier knows the old root itself; any other subtree it must be given.
    if not whole:
        proof.append(subtree(start, end))
    return proof[::-1]


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == len(EMPTY) for value in values)


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether ``proof`` shows that leaf hash ``leaf`` stands at ``index`` (2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes(leaf, root, *proof):
        return False
    first, last, made = index, size - 1, leaf
    for part in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            made = node_hash(part, made)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            made = node_hash(made, part)
        first, last = first >> 1, last >> 1
    return last == 0 and made == root


def continues(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether ``proof`` shows that the new tree only appended to the old one (2.1.4.2)."""
    if not 0 <= old <= new or not _are_hashes(old_root, new_root, *proof):
        return False
    if old == new:
        return not proof and old_root == new_root and (new > 0 or new_root == EMPTY)
    if old == 0:  # every tree continues the empty one (C2SP tlog-witness)
        return not proof and old_root == EMPTY
    parts = list(proof) if old & (old - 1) else [old_root, *proof]
    if not parts:
        return False
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    made_old = made_new = parts[0]
    for part in parts[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            made_old, made_new = node_hash(part, made_old), node_hash(part, made_new)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            made_new = node_hash(made_new, part)
        first, last = first >> 1, last >> 1
    return last == 0 and made_old == old_root and made_new == new_root
