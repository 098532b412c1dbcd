"""DICOM: a small picture of one injury in ten that somebody came with; its pixels show nothing.

A hospital's own storage: the patient's name, birth date and chart number stand in each file. Files
lie in folders of a thousand.
"""

from __future__ import annotations

import uuid
import warnings
from collections import Counter
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from sekisho.synthetic.care import Period, Visit
from sekisho.synthetic.draws import Draws
from sekisho.synthetic.person import Person
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.writing import Counts

TAKEN: Final = {"injury": "HAND", "ankle-abrasion": "ANKLE"}
"""Acute condition → what is taken a picture of (BodyPartExamined, DICOM PS3.16 annex L)."""
ONE_IN: Final = 10
"""How many injuries there are for one of which a picture is taken: an assumption."""
_SIDE = 16
"""Pixels on a side."""
_FOLDER = 1_000
"""Files in one folder."""
_NAMES = uuid.UUID("d0a3c6a2-5b4e-5d3a-9a53-1f3f3e6c7b90")


class ImageWriter:
    """Writes one file a picture."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        del period
        self._institution, self._folder = institution, folder
        self._written: dict[Path, Counts] = {}

    def add(self, patient: Patient) -> None:
        for visit in patient.visits:
            if visit.acute in TAKEN and is_taken(self._institution, patient.person, visit):
                number = len(self._written)
                path = self._folder / f"{number // _FOLDER:03}" / f"{number % _FOLDER:03}.dcm"
                path.parent.mkdir(parents=True, exist_ok=True)
                _save(self._picture(patient, visit, visit.acute), path)
                # The reader tells of the patient, too, where a birth date stands.
                self._written[path] = dict(Counter(("Patient", "image")))

    def close(self) -> dict[Path, Counts]:
        return self._written

    def _picture(self, patient: Patient, visit: Visit, acute: str) -> Dataset:
        person, called = patient.person, patient.person.called(visit.day)
        study = f"{self._institution.spec.code}/{patient.chart}/{visit.day.isoformat()}"
        made = Dataset()
        made.SpecificCharacterSet = "ISO_IR 192"
        made.SOPClassUID = DigitalXRayImageStorageForPresentation
        made.StudyInstanceUID = _uid(study)
        made.SeriesInstanceUID = _uid(f"{study}/series")
        made.SOPInstanceUID = _uid(f"{study}/image")
        kanji, kana = ("^".join(one.split(" ")) for one in (called.name, called.kana))
        made.PatientName = f"={kanji}={kana}"
        made.PatientID = patient.chart
        made.PatientBirthDate = f"{person.birth:%Y%m%d}"
        made.PatientSex = "M" if person.sex == "male" else "F"
        made.StudyDate = f"{visit.day:%Y%m%d}"
        made.Modality, made.BodyPartExamined = "DX", TAKEN[acute]
        made.InstitutionName = self._institution.spec.name
        made.Rows = made.Columns = _SIDE
        made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
        made.PixelRepresentation, made.SamplesPerPixel = 0, 1
        made.PhotometricInterpretation = "MONOCHROME2"
        noise = Draws(self._institution.seed, f"image/{visit.day}", person.number)
        made.PixelData = bytes(noise.below(256) for _ in range(_SIDE * _SIDE))
        made["PixelData"].VR = "OB"
        return made


def is_taken(institution: Institution, person: Person, visit: Visit) -> bool:
    """Whether a picture is taken of the injury that somebody came with."""
    stream = f"picture/{institution.place}/{visit.day}"
    return Draws(institution.seed, stream, person.number).below(ONE_IN) == 0


def _save(made: Dataset, path: Path) -> None:
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.save_as(path, enforce_file_format=True)


def _uid(name: str) -> str:
    """Return a UID from a UUID (DICOM PS3.5 annex B.2)."""
    return f"2.25.{uuid.uuid5(_NAMES, name).int}"
