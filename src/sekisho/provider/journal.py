"""What a provider handed over, which receipts came back, and what still waits for a day."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from sekisho.common.atomicfile import write_atomically, write_pieces
from sekisho.common.canonical import canonical_json
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory
from sekisho.exchange.transfer import RECEIPT
from sekisho.provider.handover import Handed, Ready, Sender, receipts

FILES = "files"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Waiting:
    """Files of which persons are held back, and the first day on which one of them may go."""

    name: str
    format: str
    files: tuple[Path, ...]
    next_on: date | None


@dataclass(frozen=True)
class Journal:
    """The part of a provider's folder that remembers."""

    folder: Path

    def record(
        self, ready: Ready, handed: Sequence[Handed], files: Sequence[Path], on: date
    ) -> None:
        """Write down what was handed over, and what of the files still waits."""
        for one in handed:
            said = {
                "submission": one.submission,
                "door": one.door,
                "bodies": list(one.bodies),
                "format": ready.format,
                "on": on.isoformat(),
                "read": ready.prepared.read,
                "sent": sum(line.sent for line in ready.prepared.balance),
                "withheld": sum(line.withheld for line in ready.prepared.balance),
            }
            file = self.folder / "sent" / f"{one.submission}.json"
            if one.bodies and not file.exists():
                write_atomically(file, canonical_json(said))
        self._wait(ready, files)

    def submissions(self) -> list[dict[str, Any]]:
        """Return what was handed over, oldest first, with the bodies that have receipted it."""
        found = [orjson.loads(f.read_bytes()) for f in (self.folder / "sent").glob("*.json")]
        for one in found:
            one["receipts"] = [
                body for body in one["bodies"] if self._receipt(one["submission"], body).exists()
            ]
        return sorted(found, key=lambda one: (one["on"], one["submission"]))

    def collect(self, sender: Sender) -> int:
        """Ask for the receipts that are missing; keep each one whose signature holds."""
        new = 0
        for one in self.submissions():
            if len(one["receipts"]) == len(one["bodies"]):
                continue
            for token in receipts(sender, one["door"], one["submission"]):
                signed = jws.verify(token, sender.directory.resolve, RECEIPT)
                file = self._receipt(one["submission"], signed.signer)
                if signed.payload["submission"] == one["submission"] and not file.exists():
                    write_atomically(file, token.encode())
                    new += 1
        return new

    def receipts(self, directory: Directory) -> Iterator[dict[str, Any]]:
        """Yield what the receipts say, in order of submission and body; each is verified anew."""
        for file in sorted((self.folder / "receipts").glob("*.jws")):
            yield jws.verify(file.read_bytes(), directory.resolve, RECEIPT).payload

    def waiting(self) -> list[Waiting]:
        """Return the files of which persons are held back."""
        return [
            Waiting(
                file.parent.name,
                kept["format"],
                tuple(sorted((file.parent / FILES).glob("*/*"))),
                date.fromisoformat(kept["next_on"]) if kept["next_on"] else None,
            )
            for file in sorted((self.folder / "held").glob("*/held.json"))
            for kept in [orjson.loads(file.read_bytes())]
        ]

    def due(self, today: date) -> list[Waiting]:
        """Return those of which a person may go today, or of whom no day can be told."""
        return [one for one in self.waiting() if one.next_on is None or one.next_on <= today]

    def _wait(self, ready: Ready, files: Sequence[Path]) -> None:
        """Keep the files as long as a person of theirs is held back, wherever they came from."""
        digests = sorted(ready.prepared.file_digests.values())
        name = hashlib.sha256(canonical_json([ready.format, *digests])).hexdigest()[:32]
        place = self.folder / "held" / name
        if not ready.held.persons:
            shutil.rmtree(place, ignore_errors=True)
            return
        for number, file in enumerate(files):
            _keep(file, place / FILES / f"{number:06d}" / file.name)
        on = ready.held.next_on
        said = {"format": ready.format, "next_on": on.isoformat() if on else None}
        # Its day is there last: without it the files are not whole.
        write_atomically(place / "held.json", canonical_json(said))

    def _receipt(self, submission: str, body: str) -> Path:
        return self.folder / "receipts" / f"{submission}.{body}.jws"


def _keep(file: Path, target: Path) -> None:
    """Keep a copy of a file: a link would change with it."""
    if target.exists():
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("rb") as source:
        write_pieces(target, iter(lambda: source.read(_PIECE), b""))
