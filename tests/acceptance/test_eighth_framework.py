"""A framework that this repository has never seen runs unchanged: a file is all it takes."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from runs import FRAMEWORKS, ROOT, Rehearsals, Run, first_study

from sekisho.rehearsal.verification import verify

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

APPLICATION = "kidney"
WHO = {
    "collection": {"basic": "archive", "additional": "harbour", "hard": "harbour"},
    "opt_out": dict.fromkeys(("basic", "additional", "hard"), "counsel"),
    "review": dict.fromkeys(("basic", "additional", "hard"), "counsel"),
    "processing": dict.fromkeys(("basic", "additional", "hard"), "harbour"),
    "analysis": dict.fromkeys(("basic", "additional", "hard"), "archive"),
}
"""Processed by a certified operator, analysed at a public body, decided on by a third."""
AUXILIARY = {"history": "names", "converter": "mill-1", "oversight": "mill-2"}


def eighth(folder: Path) -> Path:
    """Write a framework whose bodies all have other names than those of frameworks/."""
    raw: dict[str, Any] = tomllib.loads((ROOT / "frameworks" / "3.toml").read_text("utf-8"))
    raw["id"] = "eighth"
    raw["title"] = {"ja": "第八の案", "en": "The eighth"}
    kinds = {"archive": "public", "harbour": "certified", "counsel": "public"}
    raw["body"] = [
        {"id": name, "kind": kind, "title": {"ja": name, "en": name}}
        for name, kind in kinds.items()
    ] + [
        {"id": name, "kind": "auxiliary", "roles": [role], "title": {"ja": name, "en": name}}
        for role, name in AUXILIARY.items()
    ]
    raw["assignment"] = [
        {
            "function": function,
            "data": [data_class],
            "bodies": [body],
            "basis": "inferred",
            "source": "an example",
        }
        for function, by_class in WHO.items()
        for data_class, body in by_class.items()
    ]
    raw["linkage"] = {"exchange": list(kinds), "at": "archive", "cohort": "at_gate"}
    for decision, said in raw["remedy"].items():
        one = dict(said[0] if isinstance(said, list) else said)
        one.pop("of", None)
        raw["remedy"][decision] = one
    path = folder / "eighth.toml"
    path.write_bytes(tomli_w.dumps(raw).encode())
    return path


@pytest.fixture(scope="module")
def run(rehearsals: Rehearsals, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = eighth(tmp_path_factory.mktemp("eighth"))
    return rehearsals.get("eighth", lambda: first_study().with_framework(str(path)))


def test_it_runs_whole_and_verifies(run: Run) -> None:
    assert run.report["failed"] == []
    assert run.report["framework"] == "eighth"
    assert verify(run.folder).problems == ()


def test_it_releases_the_same_bytes(run: Run, study: Callable[[str], Run]) -> None:
    assert run.released(APPLICATION)
    assert run.released(APPLICATION) == study(FRAMEWORKS[0]).released(APPLICATION)


def test_each_body_did_what_the_file_gives_it(run: Run) -> None:
    entries = {body: set(one["kinds"]) for body, one in run.report["ledgers"].items()}
    assert {body for body, kinds in entries.items() if "submission.landed" in kinds} == {
        "archive",
        "harbour",
    }
    assert {body for body, kinds in entries.items() if "lane.decided" in kinds} == {"counsel"}
    assert {body for body, kinds in entries.items() if "optout.list" in kinds} == {"counsel"}
    assert {body for body, kinds in entries.items() if "release.made" in kinds} == {"archive"}
    parts = run.report["projects"][APPLICATION]["parts"]
    assert set(parts) == {"archive:basic", "harbour:additional"}
    assert run.report["projects"][APPLICATION]["environment"] == "archive"
    assert run.report["traffic"]["harbour"]["in"]["messages"] > 0
