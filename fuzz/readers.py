"""Fuzz the readers with atheris: one format at a time, seeded with files that nobody here wrote.

    python fuzz/readers.py --format dicom --seconds 300 --keep out/fuzz

Every input is read, prepared and balanced as the property tests do (`tests/settling.py`); objects
are written. What crashes is kept in ``--keep`` and the exit code is not 0.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

with atheris.instrument_imports(include=["sekisho.provider", "pydicom"]):
    from sekisho.provider import FORMATS
    from settling import Seed, is_usable, seeds, settle

LARGEST = 100_000
SMALL = 2_000
"""Bytes of a piece of a seed: what is large is read slowly, and most of it says the same again."""
PIECES = 16


def pieces(format_id: str, seed: Seed) -> list[Seed]:
    """Return the seed's first line with some lines after it, as often as that can be read.

    The seed itself, where it is small, or no file of lines.
    """
    lines = seed.data.splitlines(keepends=True)
    made: list[Seed] = []
    at = 1
    while len(seed.data) > SMALL and at < len(lines) and len(made) < PIECES:
        data = lines[0]
        while at < len(lines) and (data == lines[0] or len(data) + len(lines[at]) <= SMALL):
            data += lines[at]
            at += 1
        if len(data) < len(seed.data) and is_usable(format_id, seed.place, data):
            made.append(Seed(seed.place, data))
    return made or [seed]


def main() -> None:
    """Run until the time is over, or until something crashes."""
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--format", required=True, choices=sorted(FORMATS))
    args.add_argument("--seconds", type=int, default=60)
    args.add_argument("--keep", type=Path, default=ROOT / "out" / "fuzz")
    asked = args.parse_args()
    known = [p for one in seeds(asked.format) for p in pieces(asked.format, one)][:256]
    known = known or [Seed("a", b"")]
    corpus, crashes = asked.keep / asked.format / "corpus", asked.keep / asked.format / "crashes"
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(known):
        (corpus / f"seed-{number}").write_bytes(bytes([number]) + seed.data)

    def one(data: bytes) -> None:
        """Read what follows the first byte, which says at which seed's place the file lies."""
        place = known[(data[0] if data else 0) % len(known)].place
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data[1:])
            settle(path, asked.format)

    options = [
        f"-max_total_time={asked.seconds}",
        f"-max_len={min(LARGEST, 2 * max(len(one.data) for one in known) + SMALL)}",
        "-timeout=60",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={crashes}/",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
