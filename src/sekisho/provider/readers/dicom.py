"""DICOM: one file → the image, as a row and as an object; the patient where a birth date stands.

Whose it is: PatientID, as the institution's own number (`Profile`); with IssuerOfPatientID it is
that issuer's, which ties nothing unless the provider says that the issuer is itself. Files without
pixels (plans, reports, PDF) are set aside: what is written in them is text. Source: DICOM PS3.3
(attributes), OMOP's imaging extension (https://github.com/ohdsi/MI-CDM) for ``image_occurrence``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from sekisho.provider.images import Head, ImageProblem, doubts_of, open_head, quiet
from sekisho.provider.objects import rehearse_image
from sekisho.provider.readers.fhir_patient import name_key
from sekisho.provider.readers.uke_values import calendar_date, uke_day
from sekisho.provider.records import (
    NO_IDENTIFIER,
    UNREADABLE,
    Identity,
    Note,
    Object,
    Outcome,
    Record,
    Row,
    Unreadable,
    refused,
    row,
)
from sekisho.provider.sources import Limits, SourceProblem
from sekisho.pseudonym.identifiers import JP_LOCAL

IMAGE, PATIENT = "image", "Patient"
ISSUER: Final = "urn:dicom:issuer:"
"""Beginning of the system of a number whose issuer the file names."""
_SEXES: Final = {"M": (8507, "male"), "F": (8532, "female"), "O": (0, "other")}
_MODALITY: Final = re.compile(r"[A-Z0-9_]{1,16}")
_TEXT: Final = re.compile(r"[^\x00-\x1f]{1,64}")
_FRAMES: Final = 1_000_000


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield the records of one file; a name or a value of it stays where it is."""
    try:
        with quiet():
            made = tuple(_records(path, open_head(path)))
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)
        return
    except (ImageProblem, Unreadable) as problem:
        yield refused(UNREADABLE, 1, f"file/{path.name}", problem.code)
        return
    yield from made


def _records(path: Path, head: Head) -> Iterator[Record]:
    data = head.data
    unit = _text(data, "SOPInstanceUID")
    if unit is None:
        raise Unreadable("dicom.no-instance")
    if head.pixels is None:
        yield Record(IMAGE, 1, unit, outcome=Outcome.SET_ASIDE, code="no-pixels")
        return
    identity = _identity(data)
    patient = identity.refs[0]
    yield from _patient(data, patient, identity)
    try:
        image = _image(head)
        rehearse_image(head)
    except (ImageProblem, Unreadable) as problem:
        yield refused(IMAGE, 1, unit, problem.code, patient=patient, identity=identity)
        return
    held = (Object("dicom", path),)
    yield Record(IMAGE, 1, unit, (image,), patient, identity=identity, objects=held)


def _identity(data: Dataset) -> Identity:
    number, issuer = _text(data, "PatientID"), _text(data, "IssuerOfPatientID")
    if number is None:
        raise Unreadable(NO_IDENTIFIER)
    system = JP_LOCAL if issuer is None else f"{ISSUER}{issuer}"
    try:
        born = _day(data, "PatientBirthDate")
    except Unreadable:
        born = None  # told with the patient's own record
    birth = None if born is None else calendar_date(born)
    kana = _kana(data)
    named = name_key(kana, birth, _sex(data)[1])
    known = ((system, number),)
    return Identity((f"{system}|{number}",), None, NO_IDENTIFIER, known, named, kana=kana)


def _patient(data: Dataset, patient: str, identity: Identity) -> Iterator[Record]:
    """Yield the patient's own record; an image without a birth date is an image all the same."""
    try:
        born = _day(data, "PatientBirthDate")
    except Unreadable as problem:
        yield refused(PATIENT, 1, patient, problem.code, patient=patient, identity=identity)
        return
    if born is None:
        return
    day = calendar_date(born)
    concept, sex = _sex(data)
    said = row(
        "person",
        gender_concept_id=concept,
        year_of_birth=day.year,
        month_of_birth=day.month,
        gender_source_value=sex,
    )
    yield Record(PATIENT, 1, patient, (said,), patient, identity=identity)


def _image(head: Head) -> Row:
    data = head.data
    modality = _text(data, "Modality") or ""
    taken = next((day for name in _DATES if (day := _day(data, name)) is not None), None)
    if not _MODALITY.fullmatch(modality):
        raise Unreadable("dicom.modality")
    if taken is None:
        raise Unreadable("date.missing")
    part = _text(data, "BodyPartExamined")
    return row(
        "image_occurrence",
        image_occurrence_date=taken,
        modality_concept_id=0,
        modality_source_value=modality,
        anatomic_site_concept_id=0,
        anatomic_site_source_value=part if part and part.upper() == part else None,
        frame_count=_frames(data),
        manufacturer_source_value=_text(data, "Manufacturer"),
        model_source_value=_text(data, "ManufacturerModelName"),
        unresolved_source_value=" ".join(doubts_of(head)) or None,
    )


_DATES: Final = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")


def _text(data: Dataset, name: str) -> str | None:
    try:
        value = data.get(name)
        text = "" if value is None else str(value).strip()
    except Exception:  # a value that cannot be decoded; what it is is not told
        raise Unreadable("dicom.value") from None
    if not text:
        return None
    if not _TEXT.fullmatch(text):
        raise Unreadable("dicom.value")
    return text


def _day(data: Dataset, name: str) -> int | None:
    text = _text(data, name)
    return None if text is None else uke_day(text.replace(".", ""))


def _sex(data: Dataset) -> tuple[int, str]:
    return _SEXES.get(_text(data, "PatientSex") or "", (0, "unknown"))


def _kana(data: Dataset) -> str:
    """Return the name as it sounds: the third group of a name (PS3.5 section 6.2.1)."""
    name = (_text(data, "PatientName") or "").split("=")
    return name[2].replace("^", " ").strip() if len(name) > 2 else ""


def _frames(data: Dataset) -> int:
    text = _text(data, "NumberOfFrames") or "1"
    if not text.isdecimal() or not 1 <= int(text) <= _FRAMES:
        raise Unreadable("dicom.value")
    return int(text)
