"""Lists: numbered, chained, whole, fresh."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from sekisho.common.errors import Refusal, TamperError, UserError
from sekisho.control.optout import (
    ALL,
    GENESIS,
    Acknowledgement,
    Choice,
    ListHeader,
    ListRow,
    OptOutList,
    Proxy,
    Scope,
    acknowledge,
    check_chain,
    check_fresh_enough,
    check_received,
    effective,
    fresh_enough,
    gaps,
    is_repeat,
    make_list,
    read_rule,
    schema,
    transfer_rows,
)

DAY = date(2026, 4, 4)


def choice(scope: str, ref: str = "r1", **more: object) -> Choice:
    values = {"effective_from": DAY, "recorded_on": DAY, **more}
    return Choice(ref, Scope.parse(scope), **values)  # type: ignore[arg-type]


def made(number: int = 1, previous: str = GENESIS, on: date = DAY) -> OptOutList:
    choices = {
        "aa01": [choice("all")],
        "bb02": [choice("data:additional"), choice("purpose:commercial", "r2")],
        "cc03": [choice("all"), choice("all", "r2", revoke=True, serial=1)],
    }
    return make_list(choices, number, previous, on, registry="national")


def test_who_reversed_is_not_on_the_list() -> None:
    full = made()
    assert [entry.pseudonym for entry in full.entries] == ["aa01", "bb02"]
    assert full.header.count == 2
    assert full.header.scopes == {"all": 1, "data:additional": 1, "purpose:commercial": 1}


def test_an_opt_out_wins_over_a_reversal_of_the_same_moment() -> None:
    assert effective([choice("all"), choice("all", "r9", revoke=True)], DAY) == {ALL}


def test_a_choice_travels_unchanged() -> None:
    sent = choice("operator:alpha", proxy=Proxy("agent", True), serial=4)
    assert Choice.from_payload(json.loads(json.dumps(sent.payload()))) == sent
    with pytest.raises(UserError):
        Choice.from_payload({**sent.payload(), "name": "x"})


@pytest.mark.parametrize("text", ["", "all:x", "data", "data:", "data:A b", "everything", "x:y"])
def test_what_is_not_a_scope_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="not a scope"):
        Scope.parse(text)


def test_lists_are_taken_in_order_and_only_once() -> None:
    first = made().header
    second = made(2, first.digest, DAY + timedelta(days=1)).header
    third = made(3, second.digest, DAY + timedelta(days=2)).header
    check_chain(None, first)
    check_chain(first, second)
    check_chain(second, third)
    assert is_repeat(second, second)
    for previous, new in [(None, second), (first, third), (second, second), (second, first)]:
        with pytest.raises(TamperError):
            check_chain(previous, new)
    other = make_list({}, 2, first.digest, DAY, registry="other").header
    with pytest.raises(TamperError, match="another registry"):
        check_chain(first, other)
    forked = make_list({}, 2, "1" * 64, DAY, registry="national").header
    with pytest.raises(TamperError, match="not made from"):
        check_chain(first, forked)
    earlier = make_list({}, 2, first.digest, DAY - timedelta(days=1), registry="national").header
    with pytest.raises(TamperError, match="older"):
        check_chain(first, earlier)


def test_a_changed_header_does_not_have_its_digest() -> None:
    payload = made().header.payload()
    assert ListHeader.from_payload(payload) == made().header
    changes = {
        "registry": "x",
        "on": "2026-04-05",
        "count": 1,
        "scopes": {"all": 2},
        "commitment": "1" * 64,
        "digest": "2" * 64,
    }
    for key, value in changes.items():
        with pytest.raises(TamperError):
            ListHeader.from_payload({**payload, key: value})


def test_entries_are_bound_to_their_header() -> None:
    full = made()
    with pytest.raises(TamperError):
        OptOutList(full.header, full.entries[:1])


def test_rows_lost_doubled_or_changed_are_found_by_the_receiver() -> None:
    full = made()
    rows = transfer_rows(full, {"aa01": "t2", "bb02": "t1"})
    assert [row.tag for row in rows] == ["t1", "t2"]
    check_received(full.header, rows)
    for wrong in (
        rows[:1],
        (*rows, rows[0]),
        (rows[0], ListRow("t2", ("data:basic",))),
        (rows[0], ListRow("t2", ())),
        (rows[0], ListRow("t1", ("all",))),
    ):
        with pytest.raises(TamperError) as caught:
            check_received(full.header, wrong)
        assert "t1" not in str(caught.value)
    with pytest.raises(UserError):
        transfer_rows(full, {"aa01": "t1"})
    with pytest.raises(UserError):
        transfer_rows(full, {"aa01": "t1", "bb02": "t1"})


def test_the_registry_sees_who_did_not_take_a_list() -> None:
    full = made()
    received = {"0f": [ALL], "1e": [Scope.parse("data:additional"), Scope.parse("purpose:x")]}
    good = acknowledge(full.header, received, "alpha", DAY)
    assert Acknowledgement.from_payload(json.loads(json.dumps(good.payload()))) == good
    short = acknowledge(full.header, {"0f": [ALL]}, "beta", DAY)
    other = acknowledge(make_list({}, 1, GENESIS, DAY, registry="national").header, {}, "d", DAY)
    found = gaps(full.header, [good, short, other], ["alpha", "beta", "gamma", "d"])
    assert [(gap.receiver, gap.what) for gap in found] == [
        ("beta", "other count"),
        ("d", "other list"),
        ("gamma", "no answer"),
    ]


def test_a_stale_list_makes_no_extract(root: Path) -> None:
    rule = read_rule(root / "rules" / "opt-out.toml")
    header = made().header
    assert fresh_enough(header, 1, DAY, rule)
    assert fresh_enough(header, 1, DAY + timedelta(days=rule.max_list_age_days), rule)
    too_late = DAY + timedelta(days=rule.max_list_age_days + 1)
    for minimum, day, code in [
        (1, too_late, "opt-out.stale"),
        (1, DAY - timedelta(days=1), "opt-out.future"),
        (2, DAY, "opt-out.below-minimum"),
    ]:
        assert not fresh_enough(header, minimum, day, rule)
        with pytest.raises(Refusal) as caught:
            check_fresh_enough(header, minimum, day, rule)
        assert caught.value.code == code
        assert caught.value.next_step


def test_the_rule_names_a_source_for_its_number(tmp_path: Path) -> None:
    file = tmp_path / "rule.toml"
    file.write_text(
        'id = "x"\nversion = "1"\nmax_list_age_days = 1\nanswer_hours = 1\n[source]\n', "utf-8"
    )
    with pytest.raises(UserError, match="no source"):
        read_rule(file)
    assert schema()["$defs"]["OptOutRule"]["additionalProperties"] is False
