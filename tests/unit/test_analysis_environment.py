"""The environment of jobs is what the installer recorded, and nobody changed it since."""

from __future__ import annotations

from pathlib import Path

import pytest

from sekisho.common.errors import TamperError
from sekisho.data.analysis.environment import Environment, stage


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("env")


@pytest.fixture(scope="module")
def staged(base: Path) -> Environment:
    return stage(base)


def test_it_is_staged_once_and_found_again(base: Path, staged: Environment) -> None:
    assert stage(base) == staged
    assert [p.name for p in base.iterdir()] == [staged.folder.name]
    assert dict(staged.packages)["pyarrow"]


def test_a_changed_added_or_open_file_is_noticed(base: Path, staged: Environment) -> None:
    starter = staged.folder / "start.py"
    original = starter.read_bytes()
    starter.write_bytes(original + b"#")
    with pytest.raises(TamperError, match=r"start\.py"):
        stage(base)
    starter.write_bytes(original)
    added = staged.folder / "lib" / "sitecustomize.py"
    added.write_text("import os")
    with pytest.raises(TamperError, match="sitecustomize"):
        stage(base)
    added.unlink()
    starter.chmod(0o666)
    with pytest.raises(TamperError, match="others could change"):
        stage(base)
    starter.chmod(0o644)
    starter.unlink()
    with pytest.raises(TamperError, match="lacks"):
        stage(base)
    starter.write_bytes(original)
    starter.chmod(0o644)
    link = staged.folder / "lib" / "link"
    link.symlink_to("/etc")
    with pytest.raises(TamperError):
        stage(base)
    link.unlink()
    assert stage(base) == staged
