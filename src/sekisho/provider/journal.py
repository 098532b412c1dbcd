"""What a provider handed over, what the receipts say of it, and what still waits for a day."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from sekisho.common.atomicfile import write_atomically, write_pieces
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import PeerError, TamperError
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory
from sekisho.exchange.transfer import RECEIPT
from sekisho.provider.handover import Handed, Ready, Sender, receipts
from sekisho.provider.reconciling import Difference, compare

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
    directory: Directory

    def record(
        self,
        ready: Ready,
        handed: Sequence[Handed],
        files: Sequence[Path],
        on: date,
        expected: Mapping[str, Any],
    ) -> None:
        """Write down what was handed over, and what of the files still waits.

        Args:
            expected: body → what its receipt must say (`expected_of`).
        """
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
                "expected": {body: expected[body] for body in one.bodies},
            }
            file = self.folder / "sent" / f"{one.submission}.json"
            if one.bodies and not file.exists():
                write_atomically(file, canonical_json(said))
        self._wait(ready, files)

    def submissions(self) -> list[dict[str, Any]]:
        """Return what was handed over, oldest first, with the bodies that have receipted it."""
        found = [orjson.loads(f.read_bytes()) for f in (self.folder / "sent").glob("*.json")]
        for one in found:
            told = {body: self._told(one["submission"], body) for body in one["bodies"]}
            one["receipts"] = [body for body, receipt in told.items() if receipt is not None]
        return sorted(found, key=lambda one: (one["on"], one["submission"]))

    def collect(self, sender: Sender) -> int:
        """Ask for receipts that are missing or not what they must be; return how many are new.

        What a door gives in place of a body's receipt is kept as well: it is a difference.

        Raises:
            PeerError: a door does not answer; the others were asked.
        """
        new, away = 0, None
        for one in self.submissions():
            wanted = [body for body in one["bodies"] if self._wrong(sender.code, one, body)]
            if not wanted:
                continue
            try:
                tokens = receipts(sender, one["door"], one["submission"])
            except PeerError as error:
                away = error
                continue
            new += self._keep(one, wanted, tokens)
        if away is not None:
            raise away
        return new

    def differences(self, provider: str, today: date) -> list[Difference]:
        """Return where receipts are not what they must be, but for what was settled.

        Every receipt is verified anew. One is late when it has not come by the next day.
        """
        found: list[Difference] = []
        for one in self.submissions():
            for body in one["bodies"]:
                if body in one["receipts"] or self._receipt(one["submission"], body).exists():
                    found += self._wrong(provider, one, body)
                elif one["on"] < today.isoformat():
                    found.append(Difference(one["submission"], body, "receipt.late"))
        settled = self._settled()
        return [one for one in found if one not in settled]

    def settle(self, differences: Sequence[Difference], why: str, on: date) -> None:
        """Write down that a clerk has settled differences with the body, and how."""
        for one in differences:
            said = {"difference": asdict(one), "why": why, "on": on.isoformat()}
            data = canonical_json(said)
            name = f"{one.submission}.{hashlib.sha256(data).hexdigest()[:16]}.json"
            write_atomically(self.folder / "settled" / name, data)

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

    def _told(self, submission: str, body: str) -> dict[str, Any] | None:
        """Return what a body's receipt says; None where there is none that is its own."""
        file = self._receipt(submission, body)
        return self._read(file.read_bytes()).get(body) if file.exists() else None

    def _read(self, token: str | bytes) -> dict[str, dict[str, Any]]:
        """Return signer → what it says, of a token that is a receipt."""
        try:
            signed = jws.verify(token, self.directory.resolve, RECEIPT)
        except TamperError:
            return {}
        return {signed.signer: signed.payload}

    def _wrong(self, provider: str, one: Mapping[str, Any], body: str) -> list[Difference]:
        """Return what is wrong with a body's receipt; it may be that there is none."""
        told = self._told(one["submission"], body)
        if told is None:
            return [Difference(one["submission"], body, "receipt.forged")]
        return compare(provider, one, body, told)

    def _keep(self, one: Mapping[str, Any], wanted: Sequence[str], tokens: Sequence[str]) -> int:
        """Keep what a door gave; return how many receipts of ``wanted`` bodies are new."""
        own = {signer: token for token in tokens for signer in self._read(token)}
        others = iter(
            [token for token in tokens if not self._read(token).keys() & {*one["bodies"]}]
        )
        new = 0
        for body in wanted:
            file = self._receipt(one["submission"], body)
            if (token := own.get(body)) is not None:
                new += not file.exists() or file.read_bytes() != token.encode()
            elif file.exists() or (token := next(others, None)) is None:
                continue
            write_atomically(file, token.encode())
        return new

    def _settled(self) -> list[Difference]:
        files = sorted((self.folder / "settled").glob("*.json"))
        return [Difference(**orjson.loads(file.read_bytes())["difference"]) for file in files]


def _keep(file: Path, target: Path) -> None:
    """Keep a copy of a file: a link would change with it."""
    if target.exists():
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("rb") as source:
        write_pieces(target, iter(lambda: source.read(_PIECE), b""))
