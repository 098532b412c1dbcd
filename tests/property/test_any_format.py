"""Whatever is in a file of any format, readers neither crash nor lose a record.

The formats are those that there are: a new one is here without a new line.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.provider import FORMATS
from settling import Seed, mutated, seeds, settle

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
pieces = st.sampled_from(
    [
        b"\0",
        b"\n",
        b"\r\n",
        b"\xff\xff\xff\xff",
        b"\x1b$B",
        b"\x83",
        b"=cmd|' /C calc'!A0",
        b"<!ENTITY a 'b'>",
        b"[" * 5_000,
        b"9" * 400,
        "髙".encode("cp932"),
    ]
) | st.binary(max_size=12)
change = st.tuples(st.integers(0, 4), st.integers(0, 1 << 17), st.integers(0, 400), pieces)


def in_place(seed: Seed, data: bytes, format_id: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / seed.place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        settle(path, format_id)


@pytest.mark.parametrize("format_id", sorted(FORMATS))
@quick
@given(data=st.data())
def test_any_change_of_a_foreign_file_is_read_and_balanced(
    testdata: Path, format_id: str, data: st.DataObject
) -> None:
    known = seeds(format_id) or (Seed("a", b""),)
    seed = data.draw(st.sampled_from(range(len(known))))
    changes = data.draw(st.lists(change, max_size=4))
    in_place(known[seed], mutated(known[seed].data, changes), format_id)


@pytest.mark.parametrize("format_id", sorted(FORMATS))
@quick
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_and_balanced(format_id: str, data: bytes) -> None:
    in_place(Seed("Canaryname", b""), data, format_id)
