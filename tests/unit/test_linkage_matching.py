"""Matching without a number: judged by truth that the matcher never sees."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.common.errors import Refusal, UserError
from sekisho.data.linkage import (
    LinkageRule,
    Pair,
    check_identities,
    compared,
    judge,
    matching,
    read_linkage_rule,
    read_variants,
    score,
    scored,
)
from sekisho.exchange.identities import COLUMNS, FIELDS, RELIABLE, TABLE
from sekisho.synthetic.identities import CAUSES, twice

pytest.importorskip("splink", reason="the extra 'enclave' is not installed")


@pytest.fixture(scope="module")
def rules(root: Path) -> Path:
    return root / "rules" / "linkage"


def febrl(path: Path) -> pa.Table:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    kept = [name for name in rows[0] if name != "soc_sec_id"]
    names = {name: "unique_id" if name == "rec_id" else name for name in kept}
    return pa.table(
        {new: pa.array([row[old].strip() or None for row in rows]) for old, new in names.items()}
    )


def identities(rows: list[tuple[str, dict[str, str | None]]], *, reliable: bool) -> pa.Table:
    columns = {
        "tag": pa.array([tag for tag, _ in rows], pa.string()),
        "cipher": pa.array([b"" for _ in rows], pa.binary()),
        RELIABLE: pa.array([reliable] * len(rows), pa.bool_()),
    }
    columns |= {f: pa.array([row[f] for _, row in rows], pa.string()) for f in FIELDS}
    return pa.table(columns)


def test_febrl_without_its_number_is_linked_nearly_whole(testdata: Path, rules: Path) -> None:
    folder = testdata / "febrl"
    sources = {side: febrl(folder / f"dataset4{side}.csv") for side in "ab"}
    rule = read_linkage_rule(rules / "febrl.toml")
    judged = judge(score(sources, rule, seed=7), rule)
    found = {frozenset((j.pair.a, j.pair.b)) for j in judged if j.verdict == "link"}
    true = {frozenset((f"rec-{n}-org", f"rec-{n}-dup-0")) for n in range(5000)}
    result = scored(found, true)
    assert result.f1 >= 0.995
    assert result.precision >= 0.999


def japanese(rules: Path, persons: int, seed: int) -> tuple[dict[str, pa.Table], dict[str, str]]:
    people = [twice(seed, number) for number in range(persons)]
    variants = read_variants(rules / "variants.toml")
    first = [(f"a{p.number}", p.first.fields()) for p in people if p.first]
    second = [(f"b{p.number}", p.second.fields()) for p in people if p.second]
    tables = {
        "a": compared(identities(first, reliable=False), variants),
        "b": compared(identities(second, reliable=True), variants),
    }
    causes = {str(p.number): p.cause for p in people if p.first and p.second}
    return tables, causes


def test_japanese_names_are_linked_by_every_cause_and_seldom_falsely(rules: Path) -> None:
    """3,000 made persons: the model learns from them; truth is only for the score."""
    rule = read_linkage_rule(rules / "japanese.toml")
    sources, causes = japanese(rules, 3000, seed=11)
    judged = judge(score(sources, rule, seed=7), rule)
    linked = {(j.pair.a, j.pair.b) for j in judged if j.verdict == "link"}
    shown = linked | {(j.pair.a, j.pair.b) for j in judged if j.verdict == "clerical"}
    true = {(f"a{number}", f"b{number}") for number in causes}
    assert len(linked - true) / len(linked) < 0.005
    assert len(shown & true) / len(true) > 0.99
    assert set(causes.values()) == set(CAUSES)
    for cause in set(CAUSES) - {"marriage", "moved", "several", "birth", "typo"}:
        pairs = {(f"a{number}", f"b{number}") for number, why in causes.items() if why == cause}
        assert len(linked & pairs) / len(pairs) > 0.97, cause


def test_a_set_too_small_to_learn_from_is_matched_by_the_rules_own_weights(rules: Path) -> None:
    rule = read_linkage_rule(rules / "japanese.toml")
    sources, causes = japanese(rules, 120, seed=5)
    judged = judge(score(sources, rule, seed=7), rule)
    linked = {(j.pair.a, j.pair.b) for j in judged if j.verdict == "link"}
    true = {(f"a{number}", f"b{number}") for number in causes}
    assert linked <= true
    assert len(linked) >= 0.8 * len(true)


def test_the_same_records_give_the_same_weights_in_any_order(rules: Path) -> None:
    rule = msgspec.structs.replace(read_linkage_rule(rules / "japanese.toml"), learn_from=0)
    sources, _ = japanese(rules, 600, seed=3)
    turned = {
        name: rows.take(pa.array(range(rows.num_rows)[::-1])) for name, rows in sources.items()
    }
    assert score(sources, rule, seed=7) == score(turned, rule, seed=7)


def test_only_pairs_with_a_wanted_record_are_looked_at(rules: Path) -> None:
    rule = read_linkage_rule(rules / "japanese.toml")
    sources, _ = japanese(rules, 120, seed=5)
    for name, rows in sources.items():
        wanted = pa.array([tag == "a7" or tag == "b9" for tag in rows["unique_id"].to_pylist()])
        sources[name] = rows.append_column("wanted", wanted)
    pairs = score(sources, rule, seed=7, wanted="wanted")
    assert all(pair.a == "a7" or pair.b == "b9" for pair in pairs)


def test_one_source_alone_has_no_pairs(rules: Path) -> None:
    sources, _ = japanese(rules, 50, seed=5)
    rule = read_linkage_rule(rules / "japanese.toml")
    assert score({"a": sources["a"]}, rule, seed=7) == []
    assert score({**sources, "b": sources["b"].slice(0, 0)}, rule, seed=7) == []


def test_records_without_the_rules_columns_are_refused(rules: Path) -> None:
    rule = read_linkage_rule(rules / "febrl.toml")
    with pytest.raises(UserError, match="lack"):
        score({"a": pa.table({"unique_id": ["1"]})}, rule, seed=7)


ONE = st.builds(
    Pair,
    st.just("a"),
    st.sampled_from([f"a{n}" for n in range(6)]),
    st.sampled_from(["b", "c"]),
    st.sampled_from([f"x{n}" for n in range(6)]),
    st.sampled_from([float(n) for n in range(8)]),
    st.sampled_from([0.2, 0.6, 0.95, 0.995]),
)


@given(st.lists(ONE, max_size=20, unique_by=lambda p: (p.a, p.source_b, p.b)))
@settings(max_examples=200)
def test_one_record_is_linked_with_at_most_one_of_another_source(pairs: list[Pair]) -> None:
    rule = rule_for_judging()
    judged = judge(pairs, rule)
    assert {one.pair for one in judged} == set(pairs)
    linked = [one.pair for one in judged if one.verdict == "link"]
    assert len({(p.a, p.source_b) for p in linked}) == len(linked)
    assert len({(p.b, p.source_b) for p in linked}) == len(linked)
    assert all(p.probability >= rule.link for p in linked)


def rule_for_judging() -> LinkageRule:
    root = Path(__file__).resolve().parents[2]
    return read_linkage_rule(root / "rules" / "linkage" / "japanese.toml")


@pytest.mark.parametrize("column", ["condition_code", "insured_number", "note"])
def test_an_enclave_takes_no_column_that_is_not_named(column: str) -> None:
    rows = identities([("t", twice(1, 2).first.fields())], reliable=False)  # type: ignore[union-attr]
    assert tuple(rows.column_names) == COLUMNS
    assert check_identities({TABLE: rows}) is rows
    with pytest.raises(Refusal, match="nothing else"):
        check_identities({TABLE: rows.append_column(column, pa.array(["E11"]))})
    with pytest.raises(Refusal, match="nothing else"):
        check_identities({TABLE: rows, "condition_occurrence": rows})
    with pytest.raises(Refusal, match="not texts"):
        check_identities({TABLE: pa.concat_tables([rows, rows])})


def test_without_the_matcher_the_refusal_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "splink", None)
    with pytest.raises(UserError, match="Splink") as refused:
        matching.require_splink()
    assert "sekisho[enclave]" in (refused.value.next_step or "")


@pytest.mark.parametrize(
    "change",
    [
        "link = 0.05",
        "source = {}",
        'block = [{ on = ["a"] }]',
        "surprise = 1",
    ],
)
def test_a_rule_that_does_not_hold_together_is_refused(
    change: str, rules: Path, tmp_path: Path
) -> None:
    raw = msgspec.toml.decode((rules / "japanese.toml").read_bytes())
    raw.update(msgspec.toml.decode(change))
    file = tmp_path / "rule.toml"
    file.write_bytes(msgspec.toml.encode(raw))
    with pytest.raises(UserError):
        read_linkage_rule(file)
