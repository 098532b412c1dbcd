"""What a record keeps beside its rows, written without who it is of, when it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from tempfile import TemporaryFile
from typing import BinaryIO, Final

import pyarrow as pa

from sekisho.cdm import object_schema
from sekisho.common.errors import UserError
from sekisho.provider.columns import Tables
from sekisho.provider.genomes import GenomeProblem, write_person
from sekisho.provider.images import (
    Head,
    ImageProblem,
    Naming,
    Residue,
    basic_profile,
    deidentified,
    header_of,
    open_head,
    quiet,
    write_object,
)
from sekisho.provider.records import Object
from sekisho.provider.sources import Limits, SourceProblem

PIECE: Final = 4 << 10
"""Bytes of one row: some ten thousand rows are in memory at once where a payload is written."""


@dataclass(frozen=True)
class Leaving:
    """An object of a record that is sent, under the record's name in one class of data.

    Its text says neither the file's name, which may be a patient's, nor the key of the names.
    """

    source_id: str
    data_class: str
    object: Object = field(repr=False)
    name: Naming = field(repr=False)


@dataclass(frozen=True)
class Packed:
    """The objects of the records in ``tables``, in pieces: made anew each time that it is read."""

    objects: Sequence[Leaving]
    tables: Tables

    @property
    def schema(self) -> pa.Schema:
        return object_schema()

    def batches(self) -> Iterator[pa.Table]:
        """Yield the pieces in order of records.

        Raises:
            UserError: a file changed after it was read.
        """
        tags = self._tags()
        for one in sorted(self.objects, key=lambda it: (it.source_id, it.data_class)):
            tag = tags.get((one.source_id, one.data_class))
            if tag is not None:  # else its record stays: held back, superseded or refused
                yield from self._pieces(tag, one)

    def _tags(self) -> dict[tuple[str, str], str]:
        """Return (source id, class) → tag of the records that leave and have an object."""
        wanted = {(one.source_id, one.data_class) for one in self.objects}
        columns = ("tag", "source_id", "data_class")
        return {
            (source, data_class): tag
            for rows in self.tables.rows.values()
            for batch in rows.batches()
            for tag, source, data_class in zip(
                *(batch[name].to_pylist() for name in columns), strict=True
            )
            if (source, data_class) in wanted
        }

    def _pieces(self, tag: str, one: Leaving) -> Iterator[pa.Table]:
        with TemporaryFile() as file:
            write(one.object, one.name, file)
            file.seek(0)
            number = 0
            while True:
                pieces = [piece for _ in range(_AT_ONCE) if (piece := file.read(PIECE))]
                if not pieces and number:
                    return
                pieces = pieces or [b""]
                made = range(number, number + len(pieces))
                number += len(pieces)
                same = [[text] * len(pieces) for text in (tag, one.source_id, one.data_class)]
                kinds = [one.object.kind] * len(pieces)
                yield pa.table([*same, kinds, made, pieces], schema=object_schema())


_AT_ONCE: Final = 1 << 10


def write(it: Object, name: Naming, target: BinaryIO) -> None:
    """Write an object, naming what is in it as the rows' records are named.

    Raises:
        UserError: its file is no longer the one that was read.
    """
    try:
        _WRITERS[it.kind](it, name, target)
    except (GenomeProblem, ImageProblem, Residue, SourceProblem):
        raise UserError(
            "submission.file-changed",
            "A file changed after it was read.",
            next_step="prepare the submission again from files at rest",
        ) from None


def rehearse_image(head: Head) -> None:
    """Take the identifiers out of a header once and write it, as `write` will, inside `quiet`.

    Raises:
        ImageProblem: something that was taken out stands elsewhere in it, or it cannot be written.
    """
    try:
        made = deidentified(
            head.data, basic_profile(), lambda what, local: sha256(local.encode()).hexdigest()[:32]
        )
        header_of(head, made)
    except Residue:
        raise ImageProblem("dicom.residue") from None


def _write_image(it: Object, name: Naming, target: BinaryIO) -> None:
    with quiet():
        head = open_head(it.source)
        write_object(it.source, head, deidentified(head.data, basic_profile(), name), target)


def _write_genome(it: Object, name: Naming, target: BinaryIO) -> None:
    write_person(it.source, it.part, name("sample", it.part), Limits(), target)


_WRITERS: Final[dict[str, Callable[[Object, Naming, BinaryIO], None]]] = {
    "dicom": _write_image,
    "vcf": _write_genome,
}
