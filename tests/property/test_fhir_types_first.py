"""A resource is read alike whether its first bytes say its type, wrongly or rightly, or not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.provider.readers.fhir import head_of, read_resource
from sekisho.provider.readers.fhir_ndjson import read
from sekisho.provider.readers.fhir_types import RESOURCE_TYPES
from sekisho.provider.records import UNREADABLE, Note, Record, Unreadable, refused
from sekisho.provider.sources import Limits
from submissions import condition, laboratory, patient

types = st.sampled_from(sorted(RESOURCE_TYPES)) | st.sampled_from(["", "Made-up", "Observatio"])
values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({})
elements = st.sampled_from(
    [
        "id",
        "status",
        "subject",
        "code",
        "item",
        "total",
        "valueQuantity",
        "component",
        "resourceType",
    ]
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Return a resource: of any type, elements twice or of any value, cut, any byte within."""
    made: dict[str, Any] = draw(st.sampled_from([patient(1), condition(1, 1), laboratory(1, 1)]))
    kind = draw(types | st.just(made["resourceType"]))
    pairs = [*made.items(), *draw(st.lists(st.tuples(elements, values | types), max_size=2))]
    pairs = [(name, value) for name, value in pairs if name != "resourceType" or value != kind]
    pairs.insert(draw(st.sampled_from([0, 0, 0, len(pairs)])), ("resourceType", kind))
    space = draw(st.sampled_from(["", " ", "\n", "\u2003"]))
    text = "{" + space + ",".join(f"{json.dumps(k)}:{space}{json.dumps(v)}" for k, v in pairs) + "}"
    data = text.encode()
    if draw(st.booleans()):
        return data
    place = draw(st.integers(0, len(data)))
    return (
        data[:place]
        + draw(st.sampled_from([b"", b"\xff", b'"', b"{", b"\\u0000"]))
        + (data[place:] if draw(st.booleans()) else b"")
    )


def as_its_head_says(data: bytes) -> Record:
    """Return the record as it is where the head alone is decoded first."""
    try:
        head = head_of(data)
    except Unreadable as problem:
        return refused(UNREADABLE, 7, f"{UNREADABLE}/7", problem.code)
    return read_resource(data, 7, head=head)


@settings(max_examples=400, deadline=None)
@given(lines())
def test_what_stands_first_changes_nothing_about_a_record(data: bytes) -> None:
    assert read_resource(data, 7) == as_its_head_says(data)


def test_a_type_that_a_later_one_contradicts_is_not_believed() -> None:
    twice = b'{"resourceType":"Observation","id":"a","resourceType":"Claim"}'
    assert read_resource(twice, 1).record_type == "Claim"
    assert read_resource(b'{"resourceType":"Observation","resourceType":""}', 1).code == (
        "fhir.no-type"
    )


@given(st.lists(lines() | st.sampled_from([b"", b" ", b'{"a":', b"1}", b"{} {}"]), max_size=6))
def test_many_lines_are_read_as_each_would_be_alone(
    tmp_path_factory: pytest.TempPathFactory, found: list[bytes]
) -> None:
    """Also where two resources stand on one line, or one stands on two."""
    file = tmp_path_factory.mktemp("lines") / "a.ndjson"
    text = b"\n".join([*found, b""])
    file.write_bytes(text)
    whole = list(read(file, Limits())) if text else []
    alone: list[Record | Note] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        if line.strip():
            file.write_bytes(b"\n" * (number - 1) + line + b"\n")
            alone += read(file, Limits())
    assert whole == alone
