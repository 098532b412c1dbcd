"""The environment of jobs: the packages a study can import, outside every home folder.

Copied from the running installation as its installer recorded it: each file must have the digest
of its package's RECORD, when it is copied and again whenever the environment is used.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sekisho.common.canonical import digest, digest_of
from sekisho.common.errors import TamperError
from sekisho.data.analysis.staging import BASE
from sekisho.data.analysis.tools import check_interpreter

PACKAGES = ("pyarrow", "duckdb", "numpy")
"""What a study can import beside the standard library, as far as it is installed."""
NOT_NEEDED = re.compile(r"/(tests?|include|includes|src)/|\.(pyx|pxd|pxi|pyi|pyc|h|hpp)$")
STARTER = "start.py"


@dataclass(frozen=True)
class Environment:
    """A staged environment.

    ``digest`` covers every file, the interpreter's version and the starter: it goes into the
    record of each job.
    """

    folder: Path
    digest: str
    python: str
    packages: tuple[tuple[str, str], ...]


def stage(base: Path = BASE) -> Environment:
    """Return the environment below ``base``, staged if need be, verified in any case.

    Raises:
        Refusal: the interpreter is missing or another one.
        TamperError: a file is not what the installer recorded, or others could change it.
    """
    python = check_interpreter()
    packages, files = _recorded()
    starter = Path(__file__).with_name(STARTER).read_bytes()
    expected = {f"lib/{name}": recorded for name, (_, recorded) in files.items()}
    expected[STARTER] = digest(starter)
    identity = digest_of({"python": python, "packages": packages, "files": expected})
    folder = base / f"sekisho-env-{os.geteuid()}-{identity[:16]}"
    if not folder.exists():
        _copy(base, folder, files, starter)
    _verify(folder, expected)
    return Environment(folder, identity, python, tuple(sorted(packages.items())))


def _recorded() -> tuple[dict[str, str], dict[str, tuple[Path, str]]]:
    """Return the versions of the packages, and per file its place and recorded digest (hex)."""
    packages: dict[str, str] = {}
    files: dict[str, tuple[Path, str]] = {}
    for name in PACKAGES:
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        packages[name] = distribution.version
        for file in distribution.files or ():
            path = file.as_posix()
            # A file outside site-packages is a script; one without a digest is a cache.
            if file.hash is None or path.startswith("..") or NOT_NEEDED.search(f"/{path}"):
                continue
            raw = base64.urlsafe_b64decode(file.hash.value + "=" * (-len(file.hash.value) % 4))
            files[path] = (Path(str(distribution.locate_file(file))), raw.hex())
    return packages, files


def _copy(base: Path, folder: Path, files: dict[str, tuple[Path, str]], starter: bytes) -> None:
    made = Path(tempfile.mkdtemp(prefix=".sekisho-env-", dir=base))
    try:
        for name, (source, _) in files.items():
            target = made / "lib" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        (made / STARTER).write_bytes(starter)
        for root, _, names in os.walk(made):
            os.chmod(root, 0o755)  # noqa: S103  # read by the job's user
            for name in names:
                os.chmod(Path(root, name), 0o644)
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster; its copy is verified
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _verify(folder: Path, expected: dict[str, str]) -> None:
    found = set()
    for root, folders, names in os.walk(folder):
        for name in ["", *folders, *names]:
            path = Path(root, name)
            status = path.lstat()
            plain = stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)
            if not plain or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
                raise _changed(folder, "holds something that others could change")
        for name in names:
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
            if expected.get(relative) != actual:
                raise _changed(folder, f"holds {relative}, which is not as it was installed")
            found.add(relative)
    if found != set(expected):
        raise _changed(folder, "lacks files")


def _changed(folder: Path, what: str) -> TamperError:
    return TamperError(
        "environment.changed",
        f"The environment {folder} {what}.",
        rule="a job imports only what the installer recorded",
        next_step="remove the folder; it is staged anew. If it happens again, reinstall the "
        "packages and find out who changed them",
    )
