"""Messages lost between running bodies: somebody alarms within a day, and every choice arrives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from runs import FRAMEWORKS, Rehearsals, Run

from sekisho.body.config import BodyConfig, RehearsalOptions
from sekisho.common.clock import JST
from sekisho.control.ledger import Entry, TileLog
from sekisho.framework import find, load, registries_for
from sekisho.rehearsal.scenario import Scenario, read_scenario
from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("propagation")]

LAST_CHOICE = 6
FAULTS = (
    "drop:history/identities:2",
    "drop:opt_out/acknowledgement:3",
    "drop:opt_out/pseudonyms:4",
    "duplicate:opt_out/encrypted:3",
)
TEXT = """
framework = "{framework}"
start = 2026-04-01
seed = 7
[[provider]]
code = "1310000001"
name = "第一病院"
operator = "alpha"
function = "acute"
[population]
persons = 12
formats = ["fhir-ndjson"]
"""
CHOICE = """
[[opt_out]]
day = {day}
person = {{ number = {day} }}
scope = "all"
"""


def scenario(framework: str, folder: Path) -> Scenario:
    """Return a run of a week without applications, with a choice a day from the second day on."""
    days = range(1, LAST_CHOICE + 1)
    text = TEXT.format(framework=framework) + "".join(CHOICE.format(day=day) for day in days)
    file = folder / f"{framework}.toml"
    file.write_text(text, "utf-8")
    return read_scenario(file)


def days_of(run: Run, kind: str) -> Iterator[date]:
    """Yield the days of all entries of a kind: an alarm that was raised twice has two."""
    for ledger in sorted(run.folder.glob("bodies/*/ledger")):
        for entry in map(Entry.from_bytes, TileLog(ledger).entries()):
            if entry.kind == kind:
                yield entry.at.astimezone(JST).date()


SHORT = {FRAMEWORKS[0], FRAMEWORKS[-1]}
NAMED = [
    name if name in SHORT else pytest.param(name, marks=pytest.mark.long) for name in FRAMEWORKS
]


@pytest.mark.parametrize("framework", NAMED)
def test_what_is_lost_is_noticed_within_a_day_and_comes_again(
    framework: str, rehearsals: Rehearsals, tmp_path: Path, root: Path
) -> None:
    run: Run = rehearsals.get(
        f"propagation-{framework}", lambda: scenario(framework, tmp_path), faults=FAULTS
    )
    report = run.report
    assert report["failed"] == []
    lost = [
        date.fromisoformat(one["on"])
        for body in report["mishaps"].values()
        for one in body
        if one["kind"] == "drop"
    ]
    alarms = [one for body in report["alarms"].values() for one in body]
    raised = set(days_of(run, "alarm.raised"))
    assert len(lost) >= 2  # a holder that keeps the registry, too, acknowledges to itself
    assert all({day, day + timedelta(days=1)} & raised for day in lost)
    halves = [one for one in alarms if one["cleared"] is None]
    assert {one["code"] for one in halves} <= {"transfer.half-missing"}
    fw = load(find(framework, root), root)
    for holder, lists in report["lists"].items():
        if lists["held"]:
            newest = {registry: report["lists"][registry]["issued"] for registry in lists["held"]}
            assert set(registries_for(fw, holder)) == set(lists["held"])  # type: ignore[arg-type]
            assert {one["count"] for one in newest.values()} == {LAST_CHOICE}
            assert lists["held"] == {name: one["number"] for name, one in newest.items()}
    assert report["measures"]["opt_out_unreached"] == 0
    assert verify(run.folder).problems == ()


def test_an_ordinary_configuration_refuses_mishaps() -> None:
    made = msgspec.convert({"seed": 1, "start": "2026-04-01", "faults": FAULTS}, RehearsalOptions)
    assert made.faults == FAULTS
    assert "faults" not in BodyConfig.__struct_fields__
    for wrong in ("drop:collection/payload", "delay:a/b:1", "drop-share:2", "lose:a/b:1"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(
                {"seed": 1, "start": "2026-04-01", "faults": (wrong,)}, RehearsalOptions
            )
