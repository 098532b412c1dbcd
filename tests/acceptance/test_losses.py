"""What a framework loses is said by cause; what a body refuses makes no extract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace
from runs import Rehearsals, Run, documented, first_study

from sekisho.rehearsal.model import Application, Collection, Scenario
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("losses")]

WITHOUT = "1410000003"
"""The provider that has no contract with an operator here."""
NO_CONTRACT, NOTICE = "no-operator-contract", "notice-period"
OPERATORS = ("alpha", "beta")


def without_contract(scenario: Scenario) -> Scenario:
    providers = tuple(
        replace(one, operator=None) if one.code == WITHOUT else one for one in scenario.provider
    )
    return replace(scenario, provider=providers)


def collecting_only(framework: str) -> Scenario:
    """Return the first study without choices, applications and jobs: submissions alone."""
    made = without_contract(first_study()).with_framework(framework)
    return replace(made, opt_out=(), application=(), job=())


class SplitVotes(Play):
    """Lets the last lane grant the data of one application and refuse that they are linked."""

    def _command(self, body: str, application: str, command: dict[str, Any]) -> None:
        if (application, body) == ("unlinked", OPERATORS[-1]) and "linkage" in command:
            command = {**command, "linkage": "no", "reason": "Not to be joined."}
        super()._command(body, application, command)


def many_applications() -> Scenario:
    """Return one application for every way in which lanes can refuse."""
    made = first_study().with_framework("2-1")
    (asked,) = made.application

    def like(id: str, **more: Any) -> Application:
        return replace(asked, id=id, **more)

    applications = (
        asked,
        like("all-refuse", votes="reject"),
        like("one-refuses", votes={"alpha": "reject"}),
        like("apart", linkage=False),
        like("unlinked"),
    )
    return replace(made, application=applications)


@pytest.fixture(scope="module")
def lands(rehearsals: Rehearsals) -> Callable[[str], Run]:
    def get(framework: str) -> Run:
        return rehearsals.get(f"no-contract-{framework}", lambda: collecting_only(framework))

    return get


@pytest.fixture(scope="module")
def refused(rehearsals: Rehearsals) -> Run:
    return rehearsals.get("refusals", many_applications, play=SplitVotes)


@pytest.mark.parametrize("framework", ["2-1", "4-several"])
def test_records_without_an_operator_are_counted_and_the_others_lose_none(
    lands: Callable[[str], Run], framework: str
) -> None:
    run = lands(framework)
    withheld = {
        (one["provider"], one["format"]): one["withheld"] for one in run.report["submissions"]
    }
    lines = _lines(run.folder / "providers" / WITHOUT / "fhir")
    # a patient goes with both classes, and is withheld from each that has no recipient
    if framework == "2-1":
        lost = lines["Observation"] + lines["Patient"]
        assert withheld.pop((WITHOUT, "uke")) == {}
    else:
        lost = sum(lines.values()) + lines["Patient"]
        assert set(withheld.pop((WITHOUT, "uke"))) == {NO_CONTRACT}
    assert withheld.pop((WITHOUT, "fhir-ndjson")) == {NO_CONTRACT: lost}
    assert len(withheld) == 4
    assert set(map(repr, withheld.values())) == {"{}"}
    assert run.report["lost"]["records_withheld"][NO_CONTRACT] >= lost
    for body in OPERATORS:
        assert all(one["provider"] != WITHOUT for one in run.report["held"].get(body, ()))


def test_the_balance_holds_where_records_are_withheld(lands: Callable[[str], Run]) -> None:
    run = lands("4-several")
    receipts = list(run.receipts())
    assert {one["provider"] for one in receipts} == {"1310000001", "1310000002"}
    assert run.report["failed"] == []
    assert verify(run.folder).problems == ()


def test_a_report_of_losses_fits_the_schema_of_the_documentation(
    lands: Callable[[str], Run],
) -> None:
    run = lands("4-several")
    assert run.report["lost"]["records_withheld"], "a provider without a contract is told by cause"
    documented(run)


def test_operators_do_not_collect_before_the_notice_is_over(rehearsals: Rehearsals) -> None:
    def scenario() -> Scenario:
        made = collecting_only("2-1")
        return replace(made, collection=Collection(notice_from=made.start))

    run = rehearsals.get("notice", scenario)
    for one in run.report["submissions"]:
        if one["format"] == "fhir-ndjson" and one["provider"] != WITHOUT:
            lines = _lines(run.folder / "providers" / one["provider"] / "fhir")
            assert one["withheld"] == {NOTICE: lines["Observation"] + lines["Patient"]}
    assert set(run.report["held"]) - set(OPERATORS)
    assert all(not run.report["held"].get(body) for body in OPERATORS)


def test_the_sound_application_is_not_disturbed_by_the_others(refused: Run) -> None:
    assert refused.report["failed"] == []
    assert refused.released("kidney")


@pytest.mark.parametrize("application", ["all-refuse", "one-refuses"])
def test_a_lane_that_refuses_leaves_no_linked_permit(refused: Run, application: str) -> None:
    _has_no_permit(refused, application)
    joined = _joined(refused, application)
    assert joined["state"] in ("refused", "no-linkage")
    assert joined["linkage"] is False
    outcomes = {
        body: lane["outcome"]
        for body, several in refused.report["lanes"].items()
        for lane in several
        if lane["application"] == application
    }
    assert set(outcomes) == {"national", *OPERATORS}
    assert outcomes["alpha"] not in ("grant", None)


def test_data_of_several_holders_without_linkage_are_refused_at_every_window(refused: Run) -> None:
    """Promise 4: without a grant to link, no application about several holders' data is opened."""
    _has_no_permit(refused, "apart")
    told = {
        body: [one for one in problems if one["sender"] == "user-apart"]
        for body, problems in refused.report["refused"].items()
    }
    assert set(told) == {"national", *OPERATORS}
    for (one,) in told.values():
        assert one["type"].endswith("review.several-holders-unlinked")
        assert one["rule"]
        assert one["next"]


def test_linkage_refused_by_one_lane_leaves_no_linked_permit(refused: Run) -> None:
    _has_no_permit(refused, "unlinked")
    joined = _joined(refused, "unlinked")
    assert (joined["state"], joined["linkage"]) == ("no-linkage", False)


def _joined(run: Run, application: str) -> dict[str, Any]:
    (found,) = (one[application] for one in run.report["joined"].values() if application in one)
    return dict(found)


def _has_no_permit(run: Run, application: str) -> None:
    assert application not in run.report["projects"]
    assert list((run.folder / "bodies").glob(f"*/documents/permits/{application}*")) == []
    assert list((run.folder / "bodies").glob(f"*/data/projects/{application}/**/*")) == []
    assert not (run.folder / "projects" / application).exists()


def _lines(folder: Path) -> dict[str, int]:
    """Return resource type → lines of a provider's files."""
    found: dict[str, int] = {}
    for file in sorted(folder.glob("*.ndjson")):
        for line in file.read_bytes().splitlines():
            kind = orjson.loads(line)["resourceType"]
            found[kind] = found.get(kind, 0) + 1
    return found
