"""Promises of routing that hold for any framework, not only for those that ship."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.common.ids import BodyId
from sekisho.framework import (
    CLASSES,
    FUNCTIONS,
    Framework,
    desks,
    difference,
    draw,
    environment,
    environments,
    extract_route,
    forwards,
    functions_of,
    holders,
    lanes,
    list_recipients,
    recipients,
    registries,
    registries_for,
    registry_of,
    rooms,
    submission_routes,
    windows,
)
from sekisho.framework.layout import arrange

TEXT = {"ja": "名", "en": "name"}
NAMES = ["p", "q", "r", "s"]
ROLES = ["history", "converter", "oversight"]


@st.composite
def frameworks(draw: st.DrawFn) -> Framework:
    """Any allocation of five functions and three classes to one to four bodies."""
    names = NAMES[: draw(st.integers(1, 4))]
    some = st.lists(st.sampled_from(names), min_size=1, unique=True)
    assignment = [
        {
            "function": function,
            "data": [data_class],
            "bodies": draw(some),
            "basis": "inferred",
            "source": "drawn",
        }
        for function in FUNCTIONS
        for data_class in CLASSES
    ]
    analysing = sorted(
        {b for one in assignment if one["function"] == "analysis" for b in one["bodies"]}
    )
    remedy = {"body": "user input", "procedure": TEXT, "source": "user input"}
    door = st.sampled_from(["per_body", "shared"])
    raw: dict[str, Any] = {
        "id": "drawn",
        "title": TEXT,
        "document": {"name": TEXT, "heading": "drawn"},
        "body": [{"id": name, "kind": "public", "title": TEXT} for name in names]
        + [{"id": r, "kind": "auxiliary", "title": TEXT, "roles": [r]} for r in ROLES],
        "assignment": assignment,
        "doors": {"submission": draw(door), "application": draw(door)},
        "review": {"join": "each_own"},
        "opt_out": {
            "effect": "stop_provision",
            "sync": draw(st.sampled_from(["none", "lead", "replicated", "joint_registry"])),
        },
        "collection": {"notice_days": 30},
        "holding": {"public_db": "own", "handover": "per_permit"},
        "linkage": {"exchange": names, "at": draw(st.sampled_from(analysing)), "cohort": "at_gate"},
        "remedy": dict.fromkeys(
            ("application", "revocation", "fee", "release", "opt_out", "submission"), remedy
        ),
        "open": {
            "kinds": "k",
            "basis": "duty",
            "by_function": "f",
            "mode": "push",
            "identifier": "history",
            "nonstandard": "convert",
            "platform": {"catalogue": "shared", "visiting": "shared", "covers_private": True},
            "cost": {"build": "state", "run": "state"},
            "hard": {},
            "sources": {},
        },
    }
    return msgspec.convert(raw, Framework)


classes = st.lists(st.sampled_from(CLASSES), unique=True)
operators = st.none() | st.sampled_from([*NAMES, "nobody"])


@given(frameworks(), classes, operators)
def test_a_class_is_sent_to_its_recipient_exactly_once_or_withheld_with_a_cause(
    fw: Framework, asked: list[Any], operator: str | None
) -> None:
    routes = submission_routes(fw, asked, operator)
    sent = [(c, body) for route in routes for body, taken in route.parts for c in taken]
    assert len(sent) == len({c for c, _ in sent})
    for data_class in asked:
        one = recipients(fw, data_class, operator)
        assert (one.body is None) == bool(one.cause)
        assert [body for c, body in sent if c == data_class] == ([one.body] if one.body else [])
        if one.body:
            assert one.body in fw.assigned("collection", data_class)
    if fw.doors.submission == "shared":
        assert len(routes) <= 1
        assert all(route.door in dict(route.parts) for route in routes)
    else:
        assert all([route.door] == [body for body, _ in route.parts] for route in routes)


@given(frameworks(), classes, operators)
def test_the_order_of_the_question_does_not_matter(
    fw: Framework, asked: list[Any], operator: str | None
) -> None:
    turned = asked[::-1]
    assert submission_routes(fw, asked, operator) == submission_routes(fw, turned, operator)
    assert lanes(fw, asked) == lanes(fw, turned)
    assert windows(fw, asked) == windows(fw, turned)


@given(frameworks(), classes)
def test_lanes_are_exactly_the_bodies_that_decide_and_windows_open_every_lane_once(
    fw: Framework, asked: list[Any]
) -> None:
    opened = lanes(fw, asked)
    expected = {(b, c) for c in asked for b in fw.assigned("review", c)}
    assert {(lane.body, c) for lane in opened for c in lane.classes} == expected
    assert tuple(lane for window in windows(fw, asked) for lane in window.lanes) == opened
    if fw.doors.application == "shared":
        assert len(windows(fw, asked)) == min(1, len(opened))


@given(frameworks())
def test_a_body_has_the_rooms_of_its_functions_and_no_other(fw: Framework) -> None:
    for body in fw.function_bodies:
        extra = rooms(fw, body) - functions_of(fw, body)
        assert not extra
        given_ = {f for f in FUNCTIONS for c in CLASSES if body in fw.assigned(f, c)}
        assert functions_of(fw, body) == given_
    for role in ROLES:
        own = rooms(fw, BodyId(role)) & set(FUNCTIONS)
        assert own <= {"opt_out"}
        if own:
            assert BodyId(role) in registries(fw)


@given(frameworks())
def test_every_desk_has_a_registry_and_lists_go_where_registries_say(fw: Framework) -> None:
    assert {registry_of(fw, desk) for desk in desks(fw)} == set(registries(fw))
    held = {h for c in CLASSES for h in holders(fw, c)}
    for registry in registries(fw):
        for holder in list_recipients(fw, registry):
            assert holder in held
            assert registry in registries_for(fw, holder)
        assert set(forwards(fw, registry)) <= set(registries(fw)) - {registry}
    if fw.opt_out.sync != "none":
        assert all(registries_for(fw, holder) for holder in held)


@given(frameworks())
def test_with_synchronisation_a_choice_at_any_desk_reaches_every_holder(fw: Framework) -> None:
    held = {h for c in CLASSES for h in holders(fw, c)}
    for desk in desks(fw):
        first = registry_of(fw, desk)
        knowing = {first, *forwards(fw, first)}
        reached = {h for r in knowing for h in list_recipients(fw, r)}
        if fw.opt_out.sync != "none" or len(desks(fw)) == 1:
            assert reached == held


@given(frameworks())
def test_an_extract_goes_from_holder_through_who_processes_to_the_environment(
    fw: Framework,
) -> None:
    for data_class in CLASSES:
        for holder in holders(fw, data_class):
            for place in {environment(fw, CLASSES), *environments(fw)}:
                route = extract_route(fw, holder, data_class, place)
                assert (route.hops[0], route.hops[-1]) == (holder, place)
                assert route.processor in route.hops
                assert route.processor in fw.assigned("processing", data_class)
                assert all(a != b for a, b in pairwise(route.hops))


@given(frameworks(), st.lists(st.sampled_from(CLASSES), unique=True, min_size=1))
def test_the_environment_can_analyse_what_is_joined_there(fw: Framework, asked: list[Any]) -> None:
    place = environment(fw, asked)
    able = {body for c in asked for body in fw.assigned("analysis", c)}
    assert place in able or (len(able) > 1 and place in environments(fw))


@given(frameworks(), frameworks())
def test_a_framework_differs_from_itself_in_nothing_and_turned_round_builds_what_was_retired(
    one: Framework, other: Framework
) -> None:
    same = difference(one, one)
    assert {cell["change"] for cell in same["cells"]} == {"keep"}
    assert (same["rules"], same["bodies_to_build"], same["functions_moved"]) == ([], 0, 0)
    there, back = difference(one, other), difference(other, one)
    assert there["functions_moved"] == back["functions_moved"]


@settings(max_examples=30)
@given(frameworks(), st.sampled_from(["ja", "en"]), st.booleans())
def test_any_framework_can_be_drawn_without_one_label_on_another(
    fw: Framework, lang: Any, compact: bool
) -> None:
    ET.fromstring(draw(fw, lang, compact=compact))
    at = arrange(fw, 100, lang, compact=compact)
    for right in (False, True):
        heights = [
            one.y
            for one in at.levels
            if ("users" in (one.flow.source.who, one.flow.target.who)) == right
        ]
        heights += [rail.label_y + 1 for rail in at.rails if rail.left != right]
        assert all(below - above >= 38 for above, below in pairwise(sorted(heights)))
