"""With the holder's filter switched off the gate alone keeps opted-out persons out, and says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from runs import Rehearsals, Run, first_study, standing

from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

FRAMEWORK = "2-1"
APPLICATION = "kidney"


@pytest.fixture(scope="module")
def faulty(rehearsals: Rehearsals) -> Run:
    def scenario():  # type: ignore[no-untyped-def]
        return first_study().with_framework(FRAMEWORK)

    return rehearsals.get("fault-holder-filter", scenario, faults=("holder-filter-off",))


def test_the_fault_is_real_opted_out_persons_come_to_the_gate(faulty: Run) -> None:
    extract = faulty.scenario.start + timedelta(days=30)
    out = {
        faulty.pseudonym(APPLICATION, key)
        for key, scopes in standing(faulty.scenario, extract).items()
        if "all" in scopes
    }
    assert len(out) == 3
    for pseudonyms in faulty.received(APPLICATION).values():
        assert out & pseudonyms
    lost = faulty.report["lost"]["projects"][APPLICATION]
    assert set(lost["dropped_by_holders"].values()) == {0}


def test_the_gate_raises_an_incident_for_every_holder(faulty: Run) -> None:
    incidents = faulty.report["lost"]["projects"][APPLICATION]["incidents"]
    named = {f"{one['holder']}:{one['data_class']}" for one in incidents}
    assert named == set(faulty.report["projects"][APPLICATION]["parts"])
    assert all(one["rows"] > 0 and one["persons"] > 0 for one in incidents)
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
