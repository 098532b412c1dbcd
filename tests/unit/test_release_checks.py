"""Rule files and checks: every number has a source, and the strictest rule decides."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import msgspec
import pyarrow as pa
import pytest

from sekisho.common.errors import Refusal, UserError
from sekisho.data.analysis.study import Output
from sekisho.data.release import (
    Kept,
    Outcome,
    RuleSet,
    TableOutput,
    build,
    check,
    choose,
    everyone,
    read_rule_sets,
    read_rules,
    schema,
)
from sekisho.data.release.findings import TEXTS

FOLDER = Path(__file__).resolve().parents[2] / "rules" / "publication"
RULES = read_rule_sets(FOLDER)
NDB = (RULES["ndb"],)


def table(
    counts: dict[tuple[str, ...], int], *dimensions: str, declared: bool = True, **more: object
) -> TableOutput:
    """A table with these counts, built by the builder from one row per person."""
    labels = [key for key, count in counts.items() for _ in range(count)]
    rows = pa.table(
        {
            "person_id": list(range(len(labels))),
            **{d: [key[i] for key in labels] for i, d in enumerate(dimensions)},
        }
    )
    levels = {d: tuple(dict.fromkeys(key[i] for key in counts)) for i, d in enumerate(dimensions)}
    output = Output(
        name="out",
        type="table",
        source="people",
        dimensions=dimensions,
        measure="persons",
        purpose="test",
        levels=levels if declared else {},
        **more,  # type: ignore[arg-type]
    )
    return build(output, rows, pa.array(range(len(labels)), pa.int64()))


def codes(verdict: object) -> set[str]:
    return {f.code for f in verdict.findings}  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda p: p.stem)
def test_every_rule_file_is_valid_and_every_rule_has_a_source(path: Path) -> None:
    rules = read_rules(path)
    jsonschema.Draft202012Validator.check_schema(schema())
    raw = msgspec.to_builtins(tomllib.loads(path.read_text("utf-8")))
    jsonschema.validate(raw, schema())
    for rule in (rules.audit, *rules.thresholds, *rules.areas, *rules.forbidden, *rules.by_hand):
        assert "http" in rule.source or rule.basis == "own"
    threshold = rules.threshold("persons")
    assert threshold is not None
    assert (threshold.below, threshold.zero) == (10, "shown")


def test_a_rule_file_with_an_unknown_key_is_refused_with_its_line(tmp_path: Path) -> None:
    text = (FOLDER / "ndb.toml").read_text("utf-8")
    (tmp_path / "ndb.toml").write_text(text.replace("below = 10\n", "belwo = 10\n"), "utf-8")
    with pytest.raises(UserError, match=r"ndb\.toml:\d+"):
        read_rules(tmp_path / "ndb.toml")
    (tmp_path / "other.toml").write_text(text, "utf-8")
    with pytest.raises(UserError, match="has its name"):
        read_rules(tmp_path / "other.toml")


def test_without_a_rule_set_nothing_leaves() -> None:
    assert [r.id for r in choose(RULES, ["sekisho-default", "ndb", "ndb"])] == [
        "ndb",
        "sekisho-default",
    ]
    for wanted in ([], ["ndb", "unknown"]):
        with pytest.raises(Refusal):
            choose(RULES, wanted)


def test_a_table_without_small_cells_is_released_with_its_zeros() -> None:
    verdict = check(table({("F",): 10, ("M",): 0, ("X",): 250}, "sex"), NDB)
    assert verdict.outcome is Outcome.RELEASED
    assert verdict.content == b"sex,persons\nF,10\nM,0\nX,250\n"
    assert verdict.masked_cells == 0


@pytest.mark.parametrize("small", range(1, 10))
def test_a_cell_of_one_to_nine_is_masked_without_totals(small: int) -> None:
    counts = {("a", "x"): small, ("a", "y"): 40, ("b", "x"): 30, ("b", "y"): 0}
    verdict = check(table(counts, "p", "q"), NDB)
    assert verdict.outcome is Outcome.MASKED
    assert verdict.content == b"p,q,persons\na,x,-\na,y,40\nb,x,30\nb,y,0\n"
    assert "release.masked" in codes(verdict)


def test_study_or_rule_can_refuse_instead_of_masking() -> None:
    counts = {("a",): 3, ("b",): 40}
    strict = check(table(counts, "p", on_small_cell="refuse"), NDB)
    assert (strict.outcome, strict.content, strict.kept) == (Outcome.REFUSED, None, None)
    threshold = msgspec.structs.replace(NDB[0].thresholds[0], on_small_cell="refuse")
    rules = msgspec.structs.replace(NDB[0], thresholds=(threshold,))
    # The study may be stricter than the rule, never laxer.
    assert check(table(counts, "p", on_small_cell="mask"), (rules,)).outcome is Outcome.REFUSED


def test_an_undeclared_label_of_few_persons_is_not_shown() -> None:
    counts = {("common",): 40, ("patient 12 of ward 3",): 2, ("also rare",): 4}
    verdict = check(table(counts, "note", declared=False), NDB)
    assert verdict.content == b"note,persons\ncommon,40\n(small),-\n"
    assert "release.small-level" in codes(verdict)
    shown = check(table(counts, "note"), NDB)
    assert b"also rare,-" in (shown.content or b"")


def test_of_several_rule_sets_the_strictest_decides() -> None:
    threshold = msgspec.structs.replace(NDB[0].thresholds[0], below=20, zero="masked")
    strict = msgspec.structs.replace(NDB[0], id="strict", thresholds=(threshold,))
    counts = {("a",): 15, ("b",): 40, ("c",): 0}
    assert check(table(counts, "p"), NDB).content == b"p,persons\na,15\nb,40\nc,0\n"
    for order in ((NDB[0], strict), (strict, NDB[0])):
        assert check(table(counts, "p"), order).content == b"p,persons\na,-\nb,40\nc,-\n"


def test_small_municipalities_have_higher_thresholds() -> None:
    counts = {("village",): 500, ("town",): 19, ("town 2",): 20, ("city",): 10, ("city 2",): 9}
    people = {"village": 1999, "town": 24_999, "town 2": 2000, "city": 25_000, "city 2": 10**6}
    made = table(counts, "municipality")
    verdict = check(made, NDB, populations=people)
    assert verdict.content == (
        b"municipality,persons\nvillage,-\ntown,-\ntown 2,20\ncity,10\ncity 2,-\n"
    )
    unknown = check(made, NDB, populations={"city": 1})
    assert unknown.outcome is Outcome.REFUSED
    assert "release.population-unknown" in codes(unknown)


def test_municipality_by_insurer_type_is_refused() -> None:
    made = table({("city", "国保"): 50, ("city", "健保"): 50}, "municipality", "insurer_type")
    verdict = check(made, NDB, populations={"city": 10**6})
    assert "release.forbidden-cross" in codes(verdict)
    assert verdict.outcome is Outcome.REFUSED


def test_a_rule_set_without_a_threshold_for_persons_refuses() -> None:
    only = tuple(t for t in NDB[0].thresholds if t.unit != "persons")
    rules = msgspec.structs.replace(NDB[0], thresholds=only)
    assert check(table({("a",): 50}, "p"), (rules,)).outcome is Outcome.REFUSED


COUNTS = {("a", "x"): 3, ("a", "y"): 40, ("b", "x"): 30, ("b", "y"): 12}


def released(made: TableOutput, earlier: tuple[Kept, ...] = ()) -> Kept:
    verdict = check(made, NDB, earlier)
    assert verdict.kept is not None
    return Kept.from_bytes(verdict.kept.to_bytes())


def coarser(made: TableOutput, dimension: int) -> TableOutput:
    """The same persons counted by one dimension only."""
    cells = made.cells
    labels = made.levels[dimension]
    to = [labels.index(cell.labels[dimension]) for cell in cells]
    moved = [to[c] for c in made.members.column("cell").to_pylist()]
    counts = tuple(moved.count(i) for i in range(len(labels)))
    members = pa.table({"person_id": made.members.column("person_id"), "cell": moved})
    return TableOutput("coarse", (made.dimensions[dimension],), (labels,), (True,), counts, members)


@pytest.mark.parametrize("dimension", [0, 1])
@pytest.mark.parametrize("order", ["fine first", "coarse first"])
def test_a_coarser_table_that_totals_a_masked_cell_cannot_leave(dimension: int, order: str) -> None:
    fine = table(COUNTS, "p", "q")
    coarse = coarser(fine, dimension)
    first, second = (fine, coarse) if order == "fine first" else (coarse, fine)
    verdict = check(second, NDB, (released(first),))
    assert verdict.outcome is Outcome.REFUSED
    assert "audit.recoverable" in codes(verdict)
    assert verdict.content is None


def test_a_renamed_dimension_does_not_get_past_the_audit() -> None:
    fine = table(COUNTS, "p", "q")
    coarse = coarser(fine, 0)
    renamed = TableOutput("other", ("ward",), (("1", "2"),), (True,), coarse.counts, coarse.members)
    assert check(renamed, NDB, (released(fine),)).outcome is Outcome.REFUSED


def test_the_total_of_everyone_counts_where_it_is_public() -> None:
    fine = table(COUNTS, "p", "q")
    assert check(fine, NDB).outcome is Outcome.MASKED
    total = everyone(fine.members.column("person_id"))
    assert check(fine, NDB, (total,)).outcome is Outcome.REFUSED


def test_the_same_table_with_one_person_fewer_cannot_leave() -> None:
    full = table({("a",): 50, ("b",): 40}, "p")
    counts = (49, 40)
    fewer = TableOutput("fewer", ("p",), (("a", "b"),), (True,), counts, full.members.slice(1))
    verdict = check(fewer, NDB, (released(full),))
    assert "audit.differencing" in codes(verdict)
    much = TableOutput("m", ("p",), (("a", "b"),), (True,), (30, 40), full.members.slice(20))
    assert check(much, NDB, (released(full),)).outcome is Outcome.RELEASED


def test_a_sum_of_masked_cells_below_the_threshold_cannot_follow() -> None:
    counts = {
        ("a", "x"): 4,
        ("a", "y"): 5,
        ("a", "z"): 60,
        ("b", "x"): 70,
        ("b", "y"): 80,
        ("b", "z"): 90,
    }
    fine = table(counts, "p", "q")
    verdict = check(coarser(fine, 0), NDB, (released(fine),))
    assert "audit.small-group" in codes(verdict)


def test_totals_of_well_hidden_cells_may_leave() -> None:
    counts = {("a", n): 5 for n in "uvwxyz"} | {("b", n): 50 for n in "uvwxyz"}
    fine = table(counts, "p", "q")
    assert check(coarser(fine, 0), NDB, (released(fine),)).outcome is Outcome.RELEASED
    assert check(coarser(fine, 1), NDB, (released(fine),)).outcome is Outcome.REFUSED


def test_the_same_table_again_may_leave_again() -> None:
    fine = table(COUNTS, "p", "q")
    first = check(fine, NDB)
    second = check(fine, NDB, (released(fine),))
    assert second.content == first.content
    assert second.sha256 == first.sha256


def test_no_finding_holds_a_number_of_persons_and_each_has_both_languages() -> None:
    for text in TEXTS.values():
        assert not any(c.isdigit() for c in text.ja + text.en)
        assert not text.ja.isascii()
        assert text.en.isascii()


def test_reviewers_are_told_what_no_program_can_check() -> None:
    verdict = check(table({("a",): 50}, "p"), NDB)
    by_hand = {f.rule for f in verdict.findings if f.code == "release.by-hand"}
    assert by_hand == {f"ndb/{r.id}" for r in NDB[0].by_hand}


def test_rule_sets_are_typed() -> None:
    assert isinstance(NDB[0], RuleSet)
