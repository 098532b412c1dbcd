"""Archives: what is plain comes out whole; a trick is refused by name, within bounds."""

from __future__ import annotations

import gzip
import io
import resource
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sekisho.provider import Limits
from sekisho.provider.archives import is_archive, unpacked
from sekisho.provider.sources import SourceProblem

PLAIN = {"DATA/a.xml": b"<a/>", "個人　表.csv": b"1,2\n" * 9}
SMALL = Limits(archive_bytes=1 << 20, archive_members=9, archive_ratio=50, archive_floor=4_000)


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def tarred(*members: tarfile.TarInfo | tuple[str, bytes], packed: bool = True) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return gzip.compress(made.getvalue()) if packed else made.getvalue()


def special(kind: bytes, name: str = "x", link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def symlink() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        info = zipfile.ZipInfo("a.csv")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return made.getvalue()


def twice() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.csv", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.csv", "2")
    return made.getvalue()


def encrypted() -> bytes:
    data = bytearray(zipped({"a.csv": b"1"}))
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(sign) + place] |= 1
    return bytes(data)


def overlapping() -> bytes:
    """Return one with nine names for the same packed bytes, as in a bomb without recursion."""
    one = zipped({"a.csv": b"\0" * 3_000})
    head, entry = one.index(b"PK\x01\x02"), bytearray(one[one.index(b"PK\x01\x02") : -22])
    directory = bytes(entry) * 9
    end = bytearray(one[-22:])
    end[8:12] = (9).to_bytes(2, "little") * 2
    end[12:16] = len(directory).to_bytes(4, "little")
    return one[:head] + directory + bytes(end)


def long_name(size: int) -> bytes:
    info = special(tarfile.GNUTYPE_LONGNAME, "././@LongLink")
    info.size = size
    packer = zlib.compressobj(1, wbits=31)
    made = [packer.compress(info.tobuf(tarfile.GNU_FORMAT))]
    made += [packer.compress(b"a" * (1 << 20)) for _ in range(size >> 20)]
    return b"".join((*made, packer.flush()))


TRICKS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "zip: leaves by dots": ("archive.path", lambda: zipped({"../../a": b"1"})),
    "zip: leaves by backslashes": ("archive.path", lambda: zipped({"..\\..\\a": b"1"})),
    "zip: absolute": ("archive.path", lambda: zipped({"/etc/passwd": b"1"})),
    "zip: drive": ("archive.path", lambda: zipped({"C:a": b"1"})),
    "zip: alike": ("archive.duplicate", lambda: zipped({"a.csv": b"1", "./A.CSV": b"2"})),
    "zip: twice": ("archive.duplicate", twice),
    "zip: link": ("archive.link", symlink),
    "zip: encrypted": ("archive.encrypted", encrypted),
    "zip: in a zip": ("archive.nested", lambda: zipped({"a": zipped({"b": b"1"})})),
    "zip: gzip inside": ("archive.nested", lambda: zipped({"a": gzip.compress(b"1")})),
    "zip: lzma": ("archive.method", lambda: zipped(PLAIN, zipfile.ZIP_LZMA)),
    "zip: bomb": ("archive.bomb", lambda: zipped({"a": b"\0" * 500_000})),
    "zip: many": ("archive.too-many", lambda: zipped({str(n): b"" for n in range(10)})),
    "zip: overlapping": ("archive.duplicate", overlapping),
    "zip: cut": ("archive.damaged", lambda: zipped(PLAIN)[:-30]),
    "zip: changed": ("archive.damaged", lambda: zipped(PLAIN, 0).replace(b"1,2", b"9,9", 1)),
    "tar: leaves by dots": ("archive.path", lambda: tarred(("../a", b"1"))),
    "tar: absolute": ("archive.path", lambda: tarred(("/a", b"1"))),
    "tar: twice": ("archive.duplicate", lambda: tarred(("a", b"1"), ("a", b"2"))),
    "tar: symbolic link": ("archive.link", lambda: tarred(special(b"2", link="/etc/passwd"))),
    "tar: hard link": ("archive.link", lambda: tarred(("a", b"1"), special(b"1", link="a"))),
    "tar: device": ("archive.link", lambda: tarred(special(tarfile.CHRTYPE))),
    "tar: pipe": ("archive.link", lambda: tarred(special(tarfile.FIFOTYPE))),
    "tar: in a tar": ("archive.nested", lambda: tarred(("a", tarred(("b", b"1"), packed=False)))),
    "tar: bomb": ("archive.bomb", lambda: tarred(("a", b"\0" * 500_000))),
    "tar: many": ("archive.too-many", lambda: tarred(*((str(n), b"") for n in range(10)))),
    "tar: folders": (
        "archive.too-many",
        lambda: tarred(*(special(tarfile.DIRTYPE, str(n)) for n in range(10))),
    ),
    "tar: name without end": ("archive.damaged", lambda: long_name(8 << 20)),
    "tar: cut": ("archive.damaged", lambda: tarred(("a", bytes(range(256)) * 9))[:-20]),
    "no archive": ("archive.kind", lambda: b"a,b\n1,2\n"),
    "gzip of a table": ("archive.kind", lambda: gzip.compress(b"a,b\n1,2\n")),
    "empty": ("file.empty", lambda: b""),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_is_refused_by_its_code(tmp_path: Path, trick: str) -> None:
    code, make = TRICKS[trick]
    path = tmp_path / "Canaryname.zip"
    path.write_bytes(make())
    with pytest.raises(SourceProblem) as caught, unpacked(path, SMALL):
        pass
    assert caught.value.code == code
    assert "Canary" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["Canaryname.zip"]


@pytest.mark.parametrize(
    "data",
    [
        zipped(PLAIN),
        zipped(PLAIN, zipfile.ZIP_STORED),
        tarred(*PLAIN.items()),
        tarred(*PLAIN.items(), packed=False),
        tarred(special(tarfile.DIRTYPE, "DATA"), *PLAIN.items()),
    ],
)
def test_plain_files_come_out_whole_and_are_gone_afterwards(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    assert is_archive(path)
    with unpacked(path, SMALL) as members:
        assert {m.name: m.path.read_bytes() for m in members} == PLAIN
        folder = members[0].path.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not {m.path.name for m in members} & {name.split("/")[-1] for name in PLAIN}
    assert not folder.exists()


def test_a_name_in_the_code_page_of_japan_is_read(tmp_path: Path) -> None:
    """The second byte of 表 is a backslash in CP932, which is no path."""
    data = zipped({"QQQQ.csv": b"1"}).replace(b"QQQQ", "患表".encode("cp932"))
    (tmp_path / "a").write_bytes(data)
    with unpacked(tmp_path / "a", SMALL) as members:
        assert [m.name for m in members] == ["患表.csv"]


def test_a_foreign_archive_comes_out_as_zipfile_reads_it(testdata: Path) -> None:
    path = next((testdata / "synthea-omop54").glob("*.zip"))
    with zipfile.ZipFile(path) as archive:
        expected = {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.startswith("__MACOSX") and not name.endswith("/")
        }
    with unpacked(path, Limits()) as members:
        assert {m.name: m.path.read_bytes() for m in members} == expected
    assert len(expected) == 39


def test_a_total_beyond_the_limit_is_too_large_whatever_the_ratio(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(zipped({"a": bytes(range(256)) * 40}, zipfile.ZIP_STORED))
    limits = replace(SMALL, archive_bytes=5_000)
    with pytest.raises(SourceProblem, match="too-large"), unpacked(path, limits):
        pass


def directory_without_end() -> bytes:
    end = bytearray(zipped({}))
    end[12:16] = (256 << 20).to_bytes(4, "little")
    end[16:20] = (4).to_bytes(4, "little")
    return b"PK\x03\x04" + bytes(256 << 20) + bytes(end)


def mostly_nothing() -> bytes:
    info = tarfile.TarInfo("a")
    info.size = 256 << 20
    packer = zlib.compressobj(1, wbits=31)
    pieces = [packer.compress(info.tobuf())]
    pieces += [packer.compress(bytes(1 << 20)) for _ in range(256)]
    return b"".join((*pieces, packer.flush()))


HEAVY: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a name of 256 MB": ("archive.damaged", lambda: long_name(256 << 20)),
    "a directory of 256 MB": ("archive.too-many", directory_without_end),
    "256 MB in 260 KB": ("archive.bomb", mostly_nothing),
}
OPEN = """
import sys
from pathlib import Path
from sekisho.provider import Limits
from sekisho.provider.archives import unpacked
from sekisho.provider.sources import SourceProblem
try:
    with unpacked(Path(sys.argv[1]), Limits()):
        print("read")
except SourceProblem as problem:
    print(problem.code)
"""


@pytest.mark.parametrize("trick", HEAVY)
def test_what_is_heavy_is_refused_within_bounded_memory(tmp_path: Path, trick: str) -> None:
    code, make = HEAVY[trick]
    path = tmp_path / "a"
    path.write_bytes(make())
    bound = 200 << 20
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (bound, bound)),
    )
    assert done.stdout.strip() == code
