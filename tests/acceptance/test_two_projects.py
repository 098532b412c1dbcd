"""Two projects about the same persons: nothing in one leads to the other."""

from __future__ import annotations

import cohort
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from runs import Rehearsals, Run, first_study

from sekisho.rehearsal.scenario import Scenario
from sekisho.synthetic import person_of

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("losses")]

FIRST, SECOND = "kidney", "market"


def scenario() -> Scenario:
    """Return the first study with a second application, of another user, for commercial use."""
    made = first_study().with_framework("2-1")
    (asked,) = made.application
    other = replace(asked, id=SECOND, applicant="Example Company", purpose="commercial")
    return replace(made, application=(asked, other), job=())


@pytest.fixture(scope="module")
def run(rehearsals: Rehearsals) -> Run:
    return rehearsals.get("two-projects", scenario)


def test_both_are_permitted_and_made(run: Run) -> None:
    assert run.report["failed"] == []
    assert {name: one["state"] for name, one in run.report["projects"].items()} == {
        FIRST: "ready",
        SECOND: "ready",
    }


def test_no_pseudonym_of_one_project_is_in_the_other(run: Run) -> None:
    keys = list(cohort.people(run))
    one, other = ({run.pseudonym(name, key) for key in keys} for name in (FIRST, SECOND))
    assert len(one) == len(other) == len(keys)
    assert not one & other


def test_both_projects_have_the_persons_that_these_pseudonyms_name(run: Run) -> None:
    for name, purpose in ((FIRST, "research"), (SECOND, "commercial")):
        included = cohort.members(run) - cohort.out(run, "basic", purpose)
        assert cohort.facts(run, name) == cohort.expected_facts(run, name, included)


def test_person_id_follows_each_projects_own_order(run: Run) -> None:
    """person_id is the rank of the pseudonym: two projects order the same persons unlike."""
    people = [person_of(run.scenario.seed, number) for number in range(200)]
    keys = [person.key() for person in people if person.episodes]
    ranks = [_ranks([run.pseudonym(name, key) for key in keys]) for name in (FIRST, SECOND)]
    same = sum(a == b for a, b in zip(*ranks, strict=True))
    assert same < 8  # one is to be expected by chance
    assert abs(_correlation(*ranks)) < 0.25


def test_person_ids_do_not_join_the_two(run: Run) -> None:
    one, other = (cohort.facts(run, name) for name in (FIRST, SECOND))
    assert sorted(one.values()) != []
    shared = sum(one[number] == other.get(number) for number in one)
    assert shared < len(one) / 5


def test_holders_have_no_pseudonym_in_common(run: Run) -> None:
    """What bodies hold cannot be joined either: each has pseudonyms of its own, wrapped."""
    wrapped: list[set[str]] = []
    for name in ("national", "alpha", "beta"):
        files = (run.folder / "bodies" / name / "data" / "lake" / "persons").glob("*.parquet")
        rows = [pq.read_table(file)["wrapped"].to_pylist() for file in files]
        wrapped.append({value for one in rows for value in one})
    assert all(wrapped)
    assert len(set[str]().union(*wrapped)) == sum(map(len, wrapped))


def test_who_refuses_commercial_use_is_in_the_other_project_only(run: Run) -> None:
    research, commercial = (cohort.out(run, "basic", p) for p in ("research", "commercial"))
    (refusing,) = commercial - research
    assert cohort.people(run)[refusing].number == 113
    assert refusing in cohort.members(run)
    dropped = [run.report["lost"]["projects"][n]["dropped_by_holders"] for n in (FIRST, SECOND)]
    assert any(dropped[1][part] > dropped[0][part] for part in dropped[0])


def _ranks(values: list[bytes]) -> list[int]:
    places = {value: rank for rank, value in enumerate(sorted(values))}
    return [places[value] for value in values]


def _correlation(one: list[int], other: list[int]) -> float:
    middle = (len(one) - 1) / 2
    spread = sum((rank - middle) ** 2 for rank in one)
    return sum((a - middle) * (b - middle) for a, b in zip(one, other, strict=True)) / spread
