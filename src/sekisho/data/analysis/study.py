"""A study: a folder with ``study.toml`` and code, hashed as one deterministic archive.

The hash of the archive is the study's identity: what ran on dummy data is what runs on the
extract, byte for byte. No permit, body or date belongs into a study, so that the same study
gives the same outputs wherever it runs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from sekisho.cdm import TABLES
from sekisho.common.canonical import digest
from sekisho.common.errors import UserError
from sekisho.common.toml import read_toml
from sekisho.data.analysis.archive import pack_files, read_folder, unpack_files
from sekisho.data.linkage import WEIGHT_TABLE

MANIFEST = "study.toml"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""Names of studies, outputs and source tables: they become file names, so ASCII and short."""
COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
MAX_DIMENSIONS = 4
RESERVED = {"person_id", "persons"}


class Title(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A title in both languages."""

    ja: str
    en: str


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table that the trusted builder counts from a person-level table of the study.

    ``source`` names that table: the study writes ``/out/<source>.parquet`` or ``.csv`` with a
    column ``person_id`` and the dimensions, one row per person. ``levels`` lists the values a
    dimension can take, where they are known beforehand: cells without persons are then shown as
    0 and any other value is refused; without it the values found in the data are used.
    """

    name: str
    type: Literal["table"]
    source: str
    dimensions: tuple[str, ...]
    measure: Literal["persons"]
    purpose: str
    levels: dict[str, tuple[str, ...]] = {}
    on_small_cell: Literal["mask", "refuse"] | None = None

    def __post_init__(self) -> None:
        for value in (self.name, self.source):
            if not NAME.fullmatch(value):
                raise ValueError(f"the name {value!r} does not match {NAME.pattern}")
        if len(self.dimensions) > MAX_DIMENSIONS:
            raise ValueError(f"an output has at most {MAX_DIMENSIONS} dimensions")
        if len(set(self.dimensions)) != len(self.dimensions):
            raise ValueError("a dimension is named twice")
        for column in self.dimensions:
            if not COLUMN.fullmatch(column) or column in RESERVED:
                raise ValueError(f"{column!r} cannot be a dimension")
        for column, values in self.levels.items():
            if column not in self.dimensions:
                raise ValueError(f"levels are given for {column!r}, which is no dimension")
            if not values or len(set(values)) != len(values):
                raise ValueError(f"the levels of {column!r} are empty or repeated")
        if not self.purpose.strip():
            raise ValueError("an output states its purpose")


class StudyPackage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``study.toml`` says.

    ``inputs`` are tables of the CDM, and ``linkage_weight`` where the permit names an enclave.
    """

    id: str
    title: Title
    language: Literal["python"]
    entry: str
    inputs: tuple[str, ...]
    seed: int
    outputs: tuple[Output, ...] = msgspec.field(name="output")

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.id):
            raise ValueError(f"the id {self.id!r} does not match {NAME.pattern}")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*(/[A-Za-z0-9_-]+)*\.py", self.entry):
            raise ValueError(f"the entry {self.entry!r} is not a relative path of a .py file")
        known = {WEIGHT_TABLE, *(table.name for table in TABLES)}
        for table in self.inputs:
            if table not in known:
                raise ValueError(f"there is no table {table!r}; tables: {', '.join(sorted(known))}")
        if not self.inputs or len(set(self.inputs)) != len(self.inputs):
            raise ValueError("inputs are empty or repeated")
        if not 0 <= self.seed < 2**32:
            raise ValueError("the seed is an integer from 0 to 4294967295")
        if not self.outputs:
            raise ValueError("a study declares at least one output")
        if len({o.name for o in self.outputs}) != len(self.outputs):
            raise ValueError("two outputs have one name")

    @property
    def sources(self) -> tuple[str, ...]:
        """The person-level tables that the outputs are counted from."""
        return tuple(sorted({o.source for o in self.outputs}))


def read_study(folder: Path) -> StudyPackage:
    """Read and check ``folder/study.toml``.

    Raises:
        UserError: the folder, the manifest or its entry is missing or wrong.
    """
    if not (folder / MANIFEST).is_file():
        raise UserError(
            "study.no-manifest",
            f"{folder}: a study is a folder with a file {MANIFEST}.",
            next_step="name the folder of the study, or write its study.toml",
        )
    study = read_toml(folder / MANIFEST, StudyPackage)
    if not (folder / study.entry).is_file():
        raise UserError("study.no-entry", f"{folder}: the entry {study.entry} does not exist.")
    return study


def pack(folder: Path) -> bytes:
    """Return the study in ``folder`` as its one archive (caches and hidden files left out)."""
    study = read_study(folder)
    files = read_folder(folder)
    if study.entry not in files:
        raise UserError("study.entry-left-out", f"{folder}: {study.entry} is not part of a package")
    return pack_files(files)


def unpack(package: bytes, folder: Path) -> StudyPackage:
    """Write an archive of unknown origin into the new folder ``folder`` and read its manifest."""
    unpack_files(package, folder)
    return read_study(folder)


def package_hash(package: bytes) -> str:
    """Return the identity of a study: the SHA-256 of its archive."""
    return digest(package)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``study.toml``."""
    made = msgspec.json.schema(StudyPackage)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "study.toml: a study package",
        **made,
    }
