"""An operator leaves: what it has moves or ends; nothing is lost, doubled or revived."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

import exit_world as world
from exit_world import CLINIC, FRAMEWORKS, HEIR, LAST_DAY, LEAVER
from memory_town import MemoryTown
from review_world import APPLICATION
from sekisho.body.flows import review
from sekisho.body.flows.permits import is_revoked
from sekisho.body.ports import Incoming
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal
from sekisho.control.catalogue import TableColumns
from sekisho.control.review import Permit, part_along
from sekisho.control.review.application import Period
from sekisho.control.review.permit import ListMinimum
from sekisho.data.lake import Lake
from sekisho.framework import desks, registries
from sekisho.rehearsal import cast


def begun(framework: str, folder: Path, **changes: str) -> MemoryTown:
    """Return a town in which both operators have records; persons 5 and 6 chose."""
    town = world.town(framework, folder, **changes)
    at_leaver = {n: [f"c{n}", f"d{n}"] for n in range(1, 7)} | {7: ["bad7"]}
    world.submit(town, LEAVER, "first", at_leaver)
    world.submit(town, HEIR, "other", {1: ["c1"], 2: ["c2", "e2"]})
    desk = LEAVER if LEAVER in desks(town.framework) else desks(town.framework)[0]
    town.choose(desk, 5)
    town.choose(desk, 6, f"operator:{LEAVER}")
    town.begin()
    town.begin()
    return town


def left(framework: str, folder: Path, **changes: str) -> MemoryTown:
    town = begun(framework, folder, **changes)
    world.withdraw(town)
    world.until(town, LAST_DAY)
    for _ in range(3):
        town.begin()
    return town


@pytest.fixture(scope="module", params=FRAMEWORKS)
def gone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MemoryTown:
    return left(request.param, tmp_path_factory.mktemp("exit"))


def test_nothing_is_lost_and_nothing_is_there_twice(gone: MemoryTown) -> None:
    town = gone
    # Six persons had two records each; c1 and c2 were at both; 6 chose against the leaver alone.
    moved = {f"{kind}{n}" for kind in "cd" for n in range(1, 6)}
    assert world.sources(town, HEIR) == sorted(moved | {"e2"})
    assert world.sources(town, HEIR, "person") == [f"p{n}" for n in (1, 2, 3, 4, 5, 7)]
    (landed,) = [one for one in town.entries(HEIR, "exit.landed") if one["what"] == "records"]
    assert landed["body"] == LEAVER
    assert len(list((town.body(HEIR).folders.data / "quarantine").iterdir())) == 1
    assert not town.body(LEAVER).folders.lake.exists()
    assert [one["body"] for one in town.entries("oversight", "oversight.left")] == [LEAVER]
    assert all(town.records(name, "left-body") for name in town.services)


def test_who_opted_out_stays_out_at_the_successor(gone: MemoryTown) -> None:
    town = gone
    town.begin()
    heir = town.body(HEIR)
    registry = HEIR if HEIR in registries(town.framework) else registries(town.framework)[0]
    entries = heir.store.get("held-list", registry)["entries"]  # type: ignore[index]
    out = [wrapped for wrapped, scopes in entries.items() if scopes == ["all"]]
    assert len(out) == 1
    assert len(Lake(heir.folders.lake).known_keys(out)) == 1  # held, and dropped by every extract


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_choice_that_stops_collection_stops_it_also_here(framework: str, tmp_path: Path) -> None:
    stop = {'effect = "stop_provision"': 'effect = "stop_collection"'}
    town = left(framework, tmp_path, **stop)
    kept = world.sources(town, HEIR)
    assert not {"c5", "d5", "c6", "d6"} & set(kept)
    assert {"c3", "d3", "c4", "d4"} <= set(kept)


def test_a_record_that_is_sent_again_replaces_what_moved(gone: MemoryTown) -> None:
    town = gone
    before = world.sources(town, HEIR)
    world.submit(town, HEIR, "again", {3: ["c3"], 4: ["c4"]})
    assert world.sources(town, HEIR) == before


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_after_the_last_day_nothing_is_taken_and_the_successor_is_named(
    framework: str, tmp_path: Path
) -> None:
    town = begun(framework, tmp_path)
    world.withdraw(town)
    world.until(town, LAST_DAY)
    world.submit(town, LEAVER, "in-time", {8: ["c8"]})
    town.begin()
    with pytest.raises(Refusal) as refused:
        world.submit(town, LEAVER, "too-late", {9: ["c9"]})
    assert refused.value.code == "exit.left"
    assert HEIR in (refused.value.next_step or "")
    for _ in range(3):
        town.begin()
    assert "c8" in world.sources(town, HEIR)
    assert "c9" not in world.sources(town, HEIR)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_without_a_withdrawal_nothing_is_converted(framework: str, tmp_path: Path) -> None:
    from sekisho.body.flows import exit, succession

    town = begun(framework, tmp_path)
    body = town.body(LEAVER)
    said = exit.Withdrawal(
        body=LEAVER, successor=HEIR, last_day=LAST_DAY, ground="none", on=LAST_DAY
    )
    outcome, _ = succession.send_records(body, said, 1)
    town.services[LEAVER].operate(outcome)
    town.settle()
    first = town.framework.with_role("converter")[0]
    codes = [one["code"] for one in town.entries(first, "conversion.refused")]
    assert codes == ["conversion.end-not-allowed"]
    assert world.sources(town, HEIR) == ["c1", "c2", "e2"]


def test_only_a_body_that_can_take_everything_succeeds(tmp_path: Path) -> None:
    town = world.town("2-2-certified", tmp_path)
    world.withdraw(town, body="alpha", successor="beta")  # alone with review
    world.withdraw(town, successor="national")  # collects other data
    world.withdraw(town, successor=LEAVER)
    assert {one["code"] for one in town.entries("oversight", "message.refused")} == {
        "exit.no-successor"
    }
    assert not town.records(HEIR, "withdrawal")


def test_others_cannot_sign_a_withdrawal(tmp_path: Path) -> None:
    town = world.town("4-several", tmp_path)
    with pytest.raises(Refusal):
        town.tell(CLINIC, "oversight", "oversight/withdraw", {})
    with pytest.raises(Refusal):
        town.tell(HEIR, LEAVER, "status/body-withdrawn", {})


def test_days_after_an_exit_raise_no_alarm(gone: MemoryTown) -> None:
    town = gone
    quiet = town.today
    for _ in range(3):
        town.begin()
    assert [one for one in town.alarms(since=quiet) if one["cleared"] is None] == []


def test_the_last_checkpoint_is_cosigned(gone: MemoryTown) -> None:
    town = gone
    for _ in range(2):
        town.begin()
    ledger = town.body(LEAVER).ledger
    assert ledger.cosigned_size("oversight") == ledger.head().size


def test_a_registrys_choices_move_with_both_times(tmp_path: Path) -> None:
    """Where operators do not share choices, the successor learns of them only now."""
    alone = {'sync = "replicated"': 'sync = "none"'}
    town = begun("4-several", tmp_path, **alone)
    theirs = list(town.records(LEAVER, "registry").values())
    assert theirs
    assert not town.records(HEIR, "registry")
    world.withdraw(town)
    world.until(town, LAST_DAY)
    for _ in range(3):
        town.begin()
    ours = list(town.records(HEIR, "registry").values())
    refs = {one["ref"]: one for kept in theirs for one in kept["choices"]}
    assert {one["ref"]: one for kept in ours for one in kept["choices"]} == refs
    days = {ref: one["on"] for kept in theirs for ref, one in kept["learned"].items()}
    assert {ref: one["on"] for kept in ours for ref, one in kept["learned"].items()} == days


def test_open_cases_end_and_permits_that_name_the_leaver_are_taken_back(tmp_path: Path) -> None:
    town = world.town("4-several", tmp_path)
    cast.write_committees(town.framework, town.folder)
    apply = replace(APPLICATION, team=(CLINIC,), submitted_on=town.today)
    state = {"code": "operator-exit"}
    town.services[LEAVER].operate(
        review.open_lane(town.body(LEAVER), _told(town, LEAVER, apply.payload()))
    )
    permit = msgspec.to_builtins(_permit(town))
    for lane in (LEAVER, HEIR):
        town.body(lane).store.put("signed-permit", "other", {"payload": permit})
    world.withdraw(town)
    world.until(town, LAST_DAY)
    town.begin()
    shown = review.status(town.body(LEAVER), CLINIC, {"application": apply.id}, b"")
    assert shown["stage"] == "withdrawn"
    assert shown["ended"]["code"] == state["code"]
    assert HEIR in shown["ended"]["next_step"]
    for lane in (LEAVER, HEIR):
        assert [one["code"] for one in town.entries(lane, "lane.revoked")] == [state["code"]]
    read = Permit.from_payload(permit)
    assert all(is_revoked(town.body(name), read) for name in (LEAVER, HEIR, "converter"))


def _told(town: MemoryTown, body: str, said: object) -> Incoming:
    file = town.body(body).store.write_spool("in", "case", canonical_json(said))
    return Incoming("case", body, "review/lane", {}, "application/json", file)


def _permit(town: MemoryTown) -> Permit:
    parts = [
        part_along(hops, "additional", lane=hops[0], application="other", max_rows=9)
        for hops in ([HEIR], [LEAVER, HEIR])
    ]
    return Permit(
        id="permit-other",
        version=1,
        application="other",
        application_digest="a" * 64,
        applicant="Example University",
        team=(CLINIC,),
        purpose="research",
        tables=(TableColumns(table="person", columns=("year_of_birth",)),),
        classes=("additional",),
        cohort=APPLICATION.cohort,
        period=Period(),
        form="anonymised",
        linkage=True,
        environment=HEIR,
        parts=tuple(parts),
        opt_out=(ListMinimum(registry=HEIR, number=0),),
        ledger_heads=(),
        conditions=(),
        starts=town.today,
        expires=town.today + timedelta(days=300),
        granted_by=(HEIR, LEAVER),
    )
