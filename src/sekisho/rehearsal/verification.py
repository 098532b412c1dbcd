"""Verifies what a run left behind, from the files alone: ledgers, documents, tables, releases.

Whoever has the directory's public keys can do this. Every byte of a ledger, receipt, permit or
released file counts; what a signed document says by hash must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sekisho.body.config import read_config
from sekisho.body.flows import job, permits, project
from sekisho.body.flows.payloads import FOLDER, name_of
from sekisho.body.generations import earlier, generation
from sekisho.common.canonical import digest, file_digest
from sekisho.common.errors import SekishoError, UserError
from sekisho.control.ledger import Payload, TileLog
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory
from sekisho.exchange.globalkey import read_global_key
from sekisho.exchange.transfer import RECEIPT
from sekisho.framework import load
from sekisho.rehearsal.documents import document_of, is_named, kind_of, signer_of
from sekisho.rehearsal.ledgers import Cosigned, Ledgers

Json = dict[str, Any]
ERASED = "payload.erased"


@dataclass(frozen=True)
class Problem:
    """Something that does not hold: the file, below the folder, and what is wrong with it."""

    file: str
    what: str


@dataclass(frozen=True)
class Verification:
    """What was looked at, and what does not hold."""

    entries: int
    ledgers: int
    documents: int
    tables: int
    released: int
    cosigned: Mapping[str, Cosigned]
    erased: Mapping[str, str]
    problems: tuple[Problem, ...]

    def summary(self) -> str:
        seen = sum(one.entries for one in self.cosigned.values())
        return (
            f"Everything holds: {self.ledgers} ledgers with {self.entries} entries, "
            f"{seen} of them co-signed by a witness, "
            f"{self.documents} signed documents, {self.tables} tables of projects, "
            f"{self.released} released files."
            + "".join(f"\npayload erased on {day}: {file}" for file, day in self.erased.items())
        )

    def as_json(self) -> Json:
        return {
            "holds": not self.problems,
            "ledgers": self.ledgers,
            "entries": self.entries,
            "cosigned": {
                body: {"witness": one.witness, "entries": one.entries, "at": one.at}
                for body, one in sorted(self.cosigned.items())
            },
            "documents": self.documents,
            "tables": self.tables,
            "released": self.released,
            "erased": [{"file": file, "on": day} for file, day in self.erased.items()],
            "problems": [{"file": one.file, "what": one.what} for one in self.problems],
        }


def verify(folder: Path) -> Verification:
    """Verify everything below ``folder`` (what `sekisho run` wrote).

    Raises:
        UserError: it is no such folder.
    """
    if not (folder / "directory.json").is_file():
        raise UserError(
            "verify.no-run",
            f"{folder}: there is no directory.json.",
            next_step="name the folder that `sekisho run --out` wrote",
        )
    return _Run(folder.resolve()).verify()


class _Run:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.directory = Directory.read(folder / "directory.json")
        self.book = Ledgers(load(folder / "framework.toml"), self.directory)
        self.cosigned: dict[str, Cosigned] = {}
        self.problems: list[Problem] = []
        self.entries = self.ledgers = self.documents = self.tables = self.released = 0
        self.recorded: set[str] = set()
        self.left: set[Path] = set()
        self.expected: set[Path] = set()
        """Documents of which a ledger speaks."""
        self.erased: dict[Path, str] = {}
        """Documents whose payload was erased, and on which day (UTC)."""
        self.closed: set[str] = set()
        """Projects whose permit was taken back."""
        self.gone: set[str] = set()
        """Bodies that left and destroyed what they had, but for documents and ledger."""

    def verify(self) -> Verification:
        self._global_key(self.folder / "global-key.json")
        homes = sorted(home for home in (self.folder / "bodies").iterdir() if home.is_dir())
        self.book.gather(homes)
        for home in homes:
            self._ledger(home)
        self._all_there()
        for home in homes:
            for file in sorted((home / "documents").rglob("*")):
                if file.is_file():
                    self._document(home, file)
        self._only_released()
        return Verification(
            self.entries,
            self.ledgers,
            self.documents,
            self.tables,
            self.released,
            self.cosigned,
            {self._name(file): day for file, day in sorted(self.erased.items())},
            tuple(self.problems),
        )

    def _global_key(self, file: Path) -> None:
        self._holds(file, lambda: read_global_key(file.read_bytes(), self.directory))

    def _ledger(self, home: Path) -> None:
        config, folders = read_config(home / "body.toml")
        self.ledgers += 1
        number = generation(folders)
        for place in (*(one for _, one in earlier(folders)), folders.ledger):
            found = self.book.problems(config.body, folders, place)
            self.problems += [Problem(self._name(place / one.file), one.what) for one in found]
            if found:
                return
            for entry in TileLog(place).entries():
                self.entries += 1
                read = orjson.loads(entry)
                self.recorded |= set(_digests(read["body"]))
                self._payload(home, read)
                self._expected(home, read["kind"], read["body"])
                if read["kind"] == "project.closed":
                    self.closed.add(read["body"]["application"])
                if read["kind"] == "exit.destroyed":
                    self.gone.add(home.name)
        if (seen := self.book.cosigned(config.body, folders.ledger, number)) is not None:
            self.cosigned[config.body] = seen

    def _payload(self, home: Path, entry: Json) -> None:
        """Take down what this entry says was erased, and what payload it is bound to."""
        said = entry["body"]
        if entry["kind"] == ERASED:
            names = [*map(name_of, said["payloads"]), *said["documents"]]
            self.erased |= {home / "documents" / name: entry["at"][:10] for name in names}
        if isinstance(said.get("payload"), str):
            self.expected.add(home / "documents" / name_of(said["payload"]))

    def _all_there(self) -> None:
        """Every document that a ledger speaks of is there, or was erased on a day it names."""
        for file in sorted(self.expected):
            if file.is_file() and file in self.erased:
                self._problem(file, f"is there, although it was erased on {self.erased[file]}")
            elif not file.is_file() and file not in self.erased:
                self._problem(file, "is missing")

    def _expected(self, home: Path, kind: str, said: Json) -> None:
        """What the ledger says was signed must be there."""
        name = document_of(kind, said)
        if name is not None:
            self.expected.add(home / "documents" / name)

    def _document(self, home: Path, file: Path) -> None:
        self.documents += 1
        name = file.relative_to(home / "documents").as_posix()
        if name.startswith("global-keys/"):
            self._global_key(file)
            return
        if name.startswith("permits/"):
            self._permit(file)
            return
        if name.startswith(f"{FOLDER}/"):
            self._payload_file(file)
            return
        kind = kind_of(name)
        if kind is None:
            self._problem(file, "is no document that a body writes")
            return
        signed = self._holds(
            file, lambda: jws.verify(file.read_bytes(), self.directory.resolve, kind)
        )
        if signed is None:
            return
        if signed.signer != signer_of(name, home.name, signed.payload):
            self._problem(file, "is signed by another body")
        self._named(home, file, signed.payload)
        if kind == project.RECEIPT:
            self._extract(home, file, signed.payload)
        if kind == job.RECEIPT:
            self._release(home, file, signed.payload)
        if kind == RECEIPT and signed.payload["content"] not in self.recorded:
            self._problem(file, "its content digest is in no ledger")

    def _payload_file(self, file: Path) -> None:
        """A payload lies under the commitment that an entry holds, and opens it."""
        payload = self._holds(file, lambda: Payload.from_bytes(file.read_bytes()))
        if payload is not None and payload.commitment != file.stem:
            self._problem(file, "does not open its commitment")
        if file not in self.expected:
            self._problem(file, "is in no ledger")

    def _named(self, home: Path, file: Path, payload: Json) -> None:
        """A document lies under the name that follows from what it says."""
        name = file.relative_to(home / "documents").as_posix()
        if not is_named(name, payload):
            self._problem(file, "does not say what its name does")

    def _permit(self, file: Path) -> None:
        text = file.read_bytes()
        signed = self._holds(
            file, lambda: jws.verify_shared(text, self.directory.resolve, permits.PERMIT)
        )
        if signed is not None:
            self._named(file.parents[2], file, signed.payload)
        if signed is not None and set(signed.payload["granted_by"]) - set(signed.signers):
            self._problem(file, "lacks the signature of a lane that granted it")

    def _extract(self, home: Path, file: Path, payload: Json) -> None:
        if digest(file.read_bytes()) not in self.recorded:
            self._problem(file, "is in no ledger")
        application = payload["application"]
        closed = application in self.closed
        inside = home / "data" / "projects" / application / "data"
        if closed:
            self._no_other(inside, set())
        else:
            self._tables(inside, payload["tables"])
        # A copy that the observer took before the project closed stays what the environment saw.
        copy = self.folder / "projects" / application / "data"
        if not closed or copy.is_dir():
            self._tables(copy, payload["tables"])

    def _tables(self, place: Path, signed: Mapping[str, str]) -> None:
        for table, wanted in signed.items():
            self._same(place / f"{table}.parquet", wanted)
            self.tables += 1
        self._no_other(place, {f"{table}.parquet" for table in signed})

    def _release(self, home: Path, file: Path, payload: Json) -> None:
        application = payload["application"]
        number = payload["release"].rpartition(":")[2]
        inside = home / "data" / "projects" / application / "released" / number
        outside = self.folder / "released" / application
        for name, wanted in payload["digests"].items():
            if wanted not in self.recorded:
                self._problem(file, f"the release of {name} is in no ledger")
            places = {outside} if home.name in self.gone else {inside, outside}
            for place in sorted(places):
                self._same(place / name, wanted)
            self.left |= {place / name for place in places}
            self.released += 1

    def _only_released(self) -> None:
        """What lies in the folder of released files must have left through a release."""
        inside = (self.folder / "bodies").glob("*/data/projects/*/released")
        for place in (self.folder / "released", *sorted(inside)):
            for file in sorted(place.rglob("*")):
                if file.is_file() and file not in self.left:
                    self._problem(file, "was released by nobody")

    def _same(self, file: Path, wanted: str) -> None:
        if not file.is_file():
            self._problem(file, "is missing")
        elif file_digest(file) != wanted:
            self._problem(file, "is not what was signed")

    def _no_other(self, place: Path, names: set[str]) -> None:
        for file in sorted(place.iterdir()) if place.is_dir() else ():
            if file.name not in names:
                self._problem(file, "is named by no receipt")

    def _holds(self, file: Path, check: Callable[[], Any]) -> Any:
        try:
            return check()
        except (SekishoError, OSError) as error:
            what = error.message if isinstance(error, SekishoError) else "cannot be read"
            self._problem(file, what)
            return None

    def _problem(self, file: Path, what: str) -> None:
        self.problems.append(Problem(self._name(file), what))

    def _name(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()


def _digests(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _digests(item)
    elif isinstance(value, list):
        for item in value:
            yield from _digests(item)
