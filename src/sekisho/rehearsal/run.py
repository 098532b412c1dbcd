"""Runs a scenario from nothing to a report: people, bodies, days, figures, signed remains."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import tomli_w

from sekisho.body.config import RehearsalOptions
from sekisho.body.setup import set_up
from sekisho.cdm import read_code_systems
from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import UserError
from sekisho.data.vocabulary import VocabularyStore
from sekisho.framework import find, kinds_of, load
from sekisho.rehearsal import cast
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.report import compose
from sekisho.rehearsal.scenario import Scenario
from sekisho.rehearsal.stage import Stage
from sekisho.synthetic import generate
from sekisho.web.launch import running
from sekisho.web.serve import free_port

Progress = Callable[[str], None]


def run(
    scenario: Scenario,
    out: Path,
    *,
    root: Path,
    progress: Progress = lambda text: None,
    faults: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Play ``scenario`` below the new folder ``out`` and return its report.

    Args:
        root: the folder with ``frameworks/`` and ``rules/``.
        progress: told what is being done.
        faults: planted faults, to prove a guard.

    Raises:
        UserError: ``out`` is not empty, or the framework refuses the scenario's settings.
    """
    if out.exists() and any(out.iterdir()):
        raise UserError(
            "rehearsal.out-not-empty",
            f"{out}: the folder is not empty.",
            next_step="name a new folder, or remove this one",
        )
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    started = time.monotonic()
    framework_file = _framework(scenario, out, root)
    framework = load(framework_file, root)
    if scenario.population is not None:
        progress("people and provider files")
        made = generate(
            out / "providers",
            scenario.seed,
            scenario.population.persons,
            scenario.provider_specs(),
            scenario.period(),
            scenario.population.formats,
        )
        scenario = scenario.with_files(made)
    seconds["people"] = time.monotonic() - started
    actors = cast.cast(scenario, framework, out)
    if scenario.vocabulary:
        systems = read_code_systems(root / "rules" / "code-systems.toml")
        VocabularyStore(out / "vocabulary").add(scenario.vocabulary, systems, scenario.start)
    deployment = set_up(
        framework,
        framework_file,
        out,
        rules=root / "rules",
        ports=free_port,
        actors=actors,
        rehearsal=RehearsalOptions(scenario.seed, scenario.start, faults),
        declared_synthetic=True,
        vocabulary=out / "vocabulary" if scenario.vocabulary else None,
    )
    cast.write_committees(framework, out)
    begun = time.monotonic()
    progress("bodies")
    with running(deployment) as fleet:
        seconds["bodies_up"] = time.monotonic() - begun
        first = framework.with_role("converter")[0]
        keys = {actor.id: actor.keys for actor in actors}
        stage = Stage(fleet, {**keys, first: out / "bodies" / first / "keys"})
        play = Play(scenario, framework, kinds_of(framework, framework_file), stage, out)
        begun = time.monotonic()
        steps = _timed(play, progress)
        seconds["play"] = time.monotonic() - begun
        progress("figures")
        figures = {
            body: stage.ask(cast.OBSERVER, body, "status/figures") for body in deployment.urls
        }
        linkage = play.linkage()
        failed = _failed(stage)
        stage.close()
    seconds["total"] = time.monotonic() - started
    report = compose(play, figures, seconds)
    report["failed"] = failed
    report["linkage"] = linkage
    report["steps"] = steps
    write_atomically(
        out / "report.json",
        orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n",
    )
    return report


def _timed(play: Play, progress: Progress) -> list[dict[str, Any]]:
    """Play all steps; return what each was and how long it took."""
    steps: list[dict[str, Any]] = []
    begun = time.monotonic()
    for step in play.run():
        if steps:
            steps[-1]["seconds"] = round(time.monotonic() - begun, 2)
        begun = time.monotonic()
        steps.append({"step": step, "seconds": 0.0})
        progress(step)
    if steps:
        steps[-1]["seconds"] = round(time.monotonic() - begun, 2)
    return steps


def _failed(stage: Stage) -> list[dict[str, str]]:
    """Return the messages whose handling failed: a defect of ours, never to be overlooked."""
    found = []
    for body in stage.deployment.urls:
        queue = stage.ask(cast.OBSERVER, body, "rehearsal/queue")
        found += [{"body": body, "path": one["path"]} for one in queue["failed"]]
    return found


def _framework(scenario: Scenario, out: Path, root: Path) -> Path:
    """Return the framework's file, with the scenario's own settings where it has any."""
    file = find(scenario.framework, root)
    changed = scenario.override.values()
    if not changed:
        return file
    raw = scenario.override.applied_to(tomllib.loads(file.read_text("utf-8")))
    target = out / "framework-as-run.toml"
    write_atomically(target, tomli_w.dumps(raw).encode())
    return target
