"""With the holder's filter switched off the gate alone keeps opted-out persons out, and says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from runs import Rehearsals, Run, first_study

from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

FRAMEWORK = "2-1"
APPLICATION = "kidney"


@pytest.fixture(scope="module")
def faulty(rehearsals: Rehearsals) -> Run:
    def scenario():  # type: ignore[no-untyped-def]
        return first_study().with_framework(FRAMEWORK)

    return rehearsals.get("fault-holder-filter", scenario, faults=("holder-filter-off",))


def test_the_fault_is_real_holders_drop_nobody(faulty: Run, study: Callable[[str], Run]) -> None:
    lost, sound = (
        run.report["lost"]["projects"][APPLICATION]["dropped_by_holders"]
        for run in (faulty, study(FRAMEWORK))
    )
    assert set(lost) == set(sound)
    assert set(lost.values()) == {0}
    assert all(number > 0 for number in sound.values())


def test_the_gate_raises_an_incident_for_every_holder(
    faulty: Run, study: Callable[[str], Run]
) -> None:
    incidents = faulty.report["lost"]["projects"][APPLICATION]["incidents"]
    named = {f"{one['holder']}:{one['data_class']}" for one in incidents}
    assert named == set(faulty.report["projects"][APPLICATION]["parts"])
    assert all(one["rows"] > 0 for one in incidents)
    sound = study(FRAMEWORK).report["lost"]["projects"][APPLICATION]["dropped_by_holders"]
    persons = {f"{one['holder']}:{one['data_class']}": one["persons"] for one in incidents}
    assert persons == sound  # the gate finds exactly whom the holders would have dropped
    assert faulty.entries("gate.incident") == len(incidents)
    assert faulty.report["lost"]["projects"][APPLICATION]["opted_out_at_gate"] == 3


def test_nothing_that_was_seen_or_left_differs(faulty: Run, study: Callable[[str], Run]) -> None:
    sound = study(FRAMEWORK)
    assert faulty.released(APPLICATION) == sound.released(APPLICATION)
    digests = [run.report["projects"][APPLICATION]["digests"] for run in (faulty, sound)]
    assert digests[0] == digests[1]
    assert sound.entries("gate.incident") == 0


def test_a_run_with_incidents_still_verifies(faulty: Run) -> None:
    assert faulty.report["failed"] == []
    assert verify(faulty.folder).problems == ()
