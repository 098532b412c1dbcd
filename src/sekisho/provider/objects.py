"""What a record keeps beside its rows, written without who it is of, when it leaves."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import BinaryIO, Final

from sekisho.common.errors import UserError
from sekisho.provider.genomes import GenomeProblem, write_person
from sekisho.provider.images import (
    Head,
    ImageProblem,
    Naming,
    Residue,
    basic_profile,
    deidentified,
    open_head,
    quiet,
    write_object,
)
from sekisho.provider.records import Object
from sekisho.provider.sources import Limits, SourceProblem


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
    """Take the identifiers out of a header once, as `write` will, inside `quiet`.

    Raises:
        ImageProblem: something that was taken out stands elsewhere in it.
    """
    try:
        deidentified(
            head.data, basic_profile(), lambda what, local: sha256(local.encode()).hexdigest()[:32]
        )
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
