"""From decisions to a permit, and what a permit lets happen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from review_world import APPLICATION, START
from sekisho.common.errors import Refusal, TamperError, UserError
from sekisho.common.ids import body_domain, project_domain, registry_domain
from sekisho.control.review import (
    LaneDecision,
    LedgerHead,
    Outcome,
    Part,
    Permit,
    allows,
    is_active,
    join,
    last_day,
    part_along,
    permit_payload,
    read_permit_rule,
)

STARTS = START + timedelta(days=30)


def decision(body: str, *classes: str, **changes: Any) -> LaneDecision:
    values: dict[str, Any] = {
        "body": body,
        "application": APPLICATION.id,
        "application_digest": APPLICATION.fingerprint(),
        "outcome": "grant",
        "classes": classes,
        "granted": classes,
        "linkage": True,
        "conditions": (),
        "reasons": (),
        "decided_on": START,
    }
    return LaneDecision(**{**values, **changes})


BASIC, ADDITIONAL = decision("national", "basic"), decision("alpha", "additional")
REFUSED = decision(
    "alpha", "additional", outcome="refuse", granted=(), linkage=False, reasons=("too wide",)
)


def joined(*decisions: LaneDecision) -> Outcome:
    return join("each_own", decisions, APPLICATION, lanes=[each.body for each in decisions])


def ways(environment: str = "national") -> list[Part]:
    return [
        part_along(["national"], "basic", lane="national", application="kidney", max_rows=2000),
        part_along(
            ["alpha", environment], "additional", lane="alpha", application="kidney", max_rows=500
        ),
    ]


def made(root: Path, outcome: Outcome, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "permit_id": "permit-kidney",
        "environment": "national",
        "parts": ways(),
        "opt_out": {"national": 7},
        "ledger_heads": [LedgerHead(body="national", size=12, root="cm9vdA==")],
        "starts": STARTS,
        "rule": read_permit_rule(root / "rules" / "review" / "permit.toml"),
    }
    return permit_payload(APPLICATION, outcome, **{**values, **changes})


def test_a_permit_comes_back_from_its_text(root: Path) -> None:
    payload = made(root, joined(BASIC, ADDITIONAL))
    permit = Permit.from_payload(json.loads(json.dumps(payload)))
    assert permit.payload() == payload
    assert permit.classes == ("additional", "basic")
    assert permit.granted_by == ("alpha", "national")
    assert permit.linkage
    assert permit.expires == date(2026, 11, 10)
    assert permit.tables == APPLICATION.asked
    assert permit.minimum_lists == {"national": 7}
    assert permit.max_persons == 2000


def test_a_permit_names_both_ends_of_every_conversion(root: Path) -> None:
    permit = Permit.from_payload(made(root, joined(BASIC, ADDITIONAL)))
    project = project_domain("kidney", "national")
    assert permit.part_conversions() == {
        (body_domain("national"), project): 2000,
        (body_domain("alpha"), project): 500,
    }
    assert permit.conversion_ends() == {
        (body_domain("national"), project),
        (body_domain("alpha"), project),
        (registry_domain("national"), project),
    }


def test_data_that_pass_a_third_body_are_converted_at_each_step() -> None:
    part = part_along(["a", "b", "c"], "basic", lane="a", application="kidney", max_rows=1)
    assert part.domains == ("body:a", "project:kidney:b", "project:kidney:c")


def test_data_that_were_not_granted_have_no_way(root: Path) -> None:
    outcome = joined(BASIC, REFUSED)
    assert outcome.kind == "partial"
    permit = Permit.from_payload(made(root, outcome))
    assert [part.holder for part in permit.parts] == ["national"]
    assert permit.classes == ("basic",)
    assert not permit.linkage
    assert permit.granted_by == ("national",)


def test_linkage_that_was_not_granted_gives_no_linked_permit(root: Path) -> None:
    unlinked = joined(BASIC, decision("alpha", "additional", linkage=False))
    assert (unlinked.kind, unlinked.linkage) == ("partial", False)
    with pytest.raises(Refusal) as caught:
        made(root, unlinked)
    assert caught.value.code == "permit.no-linkage"
    alone = Permit.from_payload(made(root, unlinked, parts=ways()[:1]))
    assert not alone.linkage


def test_nothing_granted_is_no_permit(root: Path) -> None:
    outcome = join("all_or_nothing", [BASIC, REFUSED], APPLICATION, lanes=["alpha", "national"])
    assert outcome.kind == "refused"
    with pytest.raises(Refusal) as caught:
        made(root, outcome)
    assert caught.value.code == "permit.nothing-granted"


def test_a_permit_does_not_outlast_its_rule(root: Path) -> None:
    rule = read_permit_rule(root / "rules" / "review" / "permit.toml")
    assert last_day(date(2026, 8, 31), rule) == date(2027, 2, 27)
    outcome = joined(BASIC, ADDITIONAL)
    latest = last_day(STARTS, rule)
    made(root, outcome, expires=latest)
    with pytest.raises(Refusal) as caught:
        made(root, outcome, expires=latest + timedelta(days=1))
    assert caught.value.code == "permit.too-long"
    with pytest.raises(UserError):
        made(root, outcome, expires=STARTS - timedelta(days=1))
    with pytest.raises(UserError):
        made(root, outcome, opt_out={})


def test_another_text_of_the_application_gives_no_permit(root: Path) -> None:
    outcome = joined(BASIC, ADDITIONAL)
    with pytest.raises(Refusal):
        made(root, msgspec.structs.replace(outcome, application_digest="0" * 64))


@pytest.mark.parametrize(
    "change",
    [
        {"linkage": False},
        {"team": []},
        {"team": ["a", "a"]},
        {"granted_by": []},
        {"classes": ["basic"]},
        {"environment": "alpha"},
        {"application": "liver"},
        {"expires": "2020-01-01"},
        {"version": 0},
        {"tables": [{"table": "person", "columns": ["name"]}]},
        {"opt_out": []},
        {"unknown": 1},
    ],
)
def test_a_permit_that_does_not_hold_together_cannot_exist(
    root: Path, change: Mapping[str, Any]
) -> None:
    payload = made(root, joined(BASIC, ADDITIONAL))
    with pytest.raises(UserError):
        Permit.from_payload({**payload, **change})


def test_pseudonyms_begin_at_their_holder() -> None:
    good = ways()[1]
    for change in (
        {"domains": ("body:beta", "project:kidney:national")},
        {"domains": ("body:alpha",)},
        {"domains": ("body:alpha", "body:alpha")},
        {"hops": ("national",)},
        {"hops": ()},
    ):
        with pytest.raises(ValueError):
            msgspec.structs.replace(good, **change)  # type: ignore[arg-type]


def test_what_a_permit_does_not_name_may_not_happen(root: Path) -> None:
    permit = Permit.from_payload(made(root, joined(BASIC, ADDITIONAL)))
    assert allows(permit, "alpha", "person", "year_of_birth", STARTS)
    assert allows(permit, "alpha", "measurement", "measurement_id", permit.expires)
    for holder, table, column, day in [
        ("beta", "person", "year_of_birth", STARTS),
        ("alpha", "death", "death_date", STARTS),
        ("alpha", "person", "name", STARTS),
        ("alpha", "person", "year_of_birth", STARTS - timedelta(days=1)),
        ("alpha", "person", "year_of_birth", permit.expires + timedelta(days=1)),
    ]:
        assert not allows(permit, holder, table, column, day)
    assert is_active(permit, STARTS)
    assert not is_active(permit, permit.expires + timedelta(days=1))


# --- joining ---------------------------------------------------------------------------------


def test_lanes_are_joined_when_all_have_decided() -> None:
    for lanes, decisions in [
        (["alpha", "national"], [BASIC]),
        (["national"], [BASIC, ADDITIONAL]),
        ([], []),
    ]:
        with pytest.raises(Refusal) as caught:
            join("each_own", decisions, APPLICATION, lanes=lanes)
        assert caught.value.code == "review.lanes-incomplete"
    with pytest.raises(TamperError):
        join("each_own", [BASIC, BASIC], APPLICATION, lanes=["national"])
    other = msgspec.structs.replace(APPLICATION, purpose="policy")
    with pytest.raises(Refusal):
        join("each_own", [BASIC], other, lanes=["national"])


def test_the_lead_decides_for_all_and_signs_alone() -> None:
    lead = decision("national", "additional", "basic")
    outcome = join(
        "lead", [lead, REFUSED], APPLICATION, lanes=["alpha", "national"], lead="national"
    )
    assert outcome.granted_for("alpha", "additional")
    assert outcome.signers == ("national",)
    assert not outcome.linkage
    assert [(reason.body, reason.text) for reason in outcome.reasons] == [("alpha", "too wide")]
    with pytest.raises(Refusal):
        join("lead", [lead, REFUSED], APPLICATION, lanes=["alpha", "national"])


def test_only_what_was_decided_can_be_recognised() -> None:
    first = decision("beta", "additional")
    taken = decision("alpha", "additional", recognises="beta")
    lanes = ["alpha", "beta"]
    assert join("recognise_first", [first, taken], APPLICATION, lanes=lanes).kind == "granted"
    for wrong in (
        msgspec.structs.replace(taken, recognises="gamma"),
        msgspec.structs.replace(taken, decided_on=START - timedelta(days=1)),
        msgspec.structs.replace(taken, classes=("basic",), granted=("basic",)),
    ):
        with pytest.raises(TamperError):
            join("recognise_first", [first, wrong], APPLICATION, lanes=lanes)


@pytest.mark.parametrize(
    "change",
    [
        {"granted": ("hard",)},
        {"granted": ()},
        {"outcome": "refuse"},
        {"outcome": "refuse", "granted": (), "linkage": False},
        {"outcome": "refuse", "granted": ()},
        {"recognises": "national"},
    ],
)
def test_a_decision_that_contradicts_itself_cannot_exist(change: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        LaneDecision.from_payload({**BASIC.payload(), **change})
