"""Runs for tests of comparisons: reports that the rehearsal's own `compose` writes from figures
that are chosen here, so that their shape is always the real one."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import orjson
import tomli_w

from sekisho.framework import (
    CLASSES,
    Framework,
    environment,
    find,
    functions_of,
    holders,
    kinds_of,
    lanes,
    load,
    recipients,
    submission_routes,
    windows,
)
from sekisho.rehearsal.play import Play, Record
from sekisho.rehearsal.report import compose
from sekisho.rehearsal.scenario import read_scenario

MAIN = ("basic", "additional")


def write_run(
    folder: Path,
    root: Path,
    framework: str,
    *,
    released: dict[str, bytes] | None = None,
    doors: str | None = None,
    rows: int = 1000,
    seed: int | None = None,
    days: int = 20,
) -> Path:
    """Write what a run leaves that a comparison reads; ``doors`` overrides the framework's."""
    folder.mkdir(parents=True)
    file = find(framework, root)
    if doors:
        raw = tomllib.loads(file.read_text("utf-8"))
        raw["doors"] = {"submission": doors, "application": doors}
        (folder / "framework.toml").write_text(tomli_w.dumps(raw))
    else:
        shutil.copyfile(file, folder / "framework.toml")
    report = report_of(load(folder / "framework.toml", root), root, rows, seed, days)
    report["failed"] = []
    files = {"ages.csv": b"age,n\n"} if released is None else released
    report["released"] = {"kidney": sorted(files)}
    for name, content in files.items():
        target = folder / "released" / "kidney" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (folder / "report.json").write_bytes(orjson.dumps(report))
    return folder


def report_of(
    fw: Framework, root: Path, rows: int = 1000, seed: int | None = None, days: int = 20
) -> dict[str, Any]:
    """Return a report of the first study: every holder of a class has ``rows`` rows of it."""
    scenario = read_scenario(root / "scenarios" / "first-study.toml").with_population(200)
    if seed is not None:
        from msgspec.structs import replace

        scenario = replace(scenario, seed=seed)
    kinds = kinds_of(fw, find(fw.id, root))
    play = Play(scenario, fw, kinds, None, Path(), _record(fw, scenario))  # type: ignore[arg-type]
    figures = {body.id: _figures(fw, body.id, rows, days) for body in fw.body}
    links = {"missed": {"persons": 2, "by_cause": {"age-75": 2}}}
    links |= {"false": {"persons": 0, "by_cause": {}}}
    return compose(play, figures, {"total": 1.0}) | {"linkage": links}


def _record(fw: Framework, scenario: Any) -> Record:
    record = Record()
    for one in scenario.provider:
        withheld = {
            found.cause: 7
            for found in (recipients(fw, c, one.operator) for c in MAIN)
            if found.cause
        }
        record.submissions.append(
            {
                "provider": one.code,
                "format": "fhir-ndjson",
                "day": 0,
                "doors": [route.door for route in submission_routes(fw, MAIN, one.operator)],
                "messages": 3 * len(submission_routes(fw, MAIN, one.operator)),
                "bytes": 1000,
                "read": {"Patient": 10},
                "withheld": withheld,
                "findings": 0,
            }
        )
    record.applications.append(
        {
            "application": "kidney",
            "windows": [one.body for one in windows(fw, MAIN)],
            "lanes": [one.body for one in lanes(fw, MAIN)],
        }
    )
    return record


def _figures(fw: Framework, body: str, rows: int, days: int) -> dict[str, Any]:
    held = [c for c in CLASSES if body in holders(fw, c)]
    projects = {}
    if body == environment(fw, MAIN):
        projects["kidney"] = {
            "state": "ready",
            "counts": {
                "received": 9,
                "opted_out": 1,
                "outside_cohort": 3,
                "included": 5,
                "linked": 4,
                "without_person_row": 0,
                "rows": {"person": 5, "measurement": 11},
                "repeated": {"measurement": 0},
                "collapsed": {"measurement": 0},
            },
            "digests": {"person": "ab" * 32},
            "incidents": [],
            "parts": {f"{holder}:{c}": {"dropped": 2} for c in MAIN for holder in holders(fw, c)},
            "lists": {},
        }
    reviews = "review" in functions_of(fw, body)
    return {
        "traffic": {
            "paths": [
                {"direction": "out", "path": "x", "peer": "y", "messages": 4, "bytes": 400},
                {"direction": "in", "path": "x", "peer": "y", "messages": 2, "bytes": 200},
            ]
        },
        "notice": [],
        "histories": {"changes": 0, "kept": {}, "conflicts": 0},
        "undelivered": {},
        "effects": {"set_aside": [], "erased": []},
        "held": [
            {"table": "person", "data_class": c, "provider": "1", "rows": rows, "persons": 5}
            for c in held
        ],
        "submissions": [
            {
                "totals": {
                    "sent": 10,
                    "landed": 8,
                    "quarantined": 1,
                    "refused": 1,
                    "superseded": 0,
                    "set_aside": 0,
                },
                "breaches": [{"rule": "dates", "records": 1}],
            }
        ]
        if held
        else [],
        "windows": [16] if body in {one.body for one in windows(fw, MAIN)} else [],
        "lanes": [{"application": "kidney", "stage": "decided", "outcome": "grant", "days": days}]
        if reviews
        else [],
        "joined": {},
        "projects": projects,
        "jobs": {},
        "choices": 0,
        "lists": {"issued": None, "acknowledged": 0, "held": {}},
        "countersigned": {},
        "propagation": {"sent": {}, "registered": {}, "taken": {}},
        "uses": {},
        "enclave": {},
        "asked": {},
        "quarantine": {},
        "alarms": [],
        "mishaps": [],
        "refused": [],
        "ledger": {"size": 3, "kinds": {}},
    }
