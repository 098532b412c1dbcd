"""Runs one scenario through every framework and writes what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from msgspec.structs import replace

from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import SekishoError, UserError
from sekisho.comparison.compared import Comparison, Omission
from sekisho.comparison.page import page
from sekisho.comparison.remains import Run, Variant, read_run
from sekisho.framework import (
    CLASSES,
    Claims,
    DataKinds,
    Framework,
    Sync,
    Text,
    desks,
    framework_files,
    kinds_of,
    load,
    load_claims,
    submission_routes,
    windows,
)
from sekisho.rehearsal.run import run
from sekisho.rehearsal.scenario import Scenario

Progress = Callable[[str], None]

RUNS = "runs"
SHARING: dict[Sync, Variant] = {
    "none": "sync-none",
    "lead": "sync-lead",
    "replicated": "sync-replicated",
    "joint_registry": "sync-joint_registry",
}
"""Ways in which desks share choices; each is run where several bodies manage opt-out."""


@dataclass(frozen=True)
class Planned:
    """A run that is due, or why it is left out."""

    framework: Framework
    variant: Variant
    scenario: Scenario
    left_out: Text | None = None


def compare(
    scenario: Scenario, out: Path, *, root: Path, progress: Progress = lambda text: None
) -> Comparison:
    """Run ``scenario`` through all frameworks of ``root`` and lay them side by side in ``out``.

    Each framework runs with its own doors, then with shared ones where that changes anything, and
    where several bodies manage opt-out, with every other way to share choices. One that ends with
    an error is shown as such; the others go on.

    Raises:
        UserError: ``out`` is not empty.
        SekishoError: of the last run, where none came to an end.
    """
    if out.exists() and any(out.iterdir()):
        raise UserError(
            "compare.out-not-empty",
            f"{out}: the folder is not empty.",
            next_step="name a new folder, or remove this one",
        )
    runs: list[Run] = []
    omitted: list[Omission] = []
    last: SekishoError | None = None
    for one in plan(scenario, root):
        name, variant = one.framework.id, one.variant
        if one.left_out is not None:
            omitted.append(Omission(name, variant, True, one.left_out))
            continue
        progress(f"{name} ({variant})")
        folder = out / RUNS / f"{name}-{variant}"
        try:
            run(one.scenario, folder, root=root, progress=_prefixed(progress, folder.name))
        except SekishoError as error:
            last = error
            why = Text(
                ja=f"終わらなかった：{error.message}（{error.code}）",
                en=f"did not end: {error.message} ({error.code})",
            )
            omitted.append(Omission(name, variant, False, why))
        else:
            runs.append(read_run(folder, root, variant))
    if not runs:
        raise last or UserError("compare.nothing", "There is no framework to compare.")
    return _written(Comparison(tuple(runs), _claims(root), tuple(omitted)), out)


def from_reports(folders: Sequence[Path], *, root: Path, out: Path | None = None) -> Comparison:
    """Lay runs that were made before side by side, without running anything.

    Args:
        folders: what `sekisho run` or an earlier comparison (``runs/*``) left.
        out: where to write the files of a comparison; nowhere if not given.

    Raises:
        UserError: a folder has no report, two are of the same framework and doors, or they are
            of different scenarios.
    """
    runs = tuple(read_run(folder, root) for folder in folders)
    if not runs:
        raise UserError("compare.nothing", "There is no report to compare.")
    seen: set[tuple[str, str]] = set()
    for folder, one in zip(folders, runs, strict=True):
        if (one.framework, one.variant) in seen:
            raise UserError(
                "compare.twice",
                f"{folder}: {one.framework} ({one.variant}) is there twice.",
                next_step="name one folder for each framework; `…-shared` has shared doors",
            )
        seen.add((one.framework, one.variant))
        if one.report["scenario"] != runs[0].report["scenario"]:
            raise UserError(
                "compare.other-scenario",
                f"{folder}: is of another scenario than {folders[0]}.",
                next_step="compare runs of one scenario, seed and number of people",
            )
    made = Comparison(runs, _claims(root))
    return made if out is None else _written(made, out)


def plan(scenario: Scenario, root: Path) -> Iterator[Planned]:
    """Yield the runs of a comparison in the order of the frameworks' files."""
    for file in framework_files(root):
        fw = load(file, root)
        if not fw.runs:
            why = Text(ja="現状の記録であり動かせない", en="records what exists and cannot run")
            yield Planned(fw, "own", scenario, why)
            continue
        own = scenario.with_framework(str(file))
        yield Planned(fw, "own", own)
        shared = own.with_override("doors", "submission", "shared")
        shared = shared.with_override("doors", "application", "shared")
        same = _unchanged(own, fw, kinds_of(fw, file, root))
        yield Planned(fw, "shared", shared, same)
        if len(desks(fw)) > 1:
            now = own.override.opt_out.get("sync", fw.opt_out.sync)
            for sync, variant in SHARING.items():
                if sync != now:
                    yield Planned(fw, variant, own.with_override("opt_out", "sync", sync))


def _unchanged(scenario: Scenario, fw: Framework, kinds: DataKinds) -> Text | None:
    """Return why shared doors would change nothing; None where they do."""
    doors = scenario.override.doors
    before = replace(
        fw,
        doors=replace(
            fw.doors,
            submission=doors.submission or fw.doors.submission,
            application=doors.application or fw.doors.application,
        ),
    )
    if (before.doors.submission, before.doors.application) == ("shared", "shared"):
        return Text(ja="窓口は既に共通", en="the doors are shared already")
    after = replace(fw, doors=replace(fw.doors, submission="shared", application="shared"))
    asked = [kinds.classes_of_tables(one.tables) for one in scenario.application]
    submissions, applications = (
        any(
            submission_routes(before, CLASSES, one.operator)
            != submission_routes(after, CLASSES, one.operator)
            for one in scenario.provider
        ),
        any(windows(before, classes) != windows(after, classes) for classes in asked),
    )
    if submissions or applications:
        return None
    return Text(
        ja="提出先も申請先も一つであり、窓口を共通にしても変わらない",
        en="there is one door to submit and one to apply at: sharing them changes nothing",
    )


def _prefixed(progress: Progress, name: str) -> Progress:
    return lambda text: progress(f"{name}: {text}")


def _claims(root: Path) -> Claims:
    return load_claims(root / "frameworks" / "claims.toml")


def _written(made: Comparison, out: Path) -> Comparison:
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    write_atomically(out / "comparison.json", orjson.dumps(made.as_json(), option=options) + b"\n")
    write_atomically(out / "comparison.csv", made.csv().encode())
    write_atomically(out / "comparison.html", page(made).encode())
    return made
