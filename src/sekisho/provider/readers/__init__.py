"""Readers: one file a format, all alike — a file in, records and notes out, streaming.

A new format is a module with ``read(path, limits)`` and a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sekisho.common.errors import UserError
from sekisho.provider.batches import Batch
from sekisho.provider.readers import (
    checkup_cda,
    dicom,
    dpc_ef,
    fhir_bundle,
    fhir_ndjson,
    jp_clins,
    omop_csv,
    ssmix,
    table,
    uke,
    uke_batches,
    vcf,
)
from sekisho.provider.readers.ssmix_storage import arranged
from sekisho.provider.readers.table_layout import (
    Layout,
    load_layout,
    shipped_layout,
    shipped_layouts,
)
from sekisho.provider.records import Note, Record
from sekisho.provider.sources import Limits

__all__ = ["FORMATS", "Format", "described_names", "format_of"]


@dataclass(frozen=True)
class Format:
    """A format that a provider may send.

    Args:
        family: formats of one family name the same source record alike, so that it supersedes.
        batches: reads what ``read`` reads, much of it in columns at once, where that is known.
        unverified: which parts are read by a layout that no file or public text has confirmed.
        arrange: the files that given paths mean, in the order in which the last one counts; a
            format that is a folder of files looks into folders.
    """

    id: str
    family: str
    read: Callable[[Path, Limits], Iterator[Record | Note]]
    arrange: Callable[[Sequence[Path]], Sequence[Path]] = list
    unverified: str = ""
    batches: Callable[[Path, Limits], Iterator[Record | Note | Batch]] | None = None

    @property
    def of_folders(self) -> bool:
        """Whether a folder may be named in the place of its files."""
        return self.arrange is not list


FORMATS: dict[str, Format] = {
    one.id: one
    for one in (
        Format("fhir-ndjson", "fhir", fhir_ndjson.read),
        Format("fhir-bundle", "fhir", fhir_bundle.read),
        Format("jp-clins", "fhir", jp_clins.read),
        Format(
            "uke",
            "uke",
            uke.read,
            unverified="SB and CD of DPC receipts; the prefix of returned files (返戻); dental and "
            "dispensing receipts, which follow public programs and no public file",
            batches=uke_batches.read,
        ),
        Format("checkup-cda", "checkup", checkup_cda.read),
        Format("dicom", "dicom", dicom.read),
        Format("vcf", "vcf", vcf.read),
        Format(
            "dpc-ef",
            "dpc",
            dpc_ef.read,
            unverified="様式1 as a whole (experimental); EF and D follow public programs",
        ),
        Format("omop-csv", "omop", omop_csv.read, omop_csv.files_of),
        Format("ss-mix2", "ss-mix2", ssmix.read, arranged),
    )
}


BY_LAYOUT = "table:"
"""Begins the name of a format that a layout describes: a shipped one's name, or a file."""


def format_of(name: str, *, own_layouts: bool = True) -> Format:
    """Return the format called ``name``.

    Args:
        own_layouts: whether ``table:`` may name a file; not where another program chooses the name.

    Raises:
        UserError: there is no reader for it, or its layout is not sound.
    """
    if name.startswith(BY_LAYOUT):
        layout = name.removeprefix(BY_LAYOUT)
        if layout in shipped_layouts():
            return _described(shipped_layout(layout))
        if own_layouts and layout.endswith(".toml"):
            return _described(load_layout(Path(layout)))
    if name not in FORMATS:
        raise UserError(
            "format.unknown",
            f"There is no reader for the format {name!r}.",
            next_step=f"formats: {', '.join([*FORMATS, *described_names()])}, or table:LAYOUT.toml",
        )
    return FORMATS[name]


def described_names() -> list[str]:
    """Return the formats that a shipped layout describes."""
    return [f"{BY_LAYOUT}{name}" for name in shipped_layouts()]


def _described(layout: Layout) -> Format:
    name = f"{BY_LAYOUT}{layout.id}"
    unverified = f"experimental: {layout.source}" if layout.experimental else ""
    return Format(name, name, table.reader_of(layout), unverified=unverified)
