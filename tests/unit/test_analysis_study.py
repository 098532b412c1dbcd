"""A study package: one archive per set of files, and nothing hostile comes back out of one."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.common.errors import UserError
from sekisho.data.analysis.archive import pack_files, read_files, unpack_files
from sekisho.data.analysis.study import pack, package_hash, read_study, schema, unpack

MANIFEST = """
id = "kidney"
title = { ja = "腎臓", en = "Kidney" }
language = "python"
entry = "main.py"
inputs = ["person", "measurement"]
seed = 7
[[output]]
name = "by-sex"
type = "table"
source = "people"
dimensions = ["sex"]
measure = "persons"
purpose = "how many"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "study"
    (made / "lib").mkdir(parents=True)
    (made / "study.toml").write_text(MANIFEST)
    (made / "main.py").write_text("print(1)\n")
    (made / "lib" / "more.py").write_text("X = 1\n")
    return made


def test_a_study_is_read_with_its_outputs(folder: Path) -> None:
    study = read_study(folder)
    assert (study.id, study.inputs, study.sources) == (
        "kidney",
        ("person", "measurement"),
        ("people",),
    )
    assert study.outputs[0].dimensions == ("sex",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed = 7", "seed = 7\npermit = 'p-1'"),
        ('"main.py"', '"../main.py"'),
        ('"main.py"', '"/main.py"'),
        ('"person", "measurement"', '"patient"'),
        ('measure = "persons"', 'measure = "rows"'),
        ('["sex"]', '["person_id"]'),
        ('["sex"]', '["sex", "sex"]'),
        ('name = "by-sex"', 'name = "../../etc"'),
        ('purpose = "how many"', 'purpose = " "'),
        ("seed = 7", "seed = -1"),
        ('language = "python"', 'language = "r"'),
        ('purpose = "how many"', 'purpose = "x"\nlevels = { age = ["1"] }'),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_line(folder: Path, old: str, new: str) -> None:
    (folder / "study.toml").write_text(MANIFEST.replace(old, new))
    with pytest.raises(UserError, match=r"study\.toml:\d+:") as caught:
        read_study(folder)
    assert caught.value.code == "toml.invalid"


def test_the_archive_does_not_depend_on_times_modes_caches_or_place(
    folder: Path, tmp_path: Path
) -> None:
    first = pack(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "main.pyc").write_bytes(b"x")
    (folder / ".hidden").write_text("x")
    (folder / "main.py").chmod(0o755)
    moved = folder.rename(tmp_path / "elsewhere")
    assert pack(moved) == first
    again = unpack(first, tmp_path / "copy")
    assert again == read_study(moved)
    assert pack(tmp_path / "copy") == first
    (moved / "main.py").write_text("print(2)\n")
    assert package_hash(pack(moved)) != package_hash(first)


def test_a_link_in_a_study_is_refused(folder: Path) -> None:
    (folder / "data.py").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match="link"):
        pack(folder)


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def _info(name: str, **attributes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


HOSTILE = {
    "absolute path": _tar((_info("/etc/cron.d/x"), b"x")),
    "parent path": _tar((_info("a/../../x"), b"x")),
    "symbolic link": _tar((_info("x", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b"")),
    "hard link": _tar((_info("a"), b"x"), (_info("b", type=tarfile.LNKTYPE, linkname="a"), b"")),
    "device": _tar((_info("x", type=tarfile.CHRTYPE), b"")),
    "fifo": _tar((_info("x", type=tarfile.FIFOTYPE), b"")),
    "folder": _tar((_info("x", type=tarfile.DIRTYPE), b"")),
    "doubled name": _tar((_info("a"), b"x"), (_info("a"), b"y")),
    "owner": _tar((_info("a", uid=1000, uname="me"), b"x")),
    "time": _tar((_info("a", mtime=1), b"x")),
    "set-user-id": _tar((_info("a", mode=0o4755), b"x")),
    "unsorted": _tar((_info("b"), b"x"), (_info("a"), b"x")),
    "extended header": _tar((_info("a", pax_headers={"path": "../x"}), b"x")),
    "many files": _tar(*((_info(f"f{n:04}"), b"") for n in range(300))),
    "large file": _tar((_info("a"), b"\0" * (3 * 1024 * 1024))),
    "bytes after the end": pack_files({"a": b"x"}) + b"\0" * 512,
    "cut off": pack_files({"a": b"x" * 2000})[:1000],
    "not a tar": b"PK\x03\x04" + b"\0" * 600,
    "nothing": b"",
    "control character": _tar((_info("a\nb"), b"x")),
}


@pytest.mark.parametrize("archive", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_archive_is_refused_and_writes_nothing(archive: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        unpack_files(archive, tmp_path / "new")
    assert caught.value.code == "study.bad-package"
    assert not (tmp_path / "new").exists()


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_.]{0,8}(/[a-z]{1,5})?", fullmatch=True),
        st.binary(max_size=900),
        max_size=8,
    )
)
def test_packing_and_reading_are_inverse(files: dict[str, bytes]) -> None:
    assert read_files(pack_files(files)) == files


@given(st.binary(max_size=600), st.integers(0, 3000))
def test_a_changed_archive_is_never_read_as_something_else(noise: bytes, at: int) -> None:
    good = pack_files({"a.py": b"x" * 700, "b.py": b"y"})
    changed = good[:at] + noise + good[at + len(noise) :]
    try:
        files = read_files(changed)
    except UserError:
        return
    assert pack_files(files) == changed


def test_the_schema_accepts_the_manifest() -> None:
    import tomllib

    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(tomllib.loads(MANIFEST), schema())
