"""Vocabularies on disk: one folder a version, made once and never changed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from sekisho.cdm import CodeSystems
from sekisho.common.atomicfile import sync_folder, write_atomically
from sekisho.common.canonical import canonical_json, digest_of
from sekisho.common.errors import UserError
from sekisho.data.lake.coding import NAMES_SCHEMA, STEMS_SCHEMA, VocabularyFiles
from sekisho.data.vocabulary.compiling import compile_map, write_ancestors
from sekisho.data.vocabulary.sources import recognise

_MANIFEST: Final = "manifest.json"
_LENGTH: Final = 16


class Origin(Struct, frozen=True, forbid_unknown_fields=True):
    """One file that went in: its name, what it is, its digest."""

    file: str
    kind: str
    sha256: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What one version is made of. ``codes``: vocabulary → codes, and how many have a standard
    concept. ``number``: its place among the versions of the store; the greatest is the newest."""

    version: str
    number: int
    made_on: date
    systems: str
    sources: tuple[Origin, ...]
    codes: dict[str, tuple[int, int]]

    @property
    def has_concepts(self) -> bool:
        """Whether some code has a standard concept."""
        return any(mapped for _, mapped in self.codes.values())


@dataclass(frozen=True)
class VocabularyStore:
    """The versions below ``folder``."""

    folder: Path

    def versions(self) -> tuple[Manifest, ...]:
        """Return all versions, the newest last."""
        found = [self._read(path) for path in sorted(self.folder.glob(f"*/{_MANIFEST}"))]
        return tuple(sorted(found, key=lambda one: one.number))

    def newest(self) -> Manifest | None:
        return next(reversed(self.versions()), None)

    def files(self, version: str) -> VocabularyFiles:
        return VocabularyFiles(self.folder / version)

    def add(self, files: Sequence[Path], systems: CodeSystems, on: date) -> Manifest:
        """Make a version from files; the same files and rules give the version that is there.

        Raises:
            UserError: a file is unknown, not in its layout, or there is none.
        """
        if not files:
            raise UserError("vocabulary.no-file", "No file was named.")
        sources = [recognise(path) for path in sorted(files, key=lambda path: path.name)]
        used = [one for one in sources if one.kind != "other"]
        said = sorted((one.kind, one.sha256) for one in used)
        rules = msgspec.to_builtins(systems)
        version = digest_of({"sources": [list(one) for one in said], "systems": rules})[:_LENGTH]
        known = {one.version: one for one in self.versions()}
        if version in known:
            return known[version]
        made = compile_map(used, systems, version)
        manifest = Manifest(
            version,
            1 + max((one.number for one in known.values()), default=0),
            on,
            systems.version,
            tuple(Origin(one.path.name, one.kind, one.sha256) for one in sources),
            _counts(made),
        )
        # The folder comes into being whole: its name is given last.
        unfinished = self.folder / f".{version}.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        written = VocabularyFiles(unfinished)
        pq.write_table(made, written.map)
        pq.write_table(_names(systems, made, version), written.names)
        pq.write_table(_stems(systems, version), written.stems)
        write_ancestors(used, written.ancestors)
        write_atomically(unfinished / _MANIFEST, canonical_json(msgspec.to_builtins(manifest)))
        unfinished.rename(self.folder / version)
        sync_folder(self.folder)
        return manifest

    def take_over(self, other: VocabularyStore, version: str) -> None:
        """Copy a version of another store, unless it is here."""
        target = self.folder / version
        if target.exists():
            return
        unfinished = self.folder / f".{version}.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(other.folder / version, unfinished)
        unfinished.rename(target)
        sync_folder(self.folder)

    def _read(self, path: Path) -> Manifest:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Manifest)
        except msgspec.MsgspecError as error:
            raise UserError("vocabulary.manifest", f"{path}: {error}") from None


def _names(systems: CodeSystems, made: pa.Table, version: str) -> pa.Table:
    """Return under which names each vocabulary's codes come; one of nobody's comes as itself."""
    names = {name: one.id for name, one in systems.by_name.items()}
    own = set(made["vocabulary"].unique().to_pylist()) - set(systems.by_id)
    names |= {it: it for it in own}
    icd = {one.id for one in systems.system if one.spelling == "icd"}
    rows = [
        {"version": version, "name": name, "vocabulary": it, "icd": it in icd}
        for name, it in sorted(names.items())
    ]
    return pa.Table.from_pylist(rows, NAMES_SCHEMA)


def _stems(systems: CodeSystems, version: str) -> pa.Table:
    rows = [
        {"version": version, "vocabulary": one.id, "first": stem.first, "stem": stem.name}
        for one in systems.system
        for stem in one.stem
    ]
    return pa.Table.from_pylist(rows, STEMS_SCHEMA)


def _counts(made: pa.Table) -> dict[str, tuple[int, int]]:
    counted: dict[str, tuple[int, int]] = {}
    for row in made.select(["vocabulary", "concept_id"]).to_pylist():
        codes, mapped = counted.get(row["vocabulary"], (0, 0))
        counted[row["vocabulary"]] = (codes + 1, mapped + (row["concept_id"] > 0))
    return dict(sorted(counted.items()))
