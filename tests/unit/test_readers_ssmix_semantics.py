"""What the rules of SS-MIX2 ask of a reader, on files written for the purpose."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sekisho.common.errors import UserError
from sekisho.provider import Limits, Prepared
from ssmix_files import message, sent
from submissions import NORTH, SOUTH, codes, even

PRESCRIPTION = (
    "PV1|0001|O",
    "ORC|NW|1||1|||||20260310103045",
    "RXE||108665201^X錠^HOT9|1||TAB^錠^MR9P|||||{amount}|TAB^錠^MR9P",
    "TQ1|1||1013044400000000&x&JAMISDP01|||5^d|20260311",
)
IN1 = "IN1|1|06^組合^JHSD0001|06132013|||||||{symbol}|{number}|{since}|||||SEL"


@pytest.fixture
def kinds(root: Path) -> Path:
    return root / "rules" / "data-kinds.toml"


def prescription(amount: str = "15") -> list[str]:
    return [line.format(amount=amount) for line in PRESCRIPTION]


def insurance(symbol: str = "12", number: str = "345", since: str = "20200401") -> str:
    return IN1.format(symbol=symbol, number=number, since=since)


def table(one: Prepared, name: str) -> list[dict[str, Any]]:
    return [r for p in one.parts.values() if name in p.tables for r in p.tables[name].to_pylist()]


def test_the_latest_moment_of_an_order_counts_in_whatever_order_files_come(
    tmp_path: Path, kinds: Path
) -> None:
    first = message(tmp_path, "OMP-01", *prescription("15"), moment="20260310120000000")
    second = message(tmp_path, "OMP-01", *prescription("20"), moment="20260310130000000")
    for paths in ([first, second], [second, first], [tmp_path]):
        one = sent(*paths, kinds=kinds)
        even(one)
        assert [r["quantity"] for r in table(one, "drug_exposure")] == ["20"]


def test_a_deleted_order_leaves_nothing_and_a_pending_one_replaces_nothing(
    tmp_path: Path, kinds: Path
) -> None:
    late = {"moment": "20260310130000000"}
    message(tmp_path, "OMP-01", *prescription(), order="1")
    message(tmp_path, "OMP-01", *prescription(), order="1", condition="0", **late)
    message(tmp_path, "OMP-01", *prescription("7"), order="2")
    message(tmp_path, "OMP-01", *prescription("9"), order="2", condition="2", **late)
    one = sent(tmp_path, kinds=kinds)
    even(one)
    assert [r["quantity"] for r in table(one, "drug_exposure")] == ["7"]
    assert one.set_aside == {("OMP-01", "cancelled"): 1, ("OMP-01", "pending"): 1}


def problem(code: str, *more: str, since: str = "20260101") -> str:
    return f"PRB|AD|20260310|{code}^x^MDCDX2|1|||{since}|||K297^^I10" + "".join(more)


def test_diagnoses_are_replaced_as_a_whole(tmp_path: Path, kinds: Path) -> None:
    message(tmp_path, "PPR-01", problem("20054174"), problem("20059123"), day="-")
    message(tmp_path, "PPR-01", problem("20059123"), day="-", moment="20260401120000000", order="9")
    one = sent(tmp_path, kinds=kinds)
    even(one)
    rows = table(one, "condition_occurrence")
    assert [r["condition_source_value"] for r in rows] == ["20059123"]


def test_a_suspected_diagnosis_is_no_condition(tmp_path: Path, kinds: Path) -> None:
    suspected = (problem("20054174"), "ZPR||20054174^x^MDCDX2|||8002^の疑い^MDCDX2")
    message(tmp_path, "PPR-01", *suspected, problem("20059123"), day="-")
    one = sent(tmp_path, kinds=kinds)
    assert [r["condition_source_value"] for r in table(one, "condition_occurrence")] == ["20059123"]
    assert [r["observation_source_value"] for r in table(one, "observation")] == ["20054174"]


def test_an_end_is_kept_only_where_the_outcome_says_so(tmp_path: Path, kinds: Path) -> None:
    ended = "PRB|AD|20260310|{}^x^MDCDX2|1|||20260101||20260301|||||{}^x^HL70241"
    message(
        tmp_path, "PPR-01", ended.format("20054174", "F"), ended.format("20059123", "N"), day="-"
    )
    rows = table(sent(tmp_path, kinds=kinds), "condition_occurrence")
    ends = {r["condition_source_value"]: r["condition_end_date"] for r in rows}
    assert ends == {"20054174": date(2026, 3, 1), "20059123": None}


def stay(start: str = "202603011000", end: str = "") -> str:
    fields = ["PV1", "0001", "I", *[""] * 41, start, end]
    return "|".join(fields)


def test_an_admission_and_its_discharge_are_one_stay(tmp_path: Path, kinds: Path) -> None:
    message(tmp_path, "ADT-22", stay(), day="20260301")
    opened = table(sent(tmp_path, kinds=kinds), "visit_occurrence")
    assert [(r["visit_start_date"], r["visit_end_date"]) for r in opened] == [
        (date(2026, 3, 1), None)
    ]
    message(tmp_path, "ADT-52", stay(end="202603091000"), day="20260309")
    closed = sent(tmp_path, kinds=kinds)
    even(closed)
    assert [r["visit_end_date"] for r in table(closed, "visit_occurrence")] == [date(2026, 3, 9)]
    message(
        tmp_path,
        "ADT-52",
        stay(end="202603091000"),
        day="20260309",
        condition="0",
        moment="20260310140000000",
    )
    again = table(sent(tmp_path, kinds=kinds), "visit_occurrence")
    assert [r["visit_end_date"] for r in again] == [None]


def result(kind: str, value: str, *more: str, code: str = "3A010000002327101") -> str:
    return f"OBX|1|{kind}|{code}^x^JC10||{value}|g/dl^g/dl^ISO+|||||" + "|".join(more or ("F",))


@pytest.mark.parametrize(
    ("kind", "value", "number", "text", "system"),
    [
        ("NM", "7.20", "7.2", None, None),
        ("ST", "<0.5", "0.5", "<0.5", None),
        ("ST", "０．５未満", "0.5", "<0.5", None),
        ("ST", "(+-)", None, "+-", None),
        ("ST", "陰性", None, "陰性", None),
        ("CWE", "A^A^JSHR002", None, "A", "JSHR002"),
        ("SN", ">^100", "100", ">100", None),
    ],
)
def test_a_result_keeps_its_number_or_its_word(
    tmp_path: Path,
    kinds: Path,
    kind: str,
    value: str,
    number: str | None,
    text: str | None,
    system: str | None,
) -> None:
    sample = "SPM|1|||023^血清^JC10|||||||||||||202603091500"
    message(tmp_path, "OML-11", sample, result(kind, value))
    rows = table(sent(tmp_path, kinds=kinds), "measurement")
    assert [(r["value_as_number"], r["value_source_value"]) for r in rows] == [(number, text)]
    assert [r["value_source_system"] for r in rows] == [system]
    assert [r["measurement_date"] for r in rows] == [date(2026, 3, 9)]


def test_words_persons_and_withdrawn_results_are_set_aside(tmp_path: Path, kinds: Path) -> None:
    message(
        tmp_path,
        "OML-11",
        "SPM|1|||023^血清^JC10|||||||||||||202603091500",
        result("ST", "金糸雀さんに連絡済"),
        result("TX", "陰性"),
        result("NM", "7", "D"),
        result("NM", ""),
        result("NM", "1"),
    )
    one = sent(tmp_path, kinds=kinds)
    even(one)
    assert one.set_aside == {
        ("OML-11", "only-free-text"): 2,
        ("OML-11", "did-not-happen"): 1,
        ("OML-11", "no-value"): 1,
    }
    assert "金糸雀" not in str(table(one, "measurement"))


def test_one_bad_result_does_not_take_the_others_along(tmp_path: Path, kinds: Path) -> None:
    sample = "SPM|1|||023^血清^JC10|||||||||||||202603091500"
    message(tmp_path, "OML-11", sample, result("NM", "seven"), result("NM", "7"))
    one = sent(tmp_path, kinds=kinds)
    even(one)
    assert codes(one) == [(4, "hl7.number")]
    assert len(table(one, "measurement")) == 1


def test_insurance_is_the_key_the_latest_first(tmp_path: Path, kinds: Path) -> None:
    old, new = insurance("1", "11", "20100401"), insurance("１２", "３４５", "20200401")
    message(tmp_path, "ADT-00", old, new, day="-")
    message(tmp_path, "OMP-01", *prescription())
    one = sent(tmp_path, kinds=kinds)
    keys = {key for part in one.parts.values() for _, key in part.identities}
    assert {(k.value, k.method, k.birth_date) for k in keys} == {
        ("06132013:12:345:", "direct", date(1950, 4, 1))
    }
    assert one.parts[NORTH].tables["drug_exposure"].num_rows == 1


def test_a_branch_number_makes_the_key_the_persons_own(tmp_path: Path, kinds: Path) -> None:
    message(tmp_path, "ADT-00", insurance("12~03", "345"), day="-")
    one = sent(tmp_path, kinds=kinds)
    keys = {key for part in one.parts.values() for _, key in part.identities}
    assert {(k.value, k.method) for k in keys} == {("06132013:12:345:03", "number")}


def test_a_my_number_where_insurance_is_read_is_refused(tmp_path: Path, kinds: Path) -> None:
    message(tmp_path, "ADT-00", insurance("12", "123456789018"), day="-")
    message(tmp_path, "OMP-01", *prescription())
    with pytest.raises(UserError) as refusal:
        sent(tmp_path, kinds=kinds)
    assert "123456789018" not in str(refusal.value)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"pid": "0000124"}, "ssmix.patient"),
        ({"pid": ""}, "ssmix.patient"),
        ({"msh9": "ADT^A08"}, "ssmix.kind"),
    ],
)
def test_a_file_that_contradicts_its_place_is_refused(
    tmp_path: Path, kinds: Path, more: dict[str, str], code: str
) -> None:
    message(tmp_path, "ADT-00", day="-")
    message(tmp_path, "OMP-01", *prescription(), **more)
    one = sent(tmp_path, kinds=kinds)
    even(one)
    assert [c for _, c in codes(one)] == [code]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"HIS", "ｶﾅ".encode("cp932"), "line.encoding"),
        (b"HIS", b"\x1b(I6E\x1b(B", "line.encoding"),  # half-width kana, not allowed
        (b"HIS", b"\0", "line.nul"),
        (b"MSH|^~\\&|", b"MSH|^~\\#|", "hl7.header"),
        (b"~ISO IR87", b"UNICODE UTF-8", "hl7.charset"),
    ],
)
def test_broken_bytes_are_refused_with_the_reason(
    tmp_path: Path, kinds: Path, old: bytes, new: bytes, code: str
) -> None:
    message(tmp_path, "ADT-00", day="-")
    bad = message(tmp_path, "OMP-01", *prescription())
    bad.write_bytes(bad.read_bytes().replace(old, new, 1))
    one = sent(tmp_path, kinds=kinds)
    even(one)
    assert [c for _, c in codes(one)] == [code]


def test_escapes_are_undone_and_odd_ones_refused_without_a_word_in_a_log(
    tmp_path: Path, kinds: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sample = "SPM|1|||023^血清^JC10|||||||||||||202603091500"
    odd = ("\\", "\\\\", "\\X金糸雀\\", "\\Q\\")
    good = result("CWE", "A\\T\\B^A^JSHR002")
    message(tmp_path, "OML-11", sample, good, *(result("CWE", f"金糸雀{x}") for x in odd))
    one = sent(tmp_path, kinds=kinds)
    even(one)
    assert [c for _, c in codes(one)] == ["hl7.malformed"] * 4
    assert [r["value_source_value"] for r in table(one, "measurement")] == ["A&B"]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("kind", "segment"),
    [
        ("ADT-00", IN1.format(symbol="\\", number="1", since="")),
        ("ADT-22", "PV1||I" + "|" * 42 + "\\"),
    ],
)
def test_an_odd_escape_where_whose_or_which_is_read_refuses_the_file(
    tmp_path: Path, kinds: Path, kind: str, segment: str
) -> None:
    message(tmp_path, "OMP-01", *prescription())
    message(tmp_path, kind, segment)
    one = sent(tmp_path, kinds=kinds)
    even(one)
    assert [c for _, c in codes(one)] == ["hl7.malformed"]


def test_links_are_told_and_not_followed(tmp_path: Path, kinds: Path) -> None:
    outside = message(tmp_path / "elsewhere", "OMP-01", *prescription())
    storage = tmp_path / "storage"
    inside = message(storage, "ADT-00", day="-")
    (inside.parent / outside.name).symlink_to(outside)
    (storage / "more").symlink_to(tmp_path / "elsewhere")
    one = sent(storage, kinds=kinds)
    assert [c for _, c in codes(one)] == ["file.link", "file.link"]
    assert set(one.read) == {"ADT-00"}


def test_a_name_of_another_form_is_refused_even_as_a_single_file(
    tmp_path: Path, kinds: Path
) -> None:
    good = message(tmp_path / "s", "ADT-00", day="-")
    bad = tmp_path / "message.txt"
    bad.write_bytes(good.read_bytes())
    one = sent(good, bad, kinds=kinds)
    assert codes(one) == [(1, "ssmix.name")]


def test_a_kind_that_is_not_known_is_kept_and_counted(tmp_path: Path, kinds: Path) -> None:
    message(tmp_path, "ADT-00", day="-")
    message(tmp_path, "OMG-99", "OBR|1", msh9="OMG^O19")
    message(tmp_path, "ZZZ-01", msh9="ZZZ^Z01")
    one = sent(tmp_path, kinds=kinds)
    even(one)
    assert one.set_aside == {("OMG-99", "unknown-type"): 1, ("other", "unknown-type"): 1}


def test_a_message_beyond_the_limit_is_told(tmp_path: Path, kinds: Path) -> None:
    message(tmp_path, "ADT-00", day="-")
    message(tmp_path, "OMP-01", *prescription(), "NTE|" + "a" * 5_000)
    one = sent(tmp_path, kinds=kinds, limits=Limits(file_bytes=2_000))
    assert codes(one) == [(0, "file.too-large")]


def test_names_and_words_of_a_message_never_leave(tmp_path: Path, kinds: Path) -> None:
    message(tmp_path, "ADT-00", insurance(), "AL1|1|DA|1^金糸雀^99XYZ|||20200101", day="-")
    message(tmp_path, "OMP-01", *prescription())
    one = sent(tmp_path, kinds=kinds)
    for body in (NORTH, SOUTH):
        text = str([t.to_pylist() for t in one.parts[body].tables.values()])
        assert "金糸雀" not in text
        assert "0000123" not in text
