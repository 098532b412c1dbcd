"""Runs that several acceptance tests look at; a worker makes each once (see xdist groups)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from foreign import write_foreign_scenario
from runs import Rehearsals, Resending, Run, first_study

from sekisho.rehearsal.scenario import Scenario, read_scenario

MEMORY = Path("/dev/shm")
ENOUGH = 4 * 2**30


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let `--dist loadgroup` see the groups: without it every worker makes every run.

    pytest-xdist 3.8 writes a test's group into an attribute that pytest 9.2 no longer reads. To be
    dropped with the next pytest-xdist that knows pytest 9.2.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        group = "_".join(sorted(str(mark.args[0]) for mark in item.iter_markers("xdist_group")))
        if group and hasattr(item, "_id") and not item.nodeid.endswith(f"@{group}"):
            item._id = type(item._id).parse(f"{item.nodeid}@{group}")


@pytest.fixture(scope="session")
def rehearsals(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsals]:
    """Runs in memory where there is room; they stay there only if a test failed.

    A run waits for the disk some thousand times. No test cuts the power: what a killed process
    has written is there on either.
    """
    if not (MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH):
        yield Rehearsals(tmp_path_factory.mktemp("rehearsals"))
        return
    folder = Path(tempfile.mkdtemp(prefix="sekisho-rehearsals-", dir=MEMORY))
    yield Rehearsals(folder)
    if not request.session.testsfailed:
        shutil.rmtree(folder)


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
