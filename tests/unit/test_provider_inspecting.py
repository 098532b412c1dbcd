"""What a provider finds before sending does not depend on how many rows are looked at at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.cdm import by_person, sliced
from sekisho.common.ids import BodyId
from sekisho.data.collection import Arrival, balance, read_declared, receipt_payload
from sekisho.provider import Limits, Prepared
from sekisho.provider.examining import examine
from sekisho.provider.inspecting import Inspection, inspect
from sekisho.provider.places import Records
from sekisho.quality import CollectionRules, check, load_rules, records_of
from submissions import NORTH, SOUTH, condition, laboratory, ndjson, patient, prepared

DAY = date(2026, 4, 1)
SMALL = Limits(table_bytes=1)


@pytest.fixture(scope="module")
def rules(root: Path) -> CollectionRules:
    return load_rules(root / "rules" / "collection.toml")


def resources(draw: st.DataObject) -> list[dict[str, Any]]:
    """Draw persons with records that are fine, refused, held, noted, told twice or sent again."""
    persons = draw.draw(st.integers(1, 12))
    births = st.sampled_from(["1980-05-17", "2021-05-01", "2030-01-01"])
    made = [patient(n, birthDate=draw.draw(births)) for n in range(persons)]
    days = st.sampled_from(["2020-01-01", "2020-01-01", "1950-01-01", "2099-01-01"])
    for number in range(draw.draw(st.integers(0, 40))):
        kind = draw.draw(st.sampled_from([condition, laboratory]))
        whose = draw.draw(st.integers(0, persons))  # one of them nobody knows
        name = "onsetDateTime" if kind is condition else "effectiveDateTime"
        made.append(kind(draw.draw(st.integers(0, number)), whose, **{name: draw.draw(days)}))
    return made


def found(
    files: list[Path], rules: CollectionRules, limits: Limits | None = None
) -> tuple[Prepared, Inspection, dict[str, Any]]:
    made = prepared(files, limits=limits)
    inspected = inspect(made, rules, DAY)
    report = examine(made, inspected, rules, DAY, provider="1310000001", format_id="fhir-ndjson")
    return made, inspected, json.loads(report.as_json())


@given(st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_report_made_in_many_small_slices_is_the_one_made_whole(
    tmp_path: Path, rules: CollectionRules, data: st.DataObject
) -> None:
    drawn = resources(data)
    cut = data.draw(st.integers(0, len(drawn)))
    files = [ndjson(tmp_path / "b.ndjson", *drawn[:cut]), ndjson(tmp_path / "a.ndjson", *drawn)]
    _, whole, report = found(files, rules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sliced.Sliced.__init__, "__defaults__", (1,))
        patch.setattr(by_person, "TOGETHER_BYTES", data.draw(st.sampled_from([1, 20_000, 1 << 30])))
        _, slices, again = found(files, rules, SMALL)
    assert again == report
    assert slices.bodies == whole.bodies


def test_what_is_found_in_slices_is_what_one_check_of_the_whole_finds(
    tmp_path: Path, rules: CollectionRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules that see several records of a person, and one that sees all rows, among them."""
    drawn: list[Any] = [patient(n, birthDate="2021-05-01" if n % 5 == 0 else "1980-05-17")
                        for n in range(40)]  # fmt: skip
    drawn += [condition(n, n % 40, onsetDateTime=f"2020-01-{1 + n % 2:02d}") for n in range(200)]
    monkeypatch.setattr(sliced.Sliced.__init__, "__defaults__", (1,))
    monkeypatch.setattr(by_person, "TOGETHER_BYTES", 1)
    made, inspected, report = found([ndjson(tmp_path / "a.ndjson", *drawn)], rules, SMALL)
    part = made.parts[NORTH]
    tags = frozenset(tag for tag, _ in part.identities)
    landed = check(part.tables, rules, day=DAY, tags=tags)
    seen = inspected.bodies["north"]
    assert seen.breaches == landed.breaches
    assert {"record.twice", "date.before-birth", "visit.missing"} <= {
        one.rule for one in seen.breaches
    }
    assert seen.held == records_of(landed.quarantined)
    twice = next(one for one in report["problems"] if one["code"] == "record.twice")
    assert twice["records"] == sum(x.records for x in landed.breaches if x.rule == "record.twice")
    assert len(twice["places"]) == 50
    assert twice["places"] == sorted(twice["places"], key=lambda at: at["line"])


@pytest.mark.parametrize("body", [NORTH, SOUTH])
def test_the_digests_made_here_are_those_of_the_bodys_receipt(
    tmp_path: Path, rules: CollectionRules, body: BodyId
) -> None:
    drawn = [patient(n) for n in range(5)]
    drawn += [condition(n, n % 5, onsetDateTime="1950-01-01" if n == 3 else "2020-01-02")
              for n in range(20)]  # fmt: skip
    drawn += [laboratory(n, n % 5) for n in range(7)]
    made, inspected, _ = found([ndjson(tmp_path / "a.ndjson", *drawn)], rules)
    part, seen = made.parts[body], inspected.bodies[str(body)]
    arrival = Arrival(dict(part.tables.rows), tmp_path / "arrival")
    survey = arrival.check(
        rules,
        day=DAY,
        known={tag for tag, _ in part.identities}.intersection,
        set_aside=lambda tables: (dict(tables), {}),
    )
    receipt: Mapping[str, Any] = receipt_payload(
        survey,
        balance(read_declared(part.declared()), survey),
        provider="1310000001",
        file_digests=part.file_digests,
    )
    assert (seen.content, seen.quarantined) == (receipt["content"], receipt["quarantined"])
    assert seen.content != seen.quarantined


@given(st.sets(st.integers(0, 200)), st.sets(st.integers(0, 200)))
def test_a_set_of_records_is_a_set(one: set[int], two: set[int]) -> None:
    import pyarrow as pa

    first, second = Records(201), Records(201)
    first.add(pa.chunked_array([list(one)], pa.int32()))
    second.add(pa.chunked_array([list(two), list(one)], pa.int32()))
    first.update(second)
    assert len(first) == len(one | two)
    assert {n for n, there in enumerate(first.mask().to_pylist()) if there} == one | two
