"""The provider's side is small: it needs nothing that only a body needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from provider_world import made_home
from submissions import condition, ndjson, patient

ROOT = Path(__file__).resolve().parents[2]
BLOCKED = {
    *("django", "django_tasks", "django_tasks_db", "whitenoise", "duckdb", "deltalake"),
    *("psutil", "pyseccomp", "splink", "pyspark", "polars"),
}
PROGRAM = """
import json, sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError("blocked", name=name)

sys.meta_path.insert(0, Blocked())
sys.argv = ["sekisho", *{arguments!r}]
from sekisho.cli import main
try:
    main()
finally:
    loaded = sorted({{name.partition(".")[0] for name in sys.modules}})
    print(json.dumps(loaded), file=sys.stderr)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program where a body's packages cannot be imported."""
    text = PROGRAM.format(blocked=BLOCKED, arguments=arguments)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)


def distributions(names: list[str]) -> set[str]:
    """Return what must be installed for packages, with all that these need in turn."""
    found: set[str] = set()
    left = [_plain(one) for one in names]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        for wanted in map(Requirement, requires(name) or []):
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                left.append(_plain(wanted.name))
    return found


def _plain(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def project() -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])


@pytest.fixture
def said(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    home, _ = made_home(tmp_path / "p", "1")
    file = ndjson(tmp_path / "x.ndjson", patient(1), condition(1, 1))
    return run("submit", "--provider", str(home), "--format", "fhir-ndjson", "--check", "--json",
               "--show", str(tmp_path / "out"), str(file))  # fmt: skip


def test_a_check_runs_where_a_bodys_packages_are_not_installed(
    said: subprocess.CompletedProcess[str],
) -> None:
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["read"] == {"Condition": 1, "Patient": 1}


def test_what_a_check_loads_is_installed_without_any_extra(
    said: subprocess.CompletedProcess[str],
) -> None:
    loaded = set(json.loads(said.stderr.splitlines()[-1]))
    base = distributions(project()["dependencies"])
    known = packages_distributions()
    third = {_plain(one) for name in loaded for one in known.get(name, ())} - {"sekisho"}
    assert {"pyarrow", "pyrage", "typer"} <= third
    assert third - base - {"setuptools"} == set()
    extras = project()["optional-dependencies"]
    assert {_plain(one) for one in extras["body"]} & base == set()


def test_a_bodys_commands_say_what_is_missing_and_the_help_works() -> None:
    helped = run("--help")
    assert helped.returncode == 0, helped.stderr
    assert "extra body" in helped.stdout
    refused = run("verify", ".")
    assert refused.returncode == 2
    assert "command.not-installed" in refused.stderr
    for command in ("submit", "gateway", "provider"):
        assert run(command, "--help").returncode == 0
