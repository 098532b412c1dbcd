"""Runs that several acceptance tests look at; a worker makes each once (see xdist groups)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from foreign import write_foreign_scenario
from runs import Rehearsals, Resending, Run, first_study

from sekisho.rehearsal.scenario import Scenario, read_scenario


@pytest.fixture(scope="session")
def rehearsals(tmp_path_factory: pytest.TempPathFactory) -> Rehearsals:
    return Rehearsals(tmp_path_factory.mktemp("rehearsals"))


@pytest.fixture(scope="session")
def study(rehearsals: Rehearsals) -> Callable[[str], Run]:
    """Return framework → the first study there, with 200 people, doors as the memo has them."""

    def get(framework: str) -> Run:
        return rehearsals.get(f"study-{framework}", lambda: first_study().with_framework(framework))

    return get


@pytest.fixture(scope="session")
def foreign(
    rehearsals: Rehearsals, testdata: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Run]:
    """Return framework → the foreign scenario there, through shared doors."""
    files = tmp_path_factory.mktemp("foreign")
    path = write_foreign_scenario(testdata, files, "any")

    def scenario(framework: str) -> Scenario:
        made = read_scenario(path).with_framework(framework)
        made = made.with_override("doors", "submission", "shared")
        return made.with_override("doors", "application", "shared")

    def get(framework: str) -> Run:
        return rehearsals.get(f"foreign-{framework}", lambda: scenario(framework), play=Resending)

    return get
