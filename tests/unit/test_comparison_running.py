"""Which runs a comparison makes, and what it does with one that fails."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from comparison_world import write_run

from sekisho.common.errors import Refusal, UserError
from sekisho.comparison import compare, running
from sekisho.comparison.running import plan
from sekisho.framework import Sync, desks, framework_files, load
from sekisho.rehearsal.scenario import Scenario, read_scenario


@pytest.fixture
def scenario(root: Path) -> Scenario:
    return read_scenario(root / "scenarios" / "first-study.toml")


def test_shared_doors_are_run_only_where_they_change_a_route(
    scenario: Scenario, root: Path
) -> None:
    found = {(one.framework.id, one.variant): one.left_out for one in plan(scenario, root)}
    own = [key for key, why in found.items() if key[1] == "own" and why is None]
    shared = {key[0] for key, why in found.items() if key[1] == "shared" and why is None}
    assert len(own) == 7
    assert shared == {"2-1", "2-2-public", "2-2-certified", "4-several"}
    assert all("changes nothing" in why.en for why in found.values() if why)


def test_every_way_to_share_choices_is_run_where_several_bodies_manage_opt_out(
    scenario: Scenario, root: Path
) -> None:
    """Each once, with the framework's own way as its own run; nowhere else."""
    found: dict[str, list[str]] = {}
    for one in plan(scenario, root):
        if one.variant.startswith("sync-"):
            found.setdefault(one.framework.id, []).append(one.variant)
            said = one.scenario.override.opt_out["sync"]
            assert one.variant == f"sync-{said}" != f"sync-{one.framework.opt_out.sync}"
    several = {fw.id for fw in map(load, framework_files(root)) if fw.runs and len(desks(fw)) > 1}
    assert set(found) == several != set()
    assert all(len(set(ways)) == len(get_args(Sync)) - 1 for ways in found.values())


def test_shared_doors_are_not_run_twice_where_the_scenario_has_them(
    scenario: Scenario, root: Path
) -> None:
    shared = scenario.with_override("doors", "submission", "shared")
    shared = shared.with_override("doors", "application", "shared")
    left_out = [one.left_out for one in plan(shared, root) if one.variant == "shared"]
    assert all(why is not None and "already" in why.en for why in left_out)


def test_a_run_that_fails_is_shown_and_the_others_go_on(
    scenario: Scenario, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def played(one: Scenario, out: Path, *, root: Path, progress: object) -> None:
        if load(Path(one.framework), root).id == "3":
            raise Refusal("opt-out.no-list", "No list yet.")
        doors = one.override.doors.submission
        write_run(out, root, Path(one.framework).stem, doors=doors)

    monkeypatch.setattr(running, "run", played)
    made = compare(scenario, tmp_path / "out", root=root, progress=said.append)
    assert [(one.framework, one.skipped) for one in made.problems] == [("3", False)]
    assert "3" not in made.frameworks
    html = (tmp_path / "out" / "comparison.html").read_text("utf-8")
    assert "No list yet." in html
    assert len(made.runs) == 13
    assert said[0].startswith("1 ")


def test_where_every_run_fails_the_comparison_does(
    scenario: Scenario, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def played(*args: object, **kwargs: object) -> None:
        raise Refusal("opt-out.no-list", "No list yet.")

    monkeypatch.setattr(running, "run", played)
    with pytest.raises(Refusal):
        compare(scenario, tmp_path / "out", root=root)


def test_a_folder_that_is_not_empty_is_refused(
    scenario: Scenario, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("x")
    with pytest.raises(UserError) as caught:
        compare(scenario, tmp_path, root=root)
    assert caught.value.code == "compare.out-not-empty"
