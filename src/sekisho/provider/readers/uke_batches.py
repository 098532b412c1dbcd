"""電子レセプト in batches: the plain receipts of a file in columns, all else line by line.

A file is read in blocks that end before an RE line. What is said of it is what `uke.read` says, in
the same order; only much faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.provider.batches import Batch
from sekisho.provider.readers.uke import State, read_blocks
from sekisho.provider.readers.uke_plain_batch import batch_of
from sekisho.provider.readers.uke_split import BORDERS, Split, split
from sekisho.provider.records import Note, Record
from sekisho.provider.sources import Block, Limits, SourceProblem, lines_of

_BEGIN = b"\nRE,"


def read(path: Path, limits: Limits) -> Iterator[Record | Note | Batch]:
    """Yield the records of a file, of plain receipts many in a batch."""
    yield from read_blocks(path, limits, _taken)


def _taken(state: State, found: Iterator[Block]) -> Iterator[Record | Note | Batch]:
    for block, whole in _cut(found, state.limits):
        lines = _split(block, state.limits)
        if lines is None:
            yield from _one_by_one(state, block)
            continue
        for start, end, receipts in _stretches(lines, whole):
            yield from _stretch(state, block, lines, start, end, receipts)


def _cut(found: Iterator[Block], limits: Limits) -> Iterator[tuple[Block, bool]]:
    """Yield blocks of some size, and whether an RE line follows them: what they hold is whole."""
    held, size = list[Block](), 0
    try:
        for block in found:
            if block.data is None:
                yield from _rest(held)
                yield block, False
                held, size = [], 0
                continue
            held.append(block)
            size += len(block.data)
            if size < limits.block_bytes:
                continue
            at = _last_receipt(block, limits)
            if not at:  # rare: so all is searched once more
                held = [_joined(held)]
                at = _last_receipt(held[0], limits)
            last = held.pop()
            assert last.data is not None, "a line that was too long is not held"
            if not at:
                yield last, False
                size = 0
                continue
            yield _joined([*held, Block(last.before, last.data[:at])]), True
            rest = last.data[at:]
            held, size = [Block(last.before + last.data.count(b"\n", 0, at), rest)], len(rest)
    except SourceProblem:
        yield from _rest(held)
        raise
    yield from _rest(held)


def _rest(held: list[Block]) -> Iterator[tuple[Block, bool]]:
    if held:
        yield _joined(held), False


def _joined(held: list[Block]) -> Block:
    return Block(held[0].before, b"".join(block.data or b"" for block in held))


def _last_receipt(block: Block, limits: Limits) -> int:
    """Return where the last RE line begins that is one for certain; 0 where none is."""
    data = block.data or b""
    at = data.rfind(_BEGIN) + 1
    while at:
        end = data.find(b"\n", at)
        line = data[at:] if end < 0 else data[at:end]
        if b"\0" not in line and len(line) <= limits.line_bytes:
            return at
        at = data.rfind(_BEGIN, 0, at + len(_BEGIN) - 2) + 1
    return 0


def _split(block: Block, limits: Limits) -> Split | None:
    if block.data is None or block.data.count(_BEGIN) + 1 < limits.batch_units:
        return None
    lines = split(block.data)
    if lines is None or pc.max(pc.binary_length(lines.raw)).as_py() > limits.line_bytes:
        return None
    return lines


def _stretches(lines: Split, whole: bool) -> Iterator[tuple[int, int, bool]]:
    """Yield from where to where lines are whole receipts in a row, or are none."""
    places = lines.of(*BORDERS)
    borders = places.to_pylist()
    if not borders:
        yield 0, len(lines), False
        return
    if borders[0]:
        yield 0, borders[0], False
    heads = lines.by_kind(lambda kind: kind == "RE", pa.bool_()).take(places).to_pylist()
    if not whole:
        heads[-1] = False
    start = 0
    for place, head in enumerate(heads):
        if place + 1 == len(heads) or heads[place + 1] != head:
            end = borders[place + 1] if place + 1 < len(borders) else len(lines)
            yield borders[start], end, head
            start = place + 1


def _stretch(
    state: State, block: Block, lines: Split, start: int, end: int, receipts: bool
) -> Iterator[Record | Note | Batch]:
    part = lines.part(start, end)
    before = block.before + start

    def receipt(first: int, last: int) -> list[Record]:
        found = _one_by_one(state, _block(part, before, first, last))
        records = [one for one in found if isinstance(one, Record)]
        return [*records, *state.finish()]

    if receipts and state.header is not None and _many(part, state.limits):
        yield from state.finish()
        made = batch_of(part, before, state.header, receipt, state.limits.receipt_lines)
        if made is not None:
            batch, points = made
            state.receipts += len(batch.units)
            state.points += points
            state.last = max(state.last, batch.lines[-1].as_py())
            yield batch
            return
    yield from _one_by_one(state, _block(part, before, 0, len(part)))


def _many(lines: Split, limits: Limits) -> bool:
    return len(lines.of("RE")) >= limits.batch_units


def _block(lines: Split, before: int, first: int, last: int) -> Block:
    raw = lines.raw.slice(first, last - first).to_pylist()
    return Block(before + first, b"\n".join(raw) + b"\n")


def _one_by_one(state: State, block: Block) -> Iterator[Record | Note]:
    for line in lines_of(block, state.limits):
        yield from state.line(line)
