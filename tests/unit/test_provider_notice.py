"""The period after a notice runs for each person, and who said no stays at home."""

from __future__ import annotations

import stat
from datetime import date, timedelta
from pathlib import Path

import pytest

from sekisho.common.errors import UserError
from sekisho.framework import kinds_of, load
from sekisho.provider import Profile, Withheld
from sekisho.provider.handover import Ready
from sekisho.provider.notice import Everyone, Notice, NoticeBook, Notices, read_notices
from sekisho.provider.sending import Submitter
from sekisho.pseudonym.identifiers import parse_spec
from submissions import KEY, SSN, condition, even, laboratory, ndjson, patient

ROOT = Path(__file__).resolve().parents[2]
TOLD = date(2026, 3, 2)
BEGINS = TOLD + timedelta(days=30)


def person(number: int) -> object:
    return parse_spec({"system": SSN, "value": f"999-00-{number:04d}"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three patients, each with a basic record and two additional ones."""
    rows = [patient(n) for n in (1, 2, 3)]
    rows += [condition(n, n) for n in (1, 2, 3)]
    rows += [laboratory(n, 1 + n % 3) for n in range(6)]
    return ndjson(tmp_path / "all.ndjson", *rows)


def ready(file: Path, notices: Notices, today: date, framework: str = "2-1") -> Ready:
    path = ROOT / "frameworks" / f"{framework}.toml"
    fw = load(path, ROOT)
    made = Submitter(fw, kinds_of(fw, path, ROOT), "alpha", KEY, Profile(), notices)
    return made.ready([file], "fhir-ndjson", today)


def book(tmp_path: Path, *entries: tuple[int, Notice]) -> NoticeBook:
    made = NoticeBook(tmp_path / "notice.db", KEY)
    made.record((person(n), notice) for n, notice in entries)  # type: ignore[misc]
    return made


def test_a_certified_operator_gets_the_persons_whose_period_is_over_and_no_other(
    file: Path, tmp_path: Path
) -> None:
    notices = book(
        tmp_path,
        (1, Notice(TOLD)),
        (2, Notice(TOLD + timedelta(days=1))),
        (3, Notice(TOLD, objected_on=TOLD)),
    )
    one = ready(file, notices, BEGINS)
    even(one.prepared)
    parts = {str(body): part for body, part in one.prepared.parts.items()}
    # By law the public body collects of everyone.
    assert len(parts["national"].identities) == 3
    assert [key for _, key in parts["alpha"].identities] == [person(1)]
    own = {tag for tag, _ in parts["alpha"].identities}
    for rows in parts["alpha"].tables.values():
        assert set(rows["tag"].to_pylist()) == own
    lines = {(x.record_type, x.data_class): x for x in one.prepared.balance}
    laboratory_line = lines["Observation", "additional"]
    assert (laboratory_line.sent, laboratory_line.withheld) == (2, 4)
    assert laboratory_line.cause == "notice-period+objection"
    assert lines["Condition", "basic"].withheld == 0
    assert one.held.persons == {"notice-period": 1, "objection": 1}
    assert one.held.next_on == BEGINS + timedelta(days=1)
    assert {str(b): day for b, day in one.held.given_on.items()} == {"alpha": TOLD}


def test_who_was_never_told_waits_without_a_day(file: Path, tmp_path: Path) -> None:
    one = ready(file, book(tmp_path), BEGINS)
    assert one.held.persons == {"no-notice": 3}
    assert one.held.next_on is None
    assert [route.door for route in one.routes] == ["national"]


def test_a_day_later_the_same_files_are_another_submission(file: Path, tmp_path: Path) -> None:
    notices = book(tmp_path, *((n, Notice(TOLD + timedelta(days=n))) for n in (1, 2, 3)))
    marks = [ready(file, notices, BEGINS + timedelta(days=n)).held.mark for n in range(5)]
    assert marks[3:] == ["", ""]
    assert len(set(marks)) == 4


def test_a_provider_that_told_everyone_on_one_day_holds_everyone_until_it_may_send(
    file: Path,
) -> None:
    before = ready(file, Everyone(TOLD), BEGINS - timedelta(days=1))
    assert before.held.persons == {"notice-period": 3}
    assert ready(file, Everyone(TOLD), BEGINS).held.persons == {}


def test_public_bodies_alone_need_no_notice(file: Path, tmp_path: Path) -> None:
    assert ready(file, book(tmp_path), TOLD, "1").held.persons == {}


def test_the_first_notice_counts_and_an_objection_can_be_withdrawn(tmp_path: Path) -> None:
    kept = book(tmp_path, (1, Notice(TOLD)))
    assert kept.record([(person(1), Notice(TOLD + timedelta(days=9)))]) == 0  # type: ignore[list-item]
    assert kept.record([(person(1), Notice(objected_on=TOLD))]) == 1  # type: ignore[list-item]
    assert kept.of([person(1)]) == [Notice(TOLD, TOLD)]  # type: ignore[list-item]
    assert (kept.days(), kept.objections()) == ([], 1)
    assert kept.withdraw([person(1)]) == 1  # type: ignore[list-item]
    assert kept.days() == [(TOLD, 1)]


def test_the_book_names_nobody_and_opens_to_its_owner_only(tmp_path: Path) -> None:
    kept = book(tmp_path, (1, Notice(TOLD)))
    data = kept.path.read_bytes()
    assert b"999-00-0001" not in data
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600


def test_a_list_of_notices_is_read_by_the_institutions_own_numbers_too(tmp_path: Path) -> None:
    mapped = parse_spec({"insured": "06132013:12:345:01"})
    profile = Profile(mapping={"A1": mapped})
    file = tmp_path / "told.csv"
    file.write_text(
        "local,insured,told_on,objected_on\n"
        "A1,,2026-03-02,\n"
        ",06132013:12:345:02,2026-03-03,2026-03-04\n"
    )
    assert list(read_notices(file, profile)) == [
        (mapped, Notice(date(2026, 3, 2))),
        (
            parse_spec({"insured": "06132013:12:345:02"}),
            Notice(date(2026, 3, 3), date(2026, 3, 4)),
        ),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "name,told_on\nCanaryname,2026-03-02\n",
        "insured,told_on\nCanaryname,2026-03-02\n",
        "insured,told_on\n06132013:12:345:01,Canaryday\n",
        "insured,told_on\n06132013:12:345:01,\n",
    ],
)
def test_a_list_with_a_fault_is_refused_with_its_line_and_without_what_stands_there(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "told.csv"
    file.write_text(text)
    with pytest.raises(UserError) as refused:
        list(read_notices(file, Profile()))
    assert refused.value.code == "provider.notices"
    assert "Canary" not in str(refused.value)


def test_who_gets_a_class_follows_the_contract(file: Path) -> None:
    fw_path = ROOT / "frameworks" / "2-1.toml"
    fw = load(fw_path, ROOT)
    made = Submitter(fw, kinds_of(fw, fw_path, ROOT), None, KEY, Profile(), Everyone(TOLD))
    assert made.recipients()["additional"] == Withheld("no-operator-contract")
