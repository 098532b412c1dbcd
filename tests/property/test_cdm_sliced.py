"""Rows that went to disk in slices come back, each once, together with those that begin alike."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sekisho.cdm import SLICES, Sliced

SCHEMA = pa.schema([("number", pa.int32()), ("digits", pa.string())])
digits = st.text("0123456789abcdef", min_size=2, max_size=4)
anything = st.none() | st.text(max_size=3)


@given(st.lists(st.lists(st.one_of(*[digits] * 9, anything), max_size=20), max_size=5))
def test_each_row_is_in_the_slice_of_its_digits_in_the_order_of_its_coming(
    added: list[list[str | None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sliced = Sliced(SCHEMA, "digits", lambda: Path(folder) / "rows", wait_bytes=1)
        came = [text for texts in added for text in texts]
        number = 0
        for texts in added:
            numbers = range(number, number + len(texts))
            sliced.add(pa.table([numbers, texts], schema=SCHEMA))
            number += len(texts)
        slices = [one.to_pylist() for one in sliced.slices(cut=True)]
    assert len(slices) == SLICES
    assert sorted(row["number"] for rows in slices for row in rows) == list(range(number))
    for place, rows in enumerate(slices):
        numbers = [row["number"] for row in rows]
        assert numbers == sorted(numbers)
        for row in rows:
            assert row["digits"] == came[row["number"]]
            assert place == _slice(row["digits"])


def _slice(text: str | None) -> int:
    """Return the slice of a text; what does not begin with two digits is in the first."""
    begins = (text or "")[:2]
    known = len(begins) == 2 and set(begins) <= set("0123456789abcdef")
    return int(begins, 16) * SLICES // 256 if known else 0
