"""Images for tests: small DICOM files with everything in them that names a person."""

from __future__ import annotations

import warnings
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

INSTANCE, STUDY = "1.2.999.1.1", "1.2.999.1"


def image(path: Path, **values: object) -> Path:
    """Write a small image with everything that names a person in it."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, INSTANCE
    data.StudyInstanceUID, data.SeriesInstanceUID = STUDY, f"{STUDY}.2"
    data.PatientName, data.PatientID = "Canaryfamily^Canarygiven", "CANARY0001"
    data.PatientBirthDate, data.PatientSex = "19800517", "F"
    data.StudyDate, data.Modality, data.BodyPartExamined = "20260310", "CT", "CHEST"
    data.StudyDescription = "Canarytext"
    data.Rows = data.Columns = 4
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    inner = Dataset()
    inner.PatientID, inner.ReferencedSOPInstanceUID = "CANARY0001", INSTANCE
    inner.ReferencedSOPClassUID = CTImageStorage
    data.ReferencedImageSequence = [inner]
    block = data.private_block(0x0011, "CANARY MAKER", create=True)
    block.add_new(0x01, "LO", "Canaryprivate")
    data.PixelData = bytes(range(16))
    data["PixelData"].VR = "OB"
    for key, value in values.items():
        setattr(data, key, value)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.save_as(path, enforce_file_format=True)
    return path
