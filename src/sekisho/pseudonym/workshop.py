"""The program of a worker: three scalars of a step come in, then chunks; converted chunks go out.

A frame is a length (4 bytes, big-endian) and that many bytes.
"""

from __future__ import annotations

import sys
from typing import IO, Final

from sekisho.common.errors import Refusal
from sekisho.common.randomness import system_random
from sekisho.pseudonym.convert import Step, convert_items
from sekisho.pseudonym.group import Element, Scalar

REFUSED: Final = b"refused"
"""The answer to a chunk in which an item is no ciphertext; no chunk has this length."""


def write_frame(out: IO[bytes], data: bytes) -> None:
    """Write one frame and let it go."""
    out.write(len(data).to_bytes(4, "big") + data)
    out.flush()


def read_frame(source: IO[bytes]) -> bytes | None:
    """Return the next frame; None where there is none any more."""
    size = source.read(4)
    if len(size) < 4:
        return None
    length = int.from_bytes(size, "big")
    data = source.read(length)
    return data if len(data) == length else None


def work(source: IO[bytes], out: IO[bytes]) -> None:
    """Convert chunk after chunk until the pipe ends."""
    parts = [read_frame(source) for _ in range(3)]
    if None in parts:
        return
    first, second, public = (part or b"" for part in parts)
    step = Step(Scalar(first), Scalar(second), Element(public))
    while (chunk := read_frame(source)) is not None:
        try:
            answer = convert_items(chunk, step, system_random)
        except Refusal:
            answer = REFUSED
        write_frame(out, answer)


if __name__ == "__main__":
    try:
        work(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        sys.exit(1)
