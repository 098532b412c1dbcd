"""Canaries: whatever is malformed, no finding, refusal or error repeats a value (promise 9)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.body.service import where
from sekisho.common.errors import Refusal, SekishoError, UserError
from sekisho.control.optout import Scope
from sekisho.exchange import jws, parcel, tables
from sekisho.provider import Prepared
from sekisho.pseudonym.identifiers import parse_spec
from sekisho.rehearsal.scenario import read_scenario
from submissions import condition, laboratory, ndjson, patient, prepared, receipt, uke

CANARY = "カナリア花子Zq7"
NUMBERS = ("999-41-7713", "06132013:77:413355:01", "20990931")
quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside a resource."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inside:
        yield (*before, key)
        if isinstance(item, dict | list):
            yield from paths(item, (*before, key))


def put(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    changed = copy.deepcopy(value)
    place = changed
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = new
    return changed


def said(one: Prepared) -> str:
    """Return everything that a submission says beside its data: findings, counts, refusals."""
    parts = [(part.refusals, part.declared(), part.file_digests) for part in one.parts.values()]
    texts = [f.message(language) + f.rule for f in one.findings for language in ("ja", "en")]
    return repr((parts, texts, one.balance, one.read, one.set_aside, one.dropped, one.findings))


def error_text(error: SekishoError) -> str:
    return f"{error} {error!r} {error.as_problem()}"


RESOURCES = (patient(1), condition(1), laboratory(1))
PLACES = [(n, way) for n, one in enumerate(RESOURCES) for way in paths(one)]


@quick
@given(
    place=st.sampled_from(PLACES),
    shape=st.sampled_from([CANARY, [CANARY], {CANARY: CANARY}, [[CANARY]], {"value": [CANARY]}]),
)
def test_a_canary_in_any_place_of_a_resource_is_not_repeated(
    tmp_path: Path, place: tuple[int, tuple[Any, ...]], shape: Any
) -> None:
    number, way = place
    resources = [*RESOURCES, put(RESOURCES[number], way, shape)]
    file = ndjson(tmp_path / "a.ndjson", patient(2), condition(2, 2), *resources)
    assert CANARY not in said(prepared([file]))


@quick
@given(data=st.data())
def test_a_canary_in_any_field_of_a_receipt_is_not_repeated(tmp_path: Path, data: Any) -> None:
    lines = receipt(1, "SY,8833421,20260301,1,,,01,", "IY,21,1,620000001,2,10,1,,,,,,,1")
    row = data.draw(st.integers(0, len(lines) - 1))
    fields = lines[row].split(",")
    fields[data.draw(st.integers(0, len(fields) - 1))] = data.draw(
        st.sampled_from(["カナリア花子", *NUMBERS])
    )
    lines[row] = ",".join(fields)
    file = uke(tmp_path / "a.UKE", lines, receipt(2))
    told = said(prepared([file], "uke"))
    assert not [text for text in ("カナリア花子", *NUMBERS) if text in told]


@pytest.mark.parametrize("cut", range(20, 200, 7))
def test_a_line_that_is_cut_anywhere_is_not_repeated(tmp_path: Path, cut: int) -> None:
    line = json.dumps(patient(9, name=[{"text": CANARY}], id=CANARY), ensure_ascii=False).encode()
    file = ndjson(tmp_path / "a.ndjson", patient(1), condition(1))
    file.write_bytes(file.read_bytes() + line[:cut])
    assert CANARY not in said(prepared([file]))


def test_a_file_whose_name_is_a_persons_is_named_to_the_clerk_alone(tmp_path: Path) -> None:
    file = ndjson(tmp_path / f"{CANARY}.ndjson", patient(1), condition(1, subject=None))
    one = prepared([file])
    assert one.findings[0].file == f"{CANARY}.ndjson"
    sent = repr([(part.refusals, part.declared(), part.tables) for part in one.parts.values()])
    assert CANARY not in sent


@pytest.mark.parametrize(
    "spec",
    [
        {"insured": f"06132013:{CANARY}"},
        {"insured": f"{CANARY}:1:2:3"},
        {"insured": "06132013:77:413355:"},
        {"insured": f"06132013:77:413355:{CANARY}"},
        {"insured": "06132013:77:413355:", "birth": CANARY, "sex": "1"},
        {"insured": "06132013:77:413355:", "birth": "20990931", "sex": CANARY},
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": f"999-41-7713{CANARY}"},
        {"system": CANARY, "value": ""},
        {"insured": [CANARY]},
        {},
    ],
)
def test_a_person_that_cannot_be_read_is_not_repeated(spec: dict[str, object]) -> None:
    with pytest.raises(SekishoError) as caught:
        parse_spec(spec)
    told = error_text(caught.value)
    assert not [text for text in (CANARY, "413355", "7713", "20990931") if text in told]


@pytest.mark.parametrize("scope", [CANARY, f"all {CANARY}", f"data:{CANARY}", f"{CANARY}:x"])
def test_a_scope_that_cannot_be_read_is_not_repeated(scope: str) -> None:
    with pytest.raises(UserError) as caught:
        Scope.parse(scope)
    assert CANARY not in error_text(caught.value)


def test_what_is_no_message_is_not_repeated() -> None:
    data = CANARY.encode()
    head = json.dumps({"header": {}, "lengths": [CANARY]}).encode()
    for attempt in (
        lambda: parcel.unpack(data),
        lambda: parcel.unpack(b"SKP1" + len(head).to_bytes(4, "big") + head),
        lambda: tables.unpack(data),
        lambda: tables.unpack(b"SEKISHO-TABLES-1\n\x00\x03" + data),
        lambda: jws.verify(data, lambda name: None, "x"),  # type: ignore[arg-type,return-value]
        lambda: jws.verify(f"{CANARY}.{CANARY}.x", lambda name: None, "x"),  # type: ignore[arg-type,return-value]
    ):
        with pytest.raises(SekishoError) as caught:
            attempt()
        assert CANARY not in error_text(caught.value)


@pytest.mark.parametrize(
    "person",
    [
        f'{{ insured = "06132013:{CANARY}" }}',
        f'{{ system = "http://hl7.org/fhir/sid/us-ssn", value = "{CANARY}" }}',
        f'{{ insured = "06132013:77:413355:01", value = "{CANARY}" }}',
        f'{{ insured = ["{CANARY}"] }}',
        f'"{CANARY}"',
    ],
)
def test_a_person_in_a_scenario_that_cannot_be_read_is_not_repeated(
    tmp_path: Path, person: str
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        'framework = "x"\nstart = 2026-04-01\nseed = 1\n'
        '[[provider]]\ncode = "1310000001"\nname = "X"\n'
        f'[[opt_out]]\nday = 1\nscope = "all"\nperson = {person}\n',
        "utf-8",
    )
    with pytest.raises(UserError) as caught:
        read_scenario(path)
    told = error_text(caught.value)
    assert str(path) in told
    assert not [text for text in (CANARY, "413355") if text in told]


def test_where_an_error_was_is_said_without_its_text() -> None:
    with pytest.raises(ValueError) as caught:
        raise ValueError(CANARY)
    assert CANARY not in where(caught.value)
    assert "ValueError" in where(caught.value)


def test_a_planted_canary_is_found() -> None:
    assert CANARY in error_text(Refusal("x.y", f"no such person: {CANARY}"))
