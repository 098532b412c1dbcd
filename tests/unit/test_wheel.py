"""The program as it is installed, apart from its repository: nothing that it needs stays behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("frameworks", "rules", "scenarios", "studies")
ELSEWHERE = shutil.ignore_patterns("__pycache__", "*.egg-info")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a wheel of this tree holds, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    for name in ("src", *SHIPPED):
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=ELSEWHERE)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*pip, *options, str(tree)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_a_wheel_holds_every_framework_rule_scenario_and_study(installed: Path) -> None:
    for name in SHIPPED:
        files = [f for f in (ROOT / name).rglob("*.*") if "__pycache__" not in f.parts]
        wanted = {f.relative_to(ROOT): f.read_bytes() for f in files if f.is_file()}
        assert wanted
        shipped = installed / "sekisho" / "shipped"
        assert {f: (shipped / f).read_bytes() for f in wanted} == wanted


def test_what_is_installed_finds_its_frameworks_and_scenarios_from_any_folder(
    installed: Path, tmp_path: Path
) -> None:
    asked = [
        _asked(installed, tmp_path, "frameworks", "show", "2-1"),
        _asked(installed, tmp_path, "run", "no-such-study", "--out", "out"),
    ]
    assert asked[0].returncode == 0, asked[0].stderr
    assert asked[1].returncode == 2
    assert "first-study" in asked[1].stderr, "the scenarios that there are, are named"


def _asked(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    started = (
        "import sekisho, sekisho.cli; assert sekisho.__file__.startswith({!r}); sekisho.cli.main()"
    )
    command = [sys.executable, "-c", started.format(str(installed)), *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
