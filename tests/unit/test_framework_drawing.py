"""The drawing: every arrow has its two boxes, no label covers another, the addition is marked."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from sekisho.framework import Framework, all_frameworks, draw, flows
from sekisho.framework.layout import Layout, Level, arrange

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn(root: Path) -> list[Framework]:
    """The shipped frameworks, and each with shared doors and a joint registry."""
    found = []
    for fw in all_frameworks(root):
        found.append(fw)
        raw = msgspec.to_builtins(fw)
        raw["doors"] = {"submission": "shared", "application": "shared"}
        raw["opt_out"]["sync"] = "joint_registry"
        found.append(msgspec.convert(raw, Framework))
    return found


def layouts(drawn: list[Framework]) -> list[tuple[Framework, Layout]]:
    return [
        (fw, arrange(fw, 100, lead, compact=compact))
        for fw in drawn
        for lead in ("ja", "en")
        for compact in (False, True)
    ]


def test_a_drawing_is_xml_in_two_languages_and_says_that_it_is_a_reconstruction(
    drawn: list[Framework],
) -> None:
    for fw in drawn:
        for lang in ("ja", "en"):
            text = draw(fw, lang)
            words = "\n".join(
                "".join(one.itertext()) for one in ET.fromstring(text).iter(SVG + "text")
            )
            assert "再構成 / reconstruction" in words
            for body in fw.body:
                assert body.title.ja in words
                assert body.title.en in words
            assert "提供者" in words
            assert "Users" in words
            for flow in flows(fw):
                if flow.carries != "lists":
                    assert flow.label.ja in words
                    assert flow.label.en in words
            assert text == draw(fw, lang)


def test_bodies_that_sekisho_adds_are_dashed_and_no_other_body_is(drawn: list[Framework]) -> None:
    for fw in drawn:
        boxes = list(ET.fromstring(draw(fw)).iter(SVG + "rect"))
        dashed = [one for one in boxes if one.get("stroke-dasharray")]
        assert len(dashed) == 1 + sum(1 for body in fw.body if body.kind == "auxiliary")


def test_every_level_arrow_ends_at_the_row_of_its_function(drawn: list[Framework]) -> None:
    for _, at in layouts(drawn):
        rows = {(b.bodies[0], row.function): row.box for b in at.bodies for row in b.rows}
        for level in at.levels:
            party = level.flow.source.who in ("providers", "persons", "users")
            end = level.flow.target if party else level.flow.source
            assert end.function is not None
            box = rows[end.who, end.function]
            assert box.y < level.y < box.bottom
            side = at.users if "users" in (level.flow.source.who, level.flow.target.who) else None
            if side or level.flow.source.who == "providers":
                other = side or at.providers
                assert other.y < level.y < other.bottom


def test_every_rail_joins_rows_of_bodies_and_stands_beside_them(drawn: list[Framework]) -> None:
    for _, at in layouts(drawn):
        rows = [row.box for body in at.bodies for row in body.rows]
        assert len({rail.x for rail in at.rails}) == len(at.rails)
        for rail in at.rails:
            ends = len(rail.stubs) + (rail.below is not None)
            assert ends >= 2
            assert any(stub.arrives for stub in rail.stubs) or rail.below
            assert all(any(b.y < stub.y < b.bottom for b in rows) for stub in rail.stubs)
            body = at.bodies[0].box
            if rail.left:
                assert at.zone[1] < rail.x < body.x
            else:
                assert body.right < rail.x < at.users.x
            if rail.below is not None:
                assert at.auxiliary.x < rail.x < at.auxiliary.right


def test_no_label_covers_another_label_or_a_body(drawn: list[Framework]) -> None:
    for fw, at in layouts(drawn):
        left = [one.y for one in at.levels if "users" not in parties(one)]
        left += [rail.label_y + 1 for rail in at.rails if rail.left]
        right = [one.y for one in at.levels if "users" in parties(one)]
        right += [rail.label_y + 1 for rail in at.rails if not rail.left]
        for heights in (left, right):
            for one, other in combinations(sorted(heights), 2):
                # A label reaches 20 up and 18 down from its line.
                assert other - one >= 38, (fw.id, one, other)


def test_boxes_stand_apart_and_inside_the_canvas(drawn: list[Framework]) -> None:
    for _, at in layouts(drawn):
        boxes = [b.box for b in at.bodies] + [at.persons, at.providers, at.users, at.auxiliary]
        for one, other in combinations(boxes, 2):
            apart = (
                one.right <= other.x
                or other.right <= one.x
                or one.bottom <= other.y
                or other.bottom <= one.y
            )
            assert apart
        for box in boxes:
            assert box.x >= 0
            assert box.right <= at.width
            assert box.bottom <= at.height


def test_compact_drawings_join_only_bodies_that_perform_the_same(drawn: list[Framework]) -> None:
    for fw, at in layouts(drawn):
        assert [b for box in at.bodies for b in box.bodies] == list(fw.function_bodies)
        for box in at.bodies:
            does = {
                tuple((a.function, a.data) for a in fw.assignment if body in a.named)
                for body in box.bodies
            }
            assert len(does) == 1


def parties(level: Level) -> tuple[str, str]:
    return level.flow.source.who, level.flow.target.who
