"""One submission: who gets what, under which names, and what nobody can learn from it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sekisho.cdm import transit_schema
from sekisho.common.errors import Defect, UserError
from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.provider import Line, Prepared, Withheld, format_of, prepare
from submissions import (
    KEY,
    NORTH,
    SOUTH,
    classify,
    condition,
    even,
    laboratory,
    ndjson,
    patient,
    prepared,
)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [
        ndjson(tmp_path / "a.ndjson", laboratory(1, 1), laboratory(2, 2), condition(1, 1)),
        ndjson(tmp_path / "b.ndjson", patient(1), patient(2), patient(3)),
    ]


def column(one: Prepared, body: BodyId, name: str) -> list[str]:
    found = []
    for table in one.parts[body].tables.values():
        found += table.column(name).to_pylist()
    return found


def test_each_body_gets_its_classes_only(files: list[Path]) -> None:
    one = prepared(files)
    assert set(column(one, NORTH, "data_class")) == {"basic"}
    assert set(column(one, SOUTH, "data_class")) == {"additional"}
    assert set(one.parts[NORTH].tables) == {"person", "condition_occurrence"}
    assert set(one.parts[SOUTH].tables) == {"person", "measurement"}
    for part in one.parts.values():
        for name, table in part.tables.items():
            assert table.schema == transit_schema(name)


def test_one_body_for_both_classes_gets_the_patient_for_each(files: list[Path]) -> None:
    one = prepared(files, recipients={"basic": NORTH, "additional": NORTH})
    assert one.parts[NORTH].tables["person"].num_rows == 6
    assert len(one.parts[NORTH].identities) == 3
    even(one)


def test_a_person_has_one_tag_at_a_body_and_another_at_the_next(files: list[Path]) -> None:
    one = prepared(files, recipients={"basic": NORTH, "additional": SOUTH})
    north, south = set(column(one, NORTH, "tag")), set(column(one, SOUTH, "tag"))
    assert len(north) == len(south) == 3
    assert not north & south
    assert north == {tag for tag, _ in one.parts[NORTH].identities}


def test_a_tag_is_fresh_in_every_submission_and_names_stay(files: list[Path]) -> None:
    first, second = prepared(files, seed=1), prepared(files, seed=2)
    assert not set(column(first, NORTH, "tag")) & set(column(second, NORTH, "tag"))
    assert column(first, NORTH, "source_id") == column(second, NORTH, "source_id")
    assert first.file_digests == second.file_digests


def test_the_same_seed_gives_the_same_tables(files: list[Path]) -> None:
    assert prepared(files).parts == prepared(files).parts


def test_the_order_of_the_files_tells_nothing(files: list[Path]) -> None:
    one, other = prepared(files), prepared(files[::-1])
    for body in (NORTH, SOUTH):
        assert column(one, body, "source_id") == column(other, body, "source_id")


def test_bodies_of_two_classes_cannot_join_by_names(files: list[Path]) -> None:
    one = prepared(files)
    for name in ("source_id", "visit_ref"):
        north, south = set(column(one, NORTH, name)), set(column(one, SOUTH, name))
        assert not (north & south) - {None}  # type: ignore[operator]


def test_names_need_the_provider_s_key(files: list[Path]) -> None:
    other = prepare(files, "fhir-ndjson", classify, b"x" * 32, {"basic": NORTH}, seeded(1))
    one = prepared(files)
    assert not set(column(one, NORTH, "source_id")) & set(column(other, NORTH, "source_id"))
    assert not set(one.file_digests.values()) & set(other.file_digests.values())
    with pytest.raises(UserError, match="fewer than 32"):
        prepare(files, "fhir-ndjson", classify, b"short", {"basic": NORTH}, seeded(1))


def test_a_class_without_a_recipient_is_withheld_with_its_cause(files: list[Path]) -> None:
    one = prepared(
        files, recipients={"basic": NORTH, "additional": Withheld("no-operator-contract")}
    )
    even(one)
    assert set(one.parts) == {NORTH}
    line = next(x for x in one.balance if x.record_type == "Observation")
    assert (line.withheld, line.sent, line.cause) == (2, 0, "no-operator-contract")
    assert {d["record_type"] for d in one.parts[NORTH].declared()} == {"Condition", "Patient"}


def test_a_class_that_nobody_mentions_is_withheld_too(files: list[Path]) -> None:
    one = prepared(files, recipients={"basic": NORTH})
    assert {x.cause for x in one.balance if x.data_class == "additional"} == {"no-recipient"}


def test_a_person_of_whom_a_body_gets_nothing_has_no_identity_there(tmp_path: Path) -> None:
    def only_own(format_id: str, record_type: str) -> list[tuple[str, str]]:
        return [("k", "basic" if record_type in ("Patient", "Condition") else "additional")]

    file = ndjson(tmp_path / "a.ndjson", patient(1), patient(2), laboratory(1, 1))
    one = prepare(
        [file], "fhir-ndjson", only_own, KEY, {"basic": NORTH, "additional": SOUTH}, seeded(1)
    )
    assert len(one.parts[NORTH].identities) == 2
    assert len(one.parts[SOUTH].identities) == 1


def test_a_record_type_of_no_kind_is_set_aside(files: list[Path]) -> None:
    def known(format_id: str, record_type: str) -> list[tuple[str, str]]:
        return [] if record_type == "Observation" else list(classify(format_id, record_type))

    one = prepare(
        files, "fhir-ndjson", known, KEY, {"basic": NORTH, "additional": SOUTH}, seeded(1)
    )
    even(one)
    assert one.set_aside == {("Observation", "no-kind"): 2}


def test_names_contacts_and_keys_are_in_nothing_that_leaves(testdata: Path) -> None:
    """Every name, number, street and telephone of the foreign patients, looked for in all parts."""
    import json

    folder = testdata / "synthea-fhir-r4" / "ndjson"
    one = prepared(sorted(folder.glob("*.gz")))
    shown = [repr(part.balance) + repr(part.refusals) for part in one.parts.values()]
    held = "\n".join(
        [*shown, *(str(t.to_pydict()) for p in one.parts.values() for t in p.tables.values())]
    )
    with gzip.open(folder / "Patient.ndjson.gz") as file:
        patients = [json.loads(line) for line in file]
    for it in patients:
        secrets = [it["id"], *(i["value"] for i in it["identifier"])]
        secrets += [t["value"] for t in it["telecom"]]
        for name in it["name"]:
            secrets += [name["family"], *name["given"]]
        secrets += [line for a in it["address"] for line in a["line"]]
        for secret in secrets:
            assert len(secret) < 5 or secret not in held
    assert "display" not in held


def test_progress_is_told_for_every_file(files: list[Path]) -> None:
    told: list[tuple[int, int]] = []
    prepare(
        files,
        "fhir-ndjson",
        classify,
        KEY,
        {"basic": NORTH},
        seeded(1),
        lambda f, r: told.append((f, r)),
    )
    assert told == [(1, 3), (2, 6)]


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError) as caught:
        format_of("dbase")
    assert "fhir-ndjson" in str(caught.value.next_step)


def test_an_uneven_line_cannot_exist() -> None:
    with pytest.raises(Defect):
        Line("Condition", "basic", 3, 1, 1, 0, 0, body=NORTH)
