"""Every trick against every format: refused by a code of ours, within bounded memory, told of no
value; a format that is added is here without a new line."""

from __future__ import annotations

import gzip
import io
import json
import resource
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from sekisho.provider import EXPLANATIONS, FORMATS
from sekisho.provider.showing import _for_spreadsheets

BOUND = 700 << 20
"""Bytes of memory: a file that is read as a whole is there twice, and has up to 256 MiB."""
READ = """
import json, sys
from pathlib import Path
from sekisho.provider import FORMATS, Limits, Outcome
format_id, *files = sys.argv[1:]
reader = FORMATS[format_id]
said = {}
for file in files:
    codes, good, every = set(), 0, 0
    for one in (reader.batches or reader.read)(Path(file), Limits()):
        if getattr(one, "outcome", None) is Outcome.SET_ASIDE:
            continue  # counted, with a reason
        codes.add(one.code)
        every += 1
        good += getattr(one, "outcome", None) is Outcome.SENT
    said[Path(file).name] = [sorted(codes - {""}), good, every]
print(json.dumps(said))
"""


def zeros(size: int) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    pieces = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join((*pieces, packer.flush()))


def zipped(size: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("DATA/person.csv", bytes(size))
    return made.getvalue()


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "Canary">'
    + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%s;" % (b"%d" % (n - 1) if n else b"") * 10)
        for n in range(1, 9)
    )
    + b']><ClinicalDocument xmlns="urn:hl7-org:v3">&a8;</ClinicalDocument>'
)
OUTSIDE = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    b'<ClinicalDocument xmlns="urn:hl7-org:v3">&a;</ClinicalDocument>'
)
TRICKS: dict[str, Callable[[], bytes]] = {
    "deep.json": lambda: b'{"resourceType":"Condition","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep-bundle.json": lambda: b'{"resourceType":"Bundle","entry":' + b'[{"resource":' * 10_000,
    "nul": lambda: b'{"resourceType":"Patient","id":"Canary\0"}\nRE,\0Canary\n',
    "utf-8": lambda: b'{"resourceType":"Patient","id":"Canary\xe3\x81"}\n',
    "cp932": lambda: b"IR,1,13,1,1234567,,\x83\nRE,1,1112,202603,Canary\x81",
    "iso-2022-jp": lambda: b"MSH|^~\\&|Canary\r\x1b$B\x21\x7fPID|\x1b$",
    "bomb.gz": lambda: zeros(512 << 20),
    "bomb.zip": lambda: zipped(64 << 20),
    "laughs.xml": lambda: LAUGHS,
    "outside.xml": lambda: OUTSIDE,
    "formula.csv": lambda: b"person_id,person_source_value\n=1+1,@SUM(Canary)\n",
    "cut.gz": lambda: gzip.compress(b'{"resourceType":"Patient"}\n' * 99)[:-9],
    "empty": lambda: b"",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("hostile")
    for name, make in TRICKS.items():
        (folder / name).write_bytes(make())
    with (folder / "gigabyte").open("wb") as file:
        file.write(b'{"resourceType":"Patient","id":"Canary')
        file.truncate(1 << 30)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("format_id", sorted(FORMATS))
def test_a_trick_is_refused_within_bounded_memory(files: list[Path], format_id: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ, format_id, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (BOUND, BOUND)),
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert "Canary" not in done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert set(said) == {file.name for file in files}
    for trick, (codes, good, every) in said.items():
        assert good == 0, trick
        # a table of headings alone holds no record
        assert set(codes) <= set(EXPLANATIONS), (trick, codes)
        assert codes or not every, trick


def test_a_spreadsheet_takes_no_text_for_a_formula() -> None:
    texts = ["=1+1", "+1", "-1+1", "@A1", "\tx", "-1.5", "plain", "1-1", None, ""]
    rows = pa.table({"text": pa.array(texts), "number": pa.array(range(10))})
    made = _for_spreadsheets(rows)
    assert made["text"].to_pylist() == [
        *("'=1+1", "'+1", "'-1+1", "'@A1", "'\tx"),
        *("-1.5", "plain", "1-1", None, ""),
    ]
    assert made["number"].to_pylist() == list(range(10))
