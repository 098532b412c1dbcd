"""The files that ship: held against the memo's words and against the design's matrix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sekisho.common.errors import UserError
from sekisho.framework import (
    Framework,
    all_frameworks,
    baselines,
    check_can_run,
    crossings,
    find,
    findings,
    framework_files,
    kinds_of,
    lanes,
    load,
    load_claims,
    load_kinds,
    load_provider_functions,
    unmeasured,
    windows,
)
from sekisho.framework.claims import FIGURES
from sekisho.framework.model import USER_INPUT

N, A, AB = ("national",), ("alpha",), ("alpha", "beta")

# The matrix of design section 3: collection, opt-out, review, processing and environment, each as
# (basic, additional); what crosses as sender, receiver, processed before it leaves.
MATRIX = {
    "1": ((N, N), (N, N), (N, N), (N, N), set()),
    "2-1": (
        (N, AB),
        (N, N),
        (N, AB),
        (N, AB),
        {(a, b, True) for a in (*N, *AB) for b in (*N, *AB) if a != b},
    ),
    "2-2-public": (
        (N, AB),
        (N, N),
        (N, N),
        (N, N),
        {("alpha", "national", False), ("beta", "national", False)},
    ),
    "2-2-certified": (
        (N, AB),
        (N, N),
        (A, A),
        (A, A),
        {("national", "alpha", False), ("beta", "alpha", False)},
    ),
    "3": ((N, N), (N, N), (A, A), (A, A), {("national", "alpha", False)}),
    "4-single": ((A, A), (A, A), (A, A), (A, A), set()),
    "4-several": (
        (AB, AB),
        (AB, AB),
        (AB, AB),
        (AB, AB),
        {("alpha", "beta", True), ("beta", "alpha", True)},
    ),
}
PUBLIC_SIDE = {"national"}


@pytest.fixture(scope="module")
def shipped(root: Path) -> dict[str, Framework]:
    return {fw.id: fw for fw in all_frameworks(root)}


@pytest.fixture(scope="module")
def memo(root: Path) -> str:
    path = root.parent / "shared" / "reference" / "framework-memo.txt"
    if not path.is_file():
        pytest.skip("the memo is not here")
    return path.read_text("utf-8")


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_there_are_seven_frameworks_and_their_names_are_their_ids(root: Path) -> None:
    assert sorted(MATRIX) == sorted(path.stem for path in framework_files(root))
    for path in framework_files(root):
        assert load(path).id == path.stem


@pytest.mark.parametrize("name", sorted(MATRIX))
def test_each_file_says_what_the_matrix_says(name: str, shipped: dict[str, Framework]) -> None:
    fw = shipped[name]
    collection, opt_out, review, working, crossing = MATRIX[name]
    for function, cells in (
        ("collection", collection),
        ("opt_out", opt_out),
        ("review", review),
        ("processing", working),
        ("analysis", working),
    ):
        for data_class, bodies in zip(("basic", "additional"), cells, strict=True):
            assert fw.assigned(function, data_class) == bodies, (function, data_class)
    crossed = {(c.sender, c.receiver, c.processed) for c in crossings(fw, ("basic", "additional"))}
    assert crossed == crossing
    for body in fw.function_bodies:
        expected = "public" if body in PUBLIC_SIDE else "certified"
        assert fw.find_body(body).kind == expected


def test_only_frameworks_that_split_review_have_more_than_one_lane(
    shipped: dict[str, Framework],
) -> None:
    several = {k for k, fw in shipped.items() if len(lanes(fw, ("basic", "additional"))) > 1}
    assert several == {"2-1", "4-several"}
    for fw in shipped.values():
        opened = windows(fw, ("basic", "additional"))
        assert len(opened) == len(lanes(fw, ("basic", "additional")))


def test_shipped_doors_are_as_the_memo_describes_and_several_operators_replicate(
    shipped: dict[str, Framework],
) -> None:
    for fw in shipped.values():
        assert (fw.doors.submission, fw.doors.application) == ("per_body", "per_body")
    assert shipped["4-several"].opt_out.sync == "replicated"
    assert shipped["4-several"].holding.public_db == "partition"
    answered = {one.answered_by for one in shipped["4-several"].open.question}
    assert answered == {"opt_out.sync", "holding.public_db"}


def test_every_quotation_stands_in_the_memo_word_for_word(
    shipped: dict[str, Framework], memo: str
) -> None:
    text = squeezed(memo)
    for fw in shipped.values():
        assert squeezed(fw.document.heading) in text
        for one in fw.assignment:
            assert squeezed(one.source) in text, (fw.id, one.function, one.data)
        for question in fw.open.question:
            assert squeezed(question.source) in text
            assert squeezed(question.text) in squeezed(question.source)


def test_every_quotation_stands_in_the_part_of_the_memo_that_the_framework_is_made_from(
    shipped: dict[str, Framework], memo: str
) -> None:
    parts = [squeezed(part) for part in re.split(r"(?=^案[①②③④](?:-\d)?：)", memo, flags=re.M)]
    for fw in shipped.values():
        mine = next(part for part in parts if part.startswith(squeezed(fw.document.heading)))
        for one in fw.assignment:
            assert squeezed(one.source) in mine, (fw.id, one.function, one.data)


def test_claims_are_the_memos_merits_and_problems_word_for_word(root: Path, memo: str) -> None:
    claims = load_claims(root / "frameworks" / "claims.toml")
    bullets, side, heading = [], "", ""
    for line in memo.splitlines():
        if found := re.match(r"^(案[①②③④](?:-\d)?)：", line):
            heading = found.group(1)
        if line.startswith("〈"):
            side = "merit" if "メリット" in line else "problem"
        if line.startswith("- ・"):
            bullets.append((heading, side, line.removeprefix("- ・").strip()))
    assert [side for _, side, _ in bullets].count("merit") == 14
    assert [side for _, side, _ in bullets].count("problem") == 15
    assert [(s.heading, s.side, s.text) for s in claims.statement] == bullets


def test_signs_of_claims_are_those_of_the_table_of_signed_statements(root: Path) -> None:
    """policy.md 2.2; 案②-2 stands twice, 案④ twice; silent is not zero."""
    claims = load_claims(root / "frameworks" / "claims.toml")
    order = ["1", "2-1", "2-2-public", "2-2-certified", "3", "4-single", "4-several"]
    silent, none = "silent", "not applicable"
    signed = {
        "data_kinds": ["+"] * 7,
        "opt_out": ["+", "+", "+", "+", "+", "+", "+-"],
        "application": ["+", "-", "+", "+", "+", "+", "+"],
        "provider_burden": [silent, "-", "-", "-", silent, silent, silent],
        "cost": ["-", "+", "+", "+", "-", "-", "-"],
        "leakage": ["-", "+", "+", "+", "-", silent, silent],
        "understanding": ["-"] * 7,
        "review_time": ["-", "+", silent, silent, silent, silent, silent],
        "operator_collection": [none, "-", "-", "-", none, silent, silent],
        "operator_environment": [none, "-", none, "-", "-", silent, silent],
    }
    for criterion, row in signed.items():
        assert [claims.says(name, criterion) for name in order] == row, criterion


def test_claims_speak_of_frameworks_and_figures_that_exist(root: Path) -> None:
    claims = load_claims(root / "frameworks" / "claims.toml")
    ids = {path.stem for path in framework_files(root)}
    used = set()
    for statement in claims.statement:
        assert set(statement.frameworks) <= ids
        used |= {claim.measure for claim in statement.claim}
    assert used >= set(FIGURES), "a figure that no claim is tied to"


def test_unmeasured_keys_are_listed_in_every_framework(shipped: dict[str, Framework]) -> None:
    for fw in shipped.values():
        listed = {key for key, _, _ in unmeasured(fw)}
        assert {"open.cost", "open.hard", "open.platform"} <= listed
        assert "open.mode" not in listed


def test_hard_data_whose_holder_has_no_environment_is_a_finding(root: Path) -> None:
    def found(name: str) -> set[str]:
        path = find(name, root)
        fw = load(path)
        return {
            one.key
            for one in findings(fw, kinds_of(fw, path))
            if one.code == "hard-data-without-environment"
        }

    assert found("3") == {"open.hard.genome", "open.hard.image"}
    assert found("1") == set()
    assert found("2-1") == set()


def test_today_is_read_with_the_same_model_and_says_what_does_not_exist(root: Path) -> None:
    (today,) = baselines(root)
    with pytest.raises(UserError, match="records what exists"):
        check_can_run(today)
    kinds = [one.kind for one in today.body]
    assert kinds.count("certified") == 3
    assert kinds.count("public") == len(today.assigned("review", "basic")) == 9
    missing = today.given("opt_out", "basic")
    assert missing is not None
    assert missing.bodies == "none"
    assert missing.source != USER_INPUT


def test_kinds_cover_the_thirteen_categories_and_default_classes(root: Path) -> None:
    kinds = load_kinds(root / "rules" / "data-kinds.toml")
    load_provider_functions(root / "rules" / "providers.toml")
    assert {one.number for one in kinds.category} == set(range(1, 14))
    assert {one.category for one in kinds.kind} == set(range(1, 14))
    basic = ["Encounter", "Condition", "AllergyIntolerance", "MedicationRequest"]
    for format_ in ("fhir-ndjson", "fhir-bundle"):
        patient = kinds.kind_of(format_, "Patient")
        assert patient is not None
        assert patient.classes == ("basic", "additional", "hard")
        for resource in basic:
            kind = kinds.kind_of(format_, resource)
            assert kind is not None
            assert kind.classes == ("basic",)
        for resource in ("Observation", "Procedure", "DiagnosticReport", "Immunization"):
            kind = kinds.kind_of(format_, resource)
            assert kind is not None
            assert kind.classes == ("additional",)
    for format_ in ("uke", "checkup-cda", "jp-clins"):
        kind = kinds.kind_of(format_, "anything")
        assert kind is not None
        assert kind.data_class == "basic"
    assert kinds.kind_of("no-such-format", "Patient") is None


def test_tables_ask_for_the_classes_that_their_rows_can_have(root: Path) -> None:
    kinds = load_kinds(root / "rules" / "data-kinds.toml")
    fhir, both = ["fhir-ndjson"], ["fhir-ndjson", "uke"]
    assert kinds.classes_of_tables(["person"], fhir) == ("basic",)
    assert kinds.classes_of_tables(["person", "measurement"], fhir) == ("additional",)
    assert kinds.classes_of_tables(["condition_occurrence"], fhir) == ("basic",)
    assert kinds.classes_of_tables(["procedure_occurrence"], both) == ("basic", "additional")
    assert kinds.classes_of_tables(["no_such_table"]) == ()
