"""What is as long as a submission comes back as it was given, from memory and from disk."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.provider.long_columns import LongColumn, Shelf
from sekisho.provider.numbered import ASIDE, OVER, REFUSED, SENT, Numbered
from sekisho.provider.scratch import Scratch

many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    monkeypatch.setattr("sekisho.provider.long_columns.PIECE", 4)
    monkeypatch.setattr("sekisho.provider.long_columns.SHELF_BYTES", 100)
    made = Scratch(tmp_path)
    yield made
    made.close()


@many
@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=11)))
def test_numbers_come_back_in_pieces_of_one_length(
    scratch: Scratch, given_: list[list[int]]
) -> None:
    column = LongColumn("i", scratch.file)
    for values in given_:
        column.extend(array("i", values))
    pieces = [piece.to_pylist() for piece in column.pieces()]
    everything = [value for values in given_ for value in values]
    assert [value for piece in pieces for value in piece] == everything
    assert len(column) == len(everything)
    assert all(len(piece) == 4 for piece in pieces[:-1])


@many
@given(st.lists(st.lists(st.text(), max_size=30)))
def test_tables_come_back_in_order(scratch: Scratch, given_: list[list[str]]) -> None:
    shelf = Shelf(scratch.file)
    for texts in given_:
        shelf.add(pa.table({"text": pa.array(texts, pa.string())}).slice(1))
    assert [one["text"].to_pylist() for one in shelf] == [texts[1:] for texts in given_]


record = st.tuples(
    st.sampled_from([SENT, ASIDE, REFUSED]),
    st.sampled_from(["a", "b", "c"]),
    st.integers(-1, 3),
    st.booleans(),
)


@many
@given(st.lists(st.lists(record, max_size=9)), st.sets(st.integers(0, 40)), st.lists(st.booleans()))
def test_records_fare_in_columns_as_they_do_one_by_one(
    scratch: Scratch,
    given_: list[list[tuple[int, str, int, bool]]],
    replaced: set[int],
    known: list[bool],
) -> None:
    numbered = Numbered(scratch.file)
    plain = list[list[int]]()
    kinds, starts = list[str](), list[bool]()
    for number, records in enumerate(given_):
        numbered.files.append(f"file {number}")
        for line, (outcome, kind, patient, begins) in enumerate(records):
            plain.append([outcome, patient, number, line])
            kinds.append(kind)
            starts.append(begins)
        outcomes, types, patients, begun = zip(*records, strict=True) if records else ([],) * 4
        numbered.extend(
            bytes(outcomes),
            array("H", map(numbered.type_number, types)),
            array("H", [numbered.code_number("why")] * len(records)),
            array("I", range(len(records))),
            array("i", patients),
            bytes(begun),
        )
    beginnings = sorted(place for place in replaced if place < len(plain) and starts[place])
    there = [*known, True, True, True, True][:4]

    numbered.supersede(beginnings)
    lost = list(numbered.refuse_lost(pa.array(there)))

    over, expected = False, list[tuple[str, int, str, int]]()
    for place, (one, kind, begins) in enumerate(zip(plain, kinds, starts, strict=True)):
        over = place in beginnings if begins else over
        if over and one[0] != REFUSED:
            one[0] = OVER
        if one[0] == SENT and (one[1] < 0 or not there[one[1]]):
            one[0] = REFUSED
            expected.append((f"file {one[2]}", one[3], kind, one[1]))
    assert lost == expected
    assert numbered.sent.to_pylist() == [one[0] == SENT for one in plain]
    wanted = {one[1] for one, kind in zip(plain, kinds, strict=True) if kind != "b" and not one[0]}
    found = numbered.persons_of(lambda kind: kind != "b", pa.array([7, 7, 8, 9], pa.int32()))
    assert sorted(found.to_pylist()) == sorted({[7, 7, 8, 9][patient] for patient in wanted})
    told = [(kind, one[0]) for one, kind in zip(plain, kinds, strict=True)]
    assert {
        (kind, int(outcome)): n
        for kind, of in numbered.counts().items()
        for outcome, n in of.items()
    } == {one: told.count(one) for one in told}
    assert numbered.reasons() == {
        (kind, "why"): told.count((kind, ASIDE)) for kind, outcome in told if outcome == ASIDE
    }
