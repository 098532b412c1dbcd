"""What a hospital knows of its own numbers: whose they are, for formats that name nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sekisho.synthetic.care import Period
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.writing import Counts, Lines

NAME: Final = "mapping.csv"
OWN_NUMBERS: Final = frozenset({"dpc-ef", "omop-csv", "dicom", "vcf"})
"""Formats whose files name a patient by the hospital's own number alone."""


class MappingWriter:
    """Writes a line for each way in which a chart number is written; none for the uninsured."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        del institution, period
        self._lines = Lines(folder)
        self._lines.put(NAME, b"local,insured\n")

    def add(self, patient: Patient) -> None:
        insurance = patient.person.insurance(patient.visits[-1].day)
        if insurance is not None:
            number = int(patient.chart)
            for spelled in dict.fromkeys((patient.chart, str(number), f"{number:010}")):
                self._lines.put(NAME, f"{spelled},{insurance.member_id}\n".encode())

    def close(self) -> dict[Path, Counts]:
        return self._lines.close()
