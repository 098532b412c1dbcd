"""The manifest of an export, and what is wrong with the files that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import orjson
from msgspec import Struct

from sekisho.common.errors import PeerError
from sekisho.provider.sources import Limits, SourceProblem, lines

Sort = Literal["output", "deleted", "error"]


class Entry(Struct, frozen=True):
    """One file of an export. ``type`` is absent where files are by patient."""

    url: str
    type: str = ""
    count: int | None = None


class Manifest(Struct, frozen=True, rename="camel"):
    """What a server answers when an export is ready; what it says beside is left out."""

    transaction_time: str
    requires_access_token: bool
    output: tuple[Entry, ...]
    error: tuple[Entry, ...] = ()
    deleted: tuple[Entry, ...] = ()

    def files(self) -> Iterator[tuple[Sort, Entry]]:
        for one in self.output:
            yield "output", one
        for one in self.deleted:
            yield "deleted", one
        for one in self.error:
            yield "error", one


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with an export: a code, the file's number and type, how often."""

    code: str
    file: int
    type: str
    count: int = 1


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        PeerError: the answer is none.
    """
    try:
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise PeerError(
            "pull.manifest",
            "The server's manifest is not as FHIR Bulk Data Access has it.",
            next_step="have the server's operator look at it; nothing was fetched",
        ) from error


def check_output(number: int, entry: Entry, file: Path) -> list[Problem]:
    """Compare a file with what its manifest says: lines, types, an error in the place of data."""
    kinds, found = read_types(file)
    problems = [Problem("pull.cut", number, entry.type)] if found.cut else []
    if found.unreadable:
        problems.append(Problem("pull.unreadable", number, entry.type, found.unreadable))
    total = sum(kinds.values()) + found.unreadable
    if entry.count is not None and entry.count != total:
        problems.append(Problem("pull.count", number, entry.type, abs(entry.count - total)))
    errors = kinds.get("OperationOutcome", 0) if entry.type != "OperationOutcome" else 0
    if errors:
        problems.append(Problem("pull.error-in-file", number, entry.type, errors))
    others = sum(n for kind, n in kinds.items() if kind not in {entry.type, "OperationOutcome"})
    if entry.type and others:
        problems.append(Problem("pull.other-type", number, entry.type, others))
    return problems


@dataclass(frozen=True)
class Read:
    """How well a file could be read."""

    unreadable: int
    cut: bool


def read_types(file: Path) -> tuple[dict[str, int], Read]:
    """Return resource type → lines of it, and what could not be read."""
    kinds: dict[str, int] = {}
    unreadable, cut = 0, False
    try:
        for line in lines(file, Limits()):
            resource = _object(line.data)
            if resource is None:
                unreadable += 1
                cut = cut or not line.ended
                continue
            kind = resource.get("resourceType")
            name = kind if isinstance(kind, str) else ""
            kinds[name] = kinds.get(name, 0) + 1
    except SourceProblem as problem:
        cut = cut or problem.code != "file.empty"
    return kinds, Read(unreadable, cut)


def severities(file: Path) -> tuple[int, int]:
    """Return how many outcomes in an error file are errors, and how many only informations."""
    errors = informations = 0
    try:
        for line in lines(file, Limits()):
            outcome = _object(line.data) or {}
            issues = outcome.get("issue")
            grave = {
                one.get("severity") for one in (issues if isinstance(issues, list) else [])
                if isinstance(one, dict)
            }  # fmt: skip
            if grave and grave <= {"information", "warning"}:
                informations += 1
            else:
                errors += 1
    except SourceProblem:
        pass
    return errors, informations


def deletions(file: Path) -> set[str]:
    """Return the ``Type/id`` that the Bundles of a deletion file say were deleted."""
    found: set[str] = set()
    try:
        for line in lines(file, Limits()):
            bundle = _object(line.data) or {}
            entries = bundle.get("entry")
            for entry in entries if isinstance(entries, list) else []:
                request = entry.get("request") if isinstance(entry, dict) else None
                if isinstance(request, dict) and request.get("method") == "DELETE":
                    found.add("/".join(str(request.get("url", "")).split("/")[-2:]))
    except SourceProblem:
        pass
    return found


def _object(data: bytes | None) -> dict[str, Any] | None:
    if data is None:
        return None
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
