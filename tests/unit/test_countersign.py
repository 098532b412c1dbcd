"""The third look at an extract finds whoever is in it against a choice of any scope."""

from __future__ import annotations

from pathlib import Path

import pytest

import exit_world as world
import extract_world as extracts
from exit_world import HEIR, LEAVER
from memory_town import MemoryTown
from sekisho.body.context import Body
from sekisho.body.flows import countersign, uses
from sekisho.body.ports import Json
from sekisho.common.ids import BodyId

HOLDERS = (BodyId(HEIR), BodyId(LEAVER))
CHOSE, OTHER = 1, 2
BOTH_OFF = ("holder-filter-off", "gate-filter-off")


def town_with_choice(folder: Path, scope: str) -> MemoryTown:
    """Return a town in which two persons have records at two holders, and one of them chose."""
    town = world.town("4-several", folder)
    for holder in HOLDERS:
        records = {person: [f"{holder}{person}"] for person in (CHOSE, OTHER)}
        world.submit(town, holder, f"to-{holder}", records)
    town.begin()
    town.choose(LEAVER, CHOSE, scope)
    town.begin()
    return town


def extracted(town: MemoryTown) -> Json:
    """Make an extract of both holders; return what the oversight body found."""
    extracts.send_out(town, extracts.permit(town, "study", HOLDERS, "additional"))
    return countersign.figures(oversight(town))["study"]


def oversight(town: MemoryTown) -> Body:
    return town.body(town.framework.with_role("oversight")[0])


@pytest.mark.parametrize("scope", ["all", "data:additional", "operator:beta", "purpose:research"])
def test_a_choice_of_any_scope_that_both_filters_miss_is_found_and_shuts_the_project(
    tmp_path: Path, scope: str
) -> None:
    town = town_with_choice(tmp_path, scope)
    town.plant(*BOTH_OFF)
    found = extracted(town)
    assert (found["holds"], found["out"]) == (False, 1)
    assert extracts.project(town, "study")["state"] == "stopped"
    (alarm,) = [one for one in town.alarms() if one["body"] == oversight(town).id]
    assert alarm["code"] == "extract.opted-out-included"


def test_who_is_in_an_extract_without_the_part_that_a_choice_keeps_out_is_no_finding(
    tmp_path: Path,
) -> None:
    town = town_with_choice(tmp_path, "operator:beta")
    found = extracted(town)
    assert found == {"holds": True, "out": 0, "partly": 1, "elsewhere": 0}
    assert extracts.project(town, "study")["countersigned"]
    assert extracts.table(town, "study", "person").num_rows == 2


def test_a_choice_of_a_scope_that_touches_nothing_of_the_extract_changes_nothing(
    tmp_path: Path,
) -> None:
    found = extracted(town_with_choice(tmp_path, "data:hard"))
    assert found == {"holds": True, "out": 0, "partly": 0, "elsewhere": 0}


def test_of_which_parts_a_person_is_in_an_extract_is_forgotten_after_the_comparison(
    tmp_path: Path,
) -> None:
    town = town_with_choice(tmp_path, "operator:beta")
    extracted(town)
    body = oversight(town)
    kept = dict(body.store.find(uses.PARTS))
    assert kept
    assert all(one == {"parts": [], "persons": {}} for one in kept.values())
    assert any(one["persons"] for _, one in body.store.find(uses.INDEX))  # whom, but not of what
