"""Images that nobody here wrote, and tricks: what leaves says nothing of whose they are."""

from __future__ import annotations

import resource
import subprocess
import sys
import warnings
from collections import Counter
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from dicom_files import STUDY, image
from sekisho.common.errors import UserError
from sekisho.common.randomness import seeded
from sekisho.framework.kinds import load_kinds
from sekisho.provider import Limits, Note, Outcome, Prepared, Profile, Record, prepare
from sekisho.provider.images import basic_profile, open_head, quiet
from sekisho.provider.objects import write
from sekisho.provider.readers import dicom
from submissions import KEY, NORTH, SOUTH, even

MINE = Profile(institution="1310000001")


def name(what: str, local: str) -> str:
    return f"{sum(local.encode()) * 7919:032x}"


def sent(*paths: Path, root: Path, profile: Profile = MINE) -> Prepared:
    kinds = load_kinds(root / "rules" / "data-kinds.toml")
    to = {"basic": NORTH, "hard": SOUTH}
    return prepare(paths, "dicom", kinds.placed, KEY, to, seeded(1), profile=profile)


def records(path: Path) -> list[Record | Note]:
    return list(dicom.read(path, Limits()))


def written(path: Path) -> bytes:
    one = next(r for r in records(path) if isinstance(r, Record) and r.objects)
    target = BytesIO()
    write(one.objects[0], name, target)
    return target.getvalue()


@pytest.fixture(scope="module")
def foreign(testdata: Path) -> list[Path]:
    """Return every file of the test data, and all that come with pydicom."""
    own = Path(pydicom.__file__).parent / "data"
    found = [*sorted((testdata / "dicom").glob("*.dcm")), *sorted(own.rglob("*.dcm"))]
    assert len(found) > 100
    return found


def test_foreign_images_become_rows_as_their_headers_say(foreign: list[Path], root: Path) -> None:
    mine = [p for p in foreign if p.parent.name == "dicom"]
    one = sent(*mine, root=root)
    even(one)
    rows = one.parts[SOUTH].tables["image_occurrence"].to_pylist()
    said = []
    for path in mine:
        data = pydicom.dcmread(path)
        if "PixelData" in data:
            said.append(
                (data.StudyDate, data.Modality, data.Manufacturer, data.ManufacturerModelName)
            )
    assert sorted(
        (
            f"{row['image_occurrence_date']:%Y%m%d}",
            row["modality_source_value"],
            row["manufacturer_source_value"],
            row["model_source_value"],
        )
        for row in rows
    ) == sorted(said)
    assert len(said) == 2
    assert one.set_aside == {("image", "no-pixels"): 1}


def test_nothing_that_the_profile_names_is_left_of_any_foreign_image(foreign: list[Path]) -> None:
    """Judged by pydicom's own reading and the standard's table, not by what wrote it."""
    actions = basic_profile().by_tag()
    seen: Counter[str] = Counter()
    for path in foreign:
        made = [r for r in records(path) if isinstance(r, Record)]
        seen.update(r.code or r.outcome.name for r in made)
        if not any(r.objects for r in made):
            continue
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")
            before, after = pydicom.dcmread(path), pydicom.dcmread(BytesIO(written(path)))
            assert after.PixelData == before.PixelData
            assert after.preamble == bytes(128)
            uids = {
                str(e.value)
                for e in before.iterall()
                if e.VR == "UI" and actions.get(f"{int(e.tag):08X}") == "U" and e.value
            }
            for element in after.iterall():
                assert not element.tag.is_private
                action = actions.get(f"{int(element.tag):08X}")
                assert action != "X"
                if action == "Z":
                    assert not element.value
                if action == "D" and element.VR != "SQ":
                    assert str(element.value) == basic_profile().dummy[element.VR]
                assert element.VR != "UI" or str(element.value) not in uids
    assert seen["SENT"] > 40
    assert set(seen) <= {
        "SENT",
        "no-pixels",
        "person.no-identifier",
        "date.missing",
        "date.impossible",
        "dicom.no-prefix",
        "dicom.transfer-syntax",
        "dicom.truncated",
        "dicom.modality",
        "dicom.malformed",
        "dicom.no-instance",
        "dicom.value",
    }


def test_whose_it_is_leaves_neither_in_rows_nor_in_the_object(tmp_path: Path, root: Path) -> None:
    path = image(tmp_path / "Canaryname.dcm")
    path.write_bytes(b"MZ Canarypreamble".ljust(128, b"\1") + path.read_bytes()[128:])
    data = written(path)
    assert b"anary" not in data.replace(b"CANARY", b"Canary")
    assert STUDY.encode() not in data
    one = sent(path, root=root)
    for part in one.parts.values():
        assert "anary" not in str(part).replace("CANARY", "Canary")
    person = one.parts[SOUTH].tables["person"].to_pylist()[0]
    assert (person["year_of_birth"], person["gender_concept_id"]) == (1980, 8532)
    assert [key.method for _, key in one.parts[SOUTH].identities] == ["local"]


def test_uids_of_one_study_stay_one_study(tmp_path: Path) -> None:
    one, two = image(tmp_path / "1"), image(tmp_path / "2", SOPInstanceUID="1.2.999.1.2")
    first, second = (pydicom.dcmread(BytesIO(written(path))) for path in (one, two))
    assert first.StudyInstanceUID == second.StudyInstanceUID != STUDY
    assert first.SOPInstanceUID != second.SOPInstanceUID
    inner = first.ReferencedImageSequence[0]
    assert inner.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert inner.ReferencedSOPClassUID == CTImageStorage
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "burned-in-unknown"),
        ({"BurnedInAnnotation": "NO"}, None),
        ({"BurnedInAnnotation": "YES"}, "burned-in"),
        (
            {"BurnedInAnnotation": "NO", "SOPClassUID": SecondaryCaptureImageStorage},
            "secondary-capture",
        ),
        ({"BurnedInAnnotation": "NO", "BodyPartExamined": "HEAD"}, "face"),
    ],
)
def test_what_pixels_may_show_is_told(
    tmp_path: Path, root: Path, values: dict[str, object], code: str | None
) -> None:
    one = sent(image(tmp_path / "a", **values), root=root)
    (row,) = one.parts[SOUTH].tables["image_occurrence"].to_pylist()
    assert row["unresolved_source_value"] == code


def test_an_overlay_is_told_and_taken_out(foreign: list[Path]) -> None:
    path = next(p for p in foreign if p.name == "examples_overlay.dcm")
    with quiet():
        assert "overlay" in dicom.doubts_of(open_head(path))
    after = pydicom.dcmread(BytesIO(written(path)))
    assert not after.group_dataset(0x6000).get_item((0x6000, 0x3000))


def test_a_number_of_another_issuer_ties_nothing(tmp_path: Path, root: Path) -> None:
    path = image(tmp_path / "a", IssuerOfPatientID="OTHER")
    with pytest.raises(UserError, match=r"person\.no-identifier"):
        sent(path, root=root)
    declared = Profile(institution=MINE.institution, local_systems=(f"{dicom.ISSUER}OTHER",))
    assert sent(path, root=root, profile=declared).parts[SOUTH].identities


def refusal(path: Path) -> str:
    one = records(path)[-1]
    if isinstance(one, Note):
        return one.code
    assert one.outcome is Outcome.REFUSED
    assert not one.objects
    return one.code


def with_syntax(path: Path, uid: str) -> None:
    old = ExplicitVRLittleEndian.encode()
    data = path.read_bytes()
    at = data.index(old)
    length = len(old) + len(old) % 2
    path.write_bytes(data[:at] + uid.encode().ljust(length, b"\0")[:length] + data[at + length :])


def sequence(depth: int) -> bytes:
    """Return a sequence in itself, each of undefined length."""
    opened = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    return opened * depth + closed * depth


HEAD = 128


def before_pixels(path: Path, more: bytes) -> None:
    data = path.read_bytes()
    at = data.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(data[:at] + more + data[at:])


def test_tricks_are_refused_by_their_codes(tmp_path: Path) -> None:
    made: dict[str, str] = {}

    def trick(label: str) -> Path:
        return image(tmp_path / label)

    path = trick("no prefix")
    path.write_bytes(path.read_bytes()[HEAD:])
    made["no prefix"] = refusal(path)
    path = trick("cut pixels")
    path.write_bytes(path.read_bytes()[:-5])
    made["cut pixels"] = refusal(path)
    path = trick("deflated")
    with_syntax(path, "1.2.840.10008.1.2.1")
    data = path.read_bytes()
    syntax = b"1.2.840.10008.1.2.1\0"
    path.write_bytes(data.replace(syntax, b"1.2.840.10008.1.2.2\0", 1))
    made["big endian"] = refusal(path)
    path = trick("deep")
    before_pixels(path, sequence(5_000))
    made["deep"] = refusal(path)
    path = trick("items")
    before_pixels(
        path, b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0" * 60_000
    )
    made["items"] = refusal(path)
    path = trick("long head")
    before_pixels(
        path,
        b"\x20\x40\x01\x00LT\0\0" * 1 + b"\x28\x00\x01\x20OW\0\0\x00\x00\xa0\x00" + bytes(10 << 20),
    )
    made["long head"] = refusal(path)
    path = trick("huge length")
    data = path.read_bytes()
    at = data.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(data[: at + 8] + b"\xfe\xff\xff\xff" + data[at + 12 :])
    made["huge length"] = refusal(path)
    path = trick("empty")
    path.write_bytes(b"")
    made["empty"] = refusal(path)
    made["residue"] = refusal(
        image(tmp_path / "residue", Manufacturer="for Canaryfamily^Canarygiven")
    )
    made["modality"] = refusal(image(tmp_path / "modality", Modality=""))
    assert made == {
        "no prefix": "dicom.no-prefix",
        "cut pixels": "dicom.truncated",
        "big endian": "dicom.transfer-syntax",
        "deep": "dicom.too-deep",
        "items": "dicom.too-complex",
        "long head": "dicom.head-too-large",
        "huge length": "dicom.truncated",
        "empty": "file.empty",
        "residue": "dicom.residue",
        "modality": "dicom.modality",
    }


def test_nothing_of_a_value_is_told_on_the_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = image(tmp_path / "a", PatientID="CANARY0001")
    raw = path.read_bytes().replace(b"19800517", b"Canaryda").replace(b"CT\0", b"C\xff")
    path.write_bytes(raw.replace(b"20260310", b"Canarydd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all("anary" not in r.code for r in records(path) if isinstance(r, Record))
    assert "anary" not in caplog.text


READ = """
import sys
from pathlib import Path
from sekisho.provider import Limits
from sekisho.provider.readers import dicom
print(*[one.code for one in dicom.read(Path(sys.argv[1]), Limits())])
"""


def test_two_gigabytes_of_pixels_are_read_within_bounded_memory(tmp_path: Path) -> None:
    path = image(tmp_path / "a")
    data = path.read_bytes()
    at = data.index(b"\xe0\x7f\x10\x00")
    size = 2 << 30
    with path.open("wb") as file:
        file.write(data[: at + 8] + size.to_bytes(4, "little"))
        file.truncate(at + 12 + size)
    bound = 300 << 20
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (bound, bound)),
    )
    assert done.stdout.strip() == ""
